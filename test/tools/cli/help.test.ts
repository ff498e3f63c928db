/** The layout of --help in terminals of several widths. */
import { Command, Option } from "commander";
import { expect, it } from "vitest";
import { layOutHelp } from "../../../tools/cli/help.ts";

const words = "where the vectors of all the sentences go, which may be a file, a folder or neither of the two";

function helpAt(width: number): string {
  const inner = new Command("inner")
    .description(words)
    .argument("[texts...]", words)
    .addOption(new Option("--output_dir_of_the_vectors <dir>", words).makeOptionMandatory())
    .addOption(new Option("--short", "a switch"));
  const outer = new Command("outer").addCommand(inner);
  layOutHelp(outer);
  return inner.configureOutput({ getOutHelpWidth: () => width }).helpInformation();
}

it.each([40, 60, 80, 120])("keeps every line within %i columns, and says everything", (width) => {
  const help = helpAt(width);
  // The usage line is not wrapped.
  for (const line of help.split("\n").slice(1)) expect(line.length, line).toBeLessThanOrEqual(width);
  const said = help.replace(/\s+/g, " ");
  expect(said.split(words).length).toBe(4);
  expect(said).toContain(`--output_dir_of_the_vectors <dir> ${words} (required)`);
  expect(said).toContain("--short a switch");
});
