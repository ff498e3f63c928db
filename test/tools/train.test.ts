/** `simcse train` in separate processes: tables of pairs, options from a file, the output folder, and runs that are killed. */
import { spawn } from "node:child_process";
import { watch } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { stream } from "../../src/nn/random.ts";
import { temporaryFolder, tinySentences, writeTinyModel } from "../tiny-model.ts";
import { expectFailure, parsed, program, simcse, words } from "./run-simcse.ts";

const folder = await temporaryFolder();
const model = join(folder, "model");
const table = join(folder, "pairs.csv");
const triples = join(folder, "triples.jsonl");

const trainArguments = (output: string, file = table) => [
  ...["train", "--model_name_or_path", model, "--train_file", file, "--output_dir", output],
  ...["--per_device_train_batch_size", "4", "--max_seq_length", "16", "--logging_steps", "1"],
];

beforeAll(async () => {
  await writeTinyModel(model);
  const rows = tinySentences.map((text, i) => [text, tinySentences[(i + 1) % 6]!, tinySentences[(i + 3) % 6]!]);
  await writeFile(table, `sent0,sent1\n${rows.map(([a, b]) => `"${a}","${b}"`).join("\n")}\n`);
  await writeFile(triples, rows.map(([sent0, sent1, hard_neg]) => JSON.stringify({ sent0, sent1, hard_neg })).join("\n"));
});

describe("a run that is killed", () => {
  const steps = 30;
  const options = (output: string) => [...trainArguments(output), ...words(`--max_steps ${steps} --save_steps 1 --save_total_limit 2`)];

  /** Runs until `kill` resolves, and kills -9. Resolves with whether it was killed before it ended by itself. */
  async function killed(args: readonly string[], kill: (output: AsyncIterable<Buffer>) => Promise<void>): Promise<boolean> {
    const child = spawn(process.execPath, [program, ...args], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    const ended = new Promise<boolean>((done) => child.on("exit", (_, signal) => done(signal === "SIGKILL")));
    await Promise.race([kill(child.stdout), ended]);
    child.kill("SIGKILL");
    return ended;
  }

  /** Resolves a random time after the first step was logged. */
  const atSomeMoment = (draw: number) => async (output: AsyncIterable<Buffer>) => {
    for await (const text of output) if (text.includes("step")) break;
    await delay((draw / 2 ** 32) * 150);
  };

  /** Resolves when a checkpoint is being written. */
  const duringSave = (output: string) => async () => {
    for (const events = watch(output); ; ) {
      const name = await new Promise<string>((seen) => events.once("change", (_, file) => seen(String(file))));
      if (/^\.checkpoint-[3-9].*partial$/.test(name)) return events.close();
    }
  };

  it("is resumed until it ends with the bits of one that was left alone", async () => {
    const [alone, broken] = [join(folder, "alone"), join(folder, "broken")];
    expect((await simcse(options(alone))).code).toBe(0);
    await mkdir(broken);
    const resumed = [...options(broken), "--resume_from_checkpoint"];
    const draw = stream(Date.now() % 2 ** 31, "kill");
    expect(await killed(resumed, duringSave(broken))).toBe(true);
    expect(await readdir(broken)).toContain(".train.lock"); // That of a process that is gone: the next one takes it over.
    for (let round = 0; round < 2; round++) await killed(resumed, atSomeMoment(draw(round)));
    const { code, stderr } = await simcse(resumed);
    expect(code).toBe(0);
    expect(stderr).toMatch(/resuming after step \d+|is already finished/);
    const weights = (output: string) => readFile(join(output, "model.safetensors"));
    expect(Buffer.compare(await weights(broken), await weights(alone))).toBe(0);
    const losses = async (output: string) =>
      parsed<{ loss: number }>(await readFile(join(output, "log.jsonl"), "utf8")).map(({ loss }) => loss);
    expect(await losses(broken)).toEqual(await losses(alone));
    const kept = (await readdir(broken)).filter((name) => name.includes("checkpoint"));
    expect(kept.sort()).toEqual([`checkpoint-${steps - 1}`, `checkpoint-${steps}`]);
  });
});

it("trains on hard negatives with options from a file, and leaves a log, events, and a report", async () => {
  const output = join(folder, "hard");
  const config = join(folder, "options.json");
  await writeFile(
    config,
    JSON.stringify({ max_steps: 9, temp: 0.1, hard_negative_weight: 0.5, no_duplicates: true, lr_scheduler_type: "cosine" }),
  );
  const { code, stderr } = await simcse([...trainArguments(output, triples), "--config", config, "--max_steps", "2"]);
  expect(code).toBe(0);
  expect(stderr).toContain("6 pairs with hard negatives");
  const state = JSON.parse(await readFile(join(output, "trainer_state.json"), "utf8")) as { global_step: number; arguments: object };
  expect(state.global_step).toBe(2); // The command line wins.
  expect(state.arguments).toMatchObject({ temp: 0.1, hard_negative_weight: 0.5, no_duplicates: true, lr_scheduler_type: "cosine" });
  expect(await readFile(join(output, "report.html"), "utf8")).toContain("hard_negative_weight");
  expect(await readdir(join(output, "runs"))).toEqual([expect.stringMatching(/^events\.out\.tfevents/)]);
});

it("says when the model has collapsed, and when the warm-up never ends", async () => {
  const output = join(folder, "collapsed");
  const wrong = ["--pooler_type", "avg", "--learning_rate", "10", "--max_steps", "8", "--lr_scheduler_type", "constant"];
  const { code, stderr } = await simcse([...trainArguments(output), ...wrong]);
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining("warning: The model hardly tells texts apart") });
  for (const file of ["report.html", "README.md"])
    expect(await readFile(join(output, file), "utf8")).toContain("train again with a lower learning rate");
  const long = await simcse([...trainArguments(join(folder, "warm")), "--pooler_type", "avg", "--max_steps", "2", "--warmup_steps", "2"]);
  expect(long.stderr).toContain("hint: --warmup_steps 2 is not shorter than the run");
});

