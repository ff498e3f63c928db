/** Words that a command does not understand. */
import { Command } from "commander";
import { expect, it } from "vitest";
import { explainArgumentErrors } from "../../../tools/cli/argument-errors.ts";

function run(...words: string[]) {
  const said: string[] = [];
  let texts: string[] = [];
  const similarity = new Command("similarity").argument("[texts...]").action((given: string[]) => {
    texts = given;
  });
  const encode = new Command("encode").option("--input <file>").action(() => {});
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
  expect(run("similarity", "--offline", "a text").said).toBe("error: unknown option '--offline'\n");
  expect(run("similarity", "--", "-5 degrees today").texts).toEqual(["-5 degrees today"]);
  expect(run("encode", "-5 degrees").said).toBe("error: unknown option '-5 degrees'\n");
});

it("names the option that takes a file, where a command has no arguments", () => {
  const error = (name: string) => `error: too many arguments for '${name}'. Expected 0 arguments but got 1.\n`;
  expect(run("encode", "texts.txt").said).toBe(
    `${error("encode")}  Give a file with --input <file>. simcse encode --help shows what it takes.\n`,
  );
  expect(run("doctor", "texts.txt").said).toBe(`${error("doctor")}  simcse doctor --help shows what it takes.\n`);
});
