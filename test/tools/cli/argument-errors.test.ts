/** Words that a command does not understand. */
import { Command, Option } from "commander";
import { expect, it } from "vitest";
import { explainArgumentErrors } from "../../../tools/cli/argument-errors.ts";

function run(...words: string[]) {
  const said: string[] = [];
  let texts: string[] = [];
  const similarity = new Command("similarity").argument("[texts...]").action((given: string[]) => {
    texts = given;
  });
  const encode = new Command("encode")
    .option("--input <file>")
    .option("--input_format <format>")
    .option("--pooler <type>")
    .option("--max_length <n>")
    .option("--prompt <text>")
    .option("--no-normalize")
    .addOption(new Option("--secret_name <x>").hideHelp())
    .action(() => {});
  const doctor = new Command("doctor").action(() => {});
  const program = new Command("simcse").addCommand(similarity).addCommand(encode).addCommand(doctor);
  explainArgumentErrors(program);
  for (const command of [program, similarity, encode, doctor])
    command.exitOverride().configureOutput({ writeErr: (text) => said.push(text) });
  try {
    program.parse(words, { from: "user" });
  } catch {}
  return { said: said.join(""), texts };
}

it("says how to give a text that begins with a dash, where a command takes texts", () => {
  expect(run("similarity", "-5 degrees today", "five below zero").said).toBe(
    `error: unknown option '-5 degrees today'\n  If it is a text, put -- before it: simcse similarity … -- "-5 degrees today"\n`,
  );
  expect(run("similarity", "--", "-5 degrees today").texts).toEqual(["-5 degrees today"]);
});

it.each([
  ["encode", "--pooler_type", "Did you mean --pooler? "],
  ["encode", "--max_seq_length", "Did you mean --max_length? "],
  ["encode", "--input_file", "Did you mean --input or --input_format? "],
  ["encode", "--normalize_embeddings", "Did you mean --no-normalize? "],
  ["encode", "--sentences", "Did you mean --input? "],
  ["encode", "--max", "Did you mean --max_length? "],
  ["encode", "--secret", ""],
  ["encode", "--wanted", ""],
  ["encode", "-o", ""],
  ["encode", "-5 degrees", ""],
  ["similarity", "--offline", ""],
])("%s %s: what an option is called here, or where all options are shown", (command, option, meant) => {
  expect(run(command, option, "x").said).toBe(`error: unknown option '${option}'\n  ${meant}simcse ${command} --help shows the options.\n`);
});

it("leaves Commander's proposal of a name with few other letters", () => {
  const { said } = run("encode", "--poolr", "x");
  expect(said).toBe("error: unknown option '--poolr'\n(Did you mean --pooler?)\n  simcse encode --help shows the options.\n");
});

it("proposes a name with the same word in the place of Commander's with few other letters", () => {
  expect(run("encode", "--format", "x").said).toBe(
    "error: unknown option '--format'\n  Did you mean --input_format? simcse encode --help shows the options.\n",
  );
});

it.each([
  ["embed", "Did you mean encode? "],
  ["encode-file", "Did you mean encode? "],
  ["eval", ""],
  ["doctor-gpu", "Did you mean doctor? "],
])("%s: what a command is called here, or where all commands are shown", (name, meant) => {
  expect(run(name).said).toBe(`error: unknown command '${name}'\n  ${meant}simcse --help shows the commands.\n`);
});

it("names the option that takes a file, where a command has no arguments", () => {
  const error = (name: string) => `error: too many arguments for '${name}'. Expected 0 arguments but got 1.\n`;
  expect(run("encode", "texts.txt").said).toBe(
    `${error("encode")}  Give a file with --input <file>. simcse encode --help shows what it takes.\n`,
  );
  expect(run("doctor", "texts.txt").said).toBe(`${error("doctor")}  simcse doctor --help shows what it takes.\n`);
});