it("trains on scores where the columns have them", async () => {
  const scored = join(folder, "scored.csv");
  const rows = tinySentences.map((text, i) => `"${text}","${tinySentences[(i + 1) % 6]}",${i / 2}`);
  await writeFile(scored, `sentence1,sentence2,score\n${rows.join("\n")}\n`);
  const { code, stderr } = await simcse([...trainArguments(join(folder, "scored"), scored), "--max_steps", "2"]);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stderr).toContain("scored.csv: 3 columns: sentence1, sentence2, score; 6 scored pairs");
});

describe("a masked language model", () => {
  const [text, pretrained] = [join(folder, "text.txt"), join(folder, "pretrained")];
  const pretrain = (from: string, output: string, steps: number) => [
    ...["pretrain", "--model_name_or_path", from, "--train_file", text, "--output_dir", output, "--learning_rate", "3e-3"],
    ...["--per_device_train_batch_size", "8", "--max_seq_length", "32", "--logging_steps", "20", "--logging_first_step"],
    ...["--max_steps", String(steps), "--save_steps", "20"],
  ];
  /** Of a model that knows nothing. */
  let firstLoss = 0;

  it("is pretrained on text, from weights that have no head for it", async () => {
    await writeFile(text, Array.from({ length: 40 }, (_, i) => `${tinySentences[i % 6]} ${tinySentences[(i * 5 + 1) % 6]}`).join("\n"));
    const { code, stderr, stdout } = await simcse(pretrain(model, pretrained, 60));
    expect(code).toBe(0);
    expect(stderr).toMatch(/sequences of 32 tokens/);
    expect(stderr).toContain(`weights of ${model}, fresh head of the masked language model`);
    const losses = [...stdout.matchAll(/loss ([\d.]+)/g)].map(([, loss]) => Number(loss));
    expect(losses).toHaveLength(4);
    expect(losses.at(-1)).toBeLessThan(losses[0]!);
    firstLoss = losses[0]!;
    expectFailure(await simcse([...pretrain(model, pretrained, 60), "--temp", "0.1"]), "--temp");
  });

  it("goes on with its head", async () => {
    const { code, stderr, stdout } = await simcse(pretrain(pretrained, join(folder, "further"), 1));
    expect(code).toBe(0);
    expect(stderr).toMatch(new RegExp(`weights of ${pretrained}, \\d+ sequences`));
    expect(Number(/loss ([\d.]+)/.exec(stdout)![1])).toBeLessThan(firstLoss * 0.95);
  });

  it("is what SimCSE begins with, masked words beside it: the head goes on, the MLP is new", async () => {
    const output = join(folder, "after");
    const args = trainArguments(output).map((word) => (word === model ? pretrained : word));
    const { code, stderr } = await simcse([...args, "--do_mlm", "--pooler_type", "cls", "--max_steps", "1"]);
    expect(code).toBe(0);
    expect(stderr).toContain(`weights of ${pretrained}, fresh MLP, `);
    const [first] = (await readFile(join(output, "log.jsonl"), "utf8")).split("\n");
    const entry = JSON.parse(first!) as Record<string, number>;
    expect(entry.mlm_loss).toBeLessThan(firstLoss * 0.95);
    expect(entry.loss).toBeCloseTo(entry.contrastive_loss! + 0.1 * entry.mlm_loss!, 5);
  });
});

