/** Texts that look like options. */
import { Command } from "commander";
import { expect, it } from "vitest";
import { explainLeadingDashes } from "../../../tools/cli/leading-dash.ts";

function run(...words: string[]) {
  const said: string[] = [];
  let texts: string[] = [];
  const similarity = new Command("similarity").argument("[texts...]").action((given: string[]) => {
    texts = given;
  });
  const encode = new Command("encode").action(() => {});
  const program = new Command("simcse").addCommand(similarity).addCommand(encode);
  explainLeadingDashes(program);
  for (const command of [program, similarity, encode]) command.exitOverride().configureOutput({ writeErr: (text) => said.push(text) });
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
