import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openFolder } from "../../src/io/folder-node.ts";
import { loadTokenizer } from "../../src/io/tokenizer.ts";
import { openConvertible } from "../../src/simcse/checkpoint/convert.ts";
import { temporaryFolder, tinySentences, writeTinyModel } from "../tiny-model.ts";
import { simcse } from "./run-simcse.ts";

const folder = await temporaryFolder();
const text = join(folder, "text.txt");
const table = join(folder, "pairs.csv");
await writeFile(text, `${tinySentences.join("\n")}\n`);
await writeFile(table, "a,b\nA zebra sleeps.,Zebra and zebra.\n");

const run = (command: string, output: string, more: readonly string[]) => simcse(["tokenizer", command, "--output_dir", output, ...more]);
const train = (output: string, ...more: string[]) => run("train", output, more);
const prune = (output: string, ...more: string[]) => run("prune", output, more);

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

describe("simcse tokenizer prune", () => {
  it("makes a smaller model, or a smaller tokenizer where there are no weights", async () => {
    const [model, small] = [join(folder, "model"), join(folder, "small")];
    await writeTinyModel(model);
    const { code, stderr } = await prune(small, "--model", model, "--train_file", text, "--vocab_size", "54");
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/^54 of 58 tokens, \d+\.\d% of the text's \d+, saved in/) });
    const opened = await openConvertible(await openFolder(small), { pooler: "avg" });
    expect([opened.transformer.vocab_size, opened.tokenizer.vocabSize]).toEqual([54, 54]);
    await rm(join(model, "model.safetensors"));
    expect((await prune(small, "--model", model, "--train_file", text, "--vocab_size", "54")).stderr).toContain("--overwrite_output_dir");
    const alone = await prune(small, "--model", model, "--train_file", text, "--vocab_size", "54", "--overwrite_output_dir");
    expect(alone.code, alone.stderr).toBe(0);
    expect(await readdir(small)).not.toContain("model.safetensors");
    expect((await loadTokenizer(await openFolder(small))).vocabSize).toBe(54);
  });
});
