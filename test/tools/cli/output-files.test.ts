/** Files to write that are files to read, or twice the same. */
import { link, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { FileError, OptionError } from "../../../src/errors.ts";
import { checkOutputs } from "../../../tools/cli/output-files.ts";
import { temporaryFolder } from "../../tiny-model.ts";

const folder = await temporaryFolder();
const file = (name: string) => join(folder, name);
await writeFile(file("in.jsonl"), "{}\n");
await symlink("in.jsonl", file("symbolic.jsonl"));
await link(file("in.jsonl"), file("hard.jsonl"));
await mkdir(file("sub"));

const input = { "--input": file("in.jsonl") };

it.each(["in.jsonl", "sub/../in.jsonl", "symbolic.jsonl", "hard.jsonl"])("refuses %s for the input's own content", async (name) => {
  const checked = checkOutputs({ "--output": `${folder}/${name}` }, input);
  await expect(checked).rejects.toThrow(OptionError);
  await expect(checked).rejects.toThrow("is also the file of --input, whose content would be lost");
});

it("refuses one file for two results, whether it exists or not", async () => {
  for (const name of ["in.jsonl", "new.jsonl"]) {
    const both = { "--groups": file(name), "--pairs": `${folder}/sub/../${name}` };
    await expect(checkOutputs(both, {})).rejects.toThrow("is also the file of --groups");
  }
});

it("refuses an input among several", async () => {
  const inputs = { "--eval_file": [file("other.csv"), file("in.jsonl")] };
  await expect(checkOutputs({ "--predictions": file("in.jsonl") }, inputs)).rejects.toThrow("--eval_file");
});

it("takes other files, those that are not given, and standard output", async () => {
  await checkOutputs({ "--output": file("new.jsonl"), "--groups": undefined, "--pairs": "-" }, { "--input": "-", "--vectors": undefined });
});

it("refuses a place where nothing can be written", async () => {
  await expect(checkOutputs({ "--output": file("lost/new.jsonl") }, input)).rejects.toThrow(FileError);
});

it("names a text in the place of an input's path", async () => {
  const text = "A sentence. ".repeat(40);
  await expect(checkOutputs({ "--output": file("new.jsonl") }, { "--input": text })).rejects.toThrow(/^cannot read A sentence.*too long/);
});