it("takes another config and tokenizer, and options from a file, of which false and true are some", async () => {
  const [bare, other, output] = [join(folder, "bare"), join(folder, "other"), join(folder, "named")];
  for (const path of [bare, other]) await mkdir(path);
  const config = JSON.parse(await readFile(join(model, "config.json"), "utf8")) as object;
  await writeFile(join(bare, "config.json"), JSON.stringify(config));
  await writeFile(join(other, "config.json"), JSON.stringify({ ...config, hidden_dropout_prob: 0.25, num_hidden_layers: 2 }));
  const options = join(folder, "named.json");
  const given = { config_name: other, tokenizer_name: model, resume_from_checkpoint: true, fp16: false, disable_tqdm: true, max_steps: 1 };
  await writeFile(options, JSON.stringify({ ...given, pooler_type: "avg" }));
  const args = trainArguments(output).map((word) => (word === model ? bare : word));
  const { code, stderr } = await simcse([...args, "--config", options]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining("fresh weights, 6 pairs") });
  expect(stderr).toContain("no checkpoint in");
  const saved = JSON.parse(await readFile(join(output, "config.json"), "utf8")) as object;
  expect(saved).toMatchObject({ hidden_dropout_prob: 0.25, num_hidden_layers: 2, simcse: { pooler_type: "avg" } });
  expect(await readFile(join(output, "vocab.txt"), "utf8")).toBe(await readFile(join(model, "vocab.txt"), "utf8"));
  // Weights that do not fit the other config, and no tokenizer where none is named.
  expectFailure(await simcse([...trainArguments(join(folder, "unfit")), "--config_name", other]), "encoder.layer.1");
  expectFailure(await simcse([...args, "--overwrite_output_dir"]), bare, "tokenizer");
});

it("refuses what it cannot do, and proposes the nearest option", async () => {
  const output = join(folder, "refused");
  const failing = (...more: string[]) => simcse([...trainArguments(output), ...more]);
  expectFailure(await failing("--lr_schedular_type", "linear"), "--lr_scheduler_type");
  expectFailure(await failing("--gradient_cache_chunk", "2", "--gradient_accumulation_steps", "2"), "exclude each other");
  expectFailure(await failing("--do_mlm", "--pad_to_max_length"), "--pad_to_max_length");
  expectFailure(await failing("--resume_from_checkpoint", join(folder, "model")), "trainer_state.json");
  await writeFile(join(folder, "bad.json"), '{"learning_rat": 0.1}');
  expectFailure(await failing("--config", join(folder, "bad.json")), "--learning_rat", "Did you mean --learning_rate?");
});
