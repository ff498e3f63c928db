import { execFile } from "node:child_process";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openFolder } from "../../src/io/folder-node.ts";
import { loadTokenizer } from "../../src/io/tokenizer.ts";
import { temporaryFolder, tinySentences } from "../tiny-model.ts";
import { program } from "./run-simcse.ts";

const folder = await temporaryFolder();
const text = join(folder, "text.txt");
const table = join(folder, "pairs.csv");
await writeFile(text, `${tinySentences.join("\n")}\n`);
await writeFile(table, "a,b\nA zebra sleeps.,Zebra and zebra.\n");

function train(output: string, ...more: string[]) {
  const args = [program, "tokenizer", "train", "--output_dir", output, ...more];
  return new Promise<{ code: number; stderr: string }>((done) => {
    execFile(process.execPath, args, (error, _, stderr) =>
      done({ code: error === null ? 0 : ((error as { code?: number }).code ?? 1), stderr }),
    );
  });
}

describe("simcse tokenizer train", () => {
  it("learns from text and tables a tokenizer that a model folder takes", async () => {
    const output = join(folder, "tokenizer");
    const { code, stderr } = await train(output, "--train_file", text, table, "--vocab_size", "120");
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/tokens from 8 sentences/) });
    expect(await readdir(output)).toEqual(expect.arrayContaining(["tokenizer.json", "tokenizer_config.json", "vocab.txt"]));
    const vocabulary = (await readFile(join(output, "vocab.txt"), "utf8")).trim().split("\n");
    expect(vocabulary.slice(0, 5)).toEqual(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]);
    expect(vocabulary).toContain("zebra");
    const tokenizer = await loadTokenizer(await openFolder(output));
    expect(tokenizer.decode(tokenizer.encode("The ZEBRA sleeps.", 32))).toBe("the zebra sleeps.");
    expect((await train(output, "--train_file", text)).stderr).toContain("--overwrite_output_dir");
    expect((await train(output, "--train_file", text, "--lower_case", "false", "--overwrite_output_dir")).code).toBe(0);
    expect((await loadTokenizer(await openFolder(output))).encode("Zebra", 32)).toContain(1);
  });

  it("says what is wrong with a file and a size", async () => {
    const output = join(folder, "never");
    expect((await train(output, "--train_file", join(folder, "nowhere.txt"))).stderr).toMatch(/^error: .*nowhere\.txt/);
    expect((await train(output, "--train_file", text, "--vocab_size", "5")).stderr).toContain("--vocab_size");
  });
});
