/**
 * The command line as users see it, in separate processes: its output, its exit codes, and what remains after a
 * failure. Every failure is one error with a remedy, an exit code other than 0, and no stack.
 */
import { mkdir, readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { choicesFrom } from "../../src/autograd/choices.ts";
import { decodeNpy } from "../../src/io/formats/npy.ts";
import { temporaryFolder, tinySentences, writeTinyModel } from "../tiny-model.ts";
import { expectFailure, parsed, simcse, words } from "./run-simcse.ts";

const folder = await temporaryFolder();
const model = join(folder, "model");
const text = join(folder, "sentences.txt");
const trainArguments = (output: string) =>
  words(`train --model_name_or_path ${model} --train_file ${text} --output_dir ${output} --max_steps 3 --logging_steps 1
    --per_device_train_batch_size 4 --max_seq_length 16`);

beforeAll(async () => {
  await writeTinyModel(model);
  await writeFile(text, `${tinySentences.join("\n")}\n`);
});

describe("train, evaluate, encode", () => {
  const output = join(folder, "trained");

  it("trains, keeps a log that a program can read, and saves a model that encodes", async () => {
    const { code, stdout } = await simcse(trainArguments(output));
    expect(code).toBe(0);
    expect(stdout).toMatch(/step 3 .*loss/);
    const log = parsed<{ step: number; loss: number }>(await readFile(join(output, "log.jsonl"), "utf8"));
    expect(log.map(({ step }) => step)).toEqual([1, 2, 3]);
    for (const { loss } of log) expect(loss).toBeGreaterThan(0);
    // The kernels that computed it, so that a run that goes on can have the same.
    const { tuning } = JSON.parse(await readFile(join(output, "trainer_state.json"), "utf8")) as { tuning: Record<string, string> };
    expect(Object.keys(tuning).filter((key) => key.startsWith("matmul ")).length).toBeGreaterThan(5);
    expect(choicesFrom(tuning, "trainer_state.json").toJSON()).toEqual(tuning);
    expect(await readdir(output)).toEqual(
      expect.arrayContaining(["README.md", "config.json", "model.safetensors", "tokenizer.json", "trainer_state.json", "vocab.txt"]),
    );
    const encoded = await simcse(["encode", "--model_name_or_path", output], { input: "A cat sleeps.\n\nRain fell.\n" });
    expect(encoded.code).toBe(0);
    const lines = parsed<{ sentence: string; embedding: number[] }>(encoded.stdout);
    expect(lines.map(({ sentence }) => sentence)).toEqual(["A cat sleeps.", "", "Rain fell."]);
    for (const { embedding } of lines) expect(Math.hypot(...embedding)).toBeCloseTo(1, 5);
  });

  it("trains on with the MLP that it trained, or a new one where the model has none", async () => {
    const headless = join(folder, "headless");
    expect((await simcse([...trainArguments(headless), "--pooler_type", "avg"])).code).toBe(0);
    const from = (start: string, own: string, ...more: string[]) =>
      simcse([...trainArguments(join(folder, own)).map((word) => (word === model ? start : word)), ...more]);
    // Its own pooler is avg, which has no MLP.
    const { code, stderr } = await from(headless, "onwards", "--pooler_type", "cls");
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining(`weights of ${headless}, fresh MLP, 6 sentences`) });
    // The MLP that SimCSE trained goes on, under the name that a BERT's own pooler has.
    expect((await from(output, "again")).stderr).toContain(`weights of ${output}, 6 sentences`);
  });

  it("shows where time goes, writes a trace, and trains the same model with it", async () => {
    const [plain, profiled] = [join(folder, "plain"), join(folder, "profiled")];
    const five = (output: string) => [...trainArguments(output), "--max_steps", "5"];
    expect((await simcse(five(plain))).code).toBe(0);
    const { code, stdout, stderr } = await simcse([...five(profiled), "--profile"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/step 5 .*loss/);
    expect(stderr).toMatch(/kernel +n +ms +time .*of ceiling\n(.*\n)*matmul/);
    const { traceEvents } = JSON.parse(await readFile(join(profiled, "profile.json"), "utf8")) as { traceEvents: { name: string }[] };
    expect(traceEvents.map(({ name }) => name)).toEqual(expect.arrayContaining(["profiled step 2", "attention", "adamW"]));
    const [a, b] = await Promise.all([plain, profiled].map((output) => readFile(join(output, "model.safetensors"))));
    expect(a!.equals(b!)).toBe(true);
  });

  it("writes .npy, and the same vectors whatever the batch size", async () => {
    const files = [join(folder, "a.npy"), join(folder, "b.npy")];
    for (const [i, file] of files.entries()) {
      const { code, stdout } = await simcse(
        words(`encode --model_name_or_path ${output} --input ${text} --output ${file} --batch_size ${1 + i * 5}`),
      );
      expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
    }
    const [a, b] = await Promise.all(files.map(async (file) => decodeNpy(await readFile(file), file)));
    expect(a!.shape).toEqual([tinySentences.length, 32]);
    // Sums of a sentence's tokens do not depend on its neighbours.
    expect(a!.data).toEqual(b!.data);
  });

  it("ends quietly when its reader has seen enough", async () => {
    const many = join(folder, "many.txt");
    await writeFile(many, `${Array.from({ length: 3000 }, (_, i) => `Sentence ${i} of many.`).join("\n")}\n`);
    const { code, stderr } = await simcse(["encode", "--model_name_or_path", output, "--input", many], {
      shell: (command) => `set -o pipefail; ${command} | head -c 100 > /dev/null`,
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });
});

describe("bad input", () => {
  it("names a misspelt command and option, with the nearest", async () => {
    expectFailure(await simcse(["trian"]), "trian", "Did you mean train?");
    const gone = join(folder, "gone");
    const inGone = (command: string) => `mkdir '${gone}' && cd '${gone}' && rmdir '${gone}' && ${command}`;
    expectFailure(await simcse(["similarity", "a", "b"], { shell: inGone }), "does not exist any more", "Change to another folder");
    expectFailure(await simcse([...trainArguments(join(folder, "x")), "--learning_rat", "1"]), "--learning_rat", "--learning_rate");
    expectFailure(await simcse([...trainArguments(join(folder, "x")), "--learning_rate", "fast"]), "--learning_rate", "fast");
    expectFailure(await simcse([...trainArguments(join(folder, "x")), "--pooler_type", "max"]), "max", "avg_first_last");
  });

  it("refuses to train on blank lines", async () => {
    const file = join(folder, "bad.txt");
    await writeFile(file, "\n\n\n");
    const output = join(folder, "never");
    expectFailure(
      await simcse(["train", "--model_name_or_path", model, "--train_file", file, "--output_dir", output]),
      "bad.txt",
      "sentence",
    );
  });

  it("refuses an output folder that is not empty, and leaves it as it was", async () => {
    const output = join(folder, "mine");
    await mkdir(output);
    await writeFile(join(output, "notes.txt"), "keep");
    expectFailure(await simcse(trainArguments(output)), "not empty", "--overwrite_output_dir");
    expect(await readdir(output)).toEqual(["notes.txt"]);
  });

  it("names a truncated file, and a model that does not say its pooler", async () => {
    const broken = join(folder, "truncated");
    await writeTinyModel(broken);
    expectFailure(await simcse(["encode", "--model_name_or_path", broken], { input: "x\n" }), "pooler", "cls_before_pooler");
    await truncate(join(broken, "model.safetensors"), 5000);
    expectFailure(await simcse(["encode", "--model_name_or_path", broken, "--pooler", "avg"], { input: "x\n" }), "model.safetensors");
  });

  it("refuses a model that the device cannot hold, with the tensor and the limit", async () => {
    const large = join(folder, "large");
    await writeTinyModel(large, { config: { vocab_size: 2 ** 24, hidden_size: 64 }, tensors: null });
    expectFailure(
      await simcse(["train", "--model_name_or_path", large, "--train_file", text, "--output_dir", join(folder, "y")]),
      "word_embeddings",
      "maxBufferSize",
    );
  });

  it("says what to do where no adapter is, and shows the stack under --debug alone", async () => {
    const missing = ["encode", "--model_name_or_path", join(folder, "nowhere")];
    expectFailure(await simcse(missing), "nowhere");
    expect((await simcse(["--debug", ...missing])).stderr).toMatch(/^\s+at /m);
  });

  it("says that the disk is full", async () => {
    const ended = await simcse(["encode", "--model_name_or_path", join(folder, "trained"), "--input", text], {
      shell: (command) => `${command} > /dev/full`,
    });
    expectFailure(ended, "standard output", "no space left");
  });

  it.each(["--version", "encode --help"])("says that %s could not be written, and not that its reader has ended", async (words) => {
    const args = words.split(" ");
    const full = await simcse(args, { shell: (command) => `${command} > /dev/full` });
    expectFailure(full, "standard output", "no space left");
    expect(full.code).toBe(1);
    const unread = await simcse(args, { shell: (command) => `${command} | true; exit $PIPESTATUS` });
    expect(unread).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(await simcse(args)).toMatchObject({ code: 0, stderr: "" });
  });
});
