/** `simcse train` with evaluation during training: metrics, the best model, several seeds, and resuming after an interruption. */
import { spawn } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { openFolder } from "../../../src/io/folder-node.ts";
import { loadTokenizer } from "../../../src/io/tokenizer.ts";
import type { SeedsSummary } from "../../../src/simcse/report/seeds.ts";
import { temporaryFolder, tinySentences, writeTinyModel } from "../../tiny-model.ts";
import { expectFailure, parsed, program, simcse } from "../run-simcse.ts";

const folder = await temporaryFolder();
const model = join(folder, "model");
const text = join(folder, "text.txt");
const data = join(folder, "senteval");

const trainArguments = (output: string, ...more: string[]) => [
  ...["train", "--model_name_or_path", model, "--train_file", text, "--output_dir", output, "--data_dir", data],
  ...["--per_device_train_batch_size", "4", "--max_seq_length", "16", "--learning_rate", "1e-3", "--logging_steps", "2"],
  ...["--max_steps", "4", "--eval_steps", "2", ...more],
];

beforeAll(async () => {
  await writeTinyModel(model);
  await writeFile(text, `${tinySentences.join("\n")}\n`);
  for (const set of ["STS/STSBenchmark", "SICK", "SUBJ"]) await mkdir(join(data, set), { recursive: true });
  const pairs = tinySentences.map((a, i) => [a, tinySentences[(i * 2) % 6]!, String((i * 7) % 5)] as const);
  const table = (columns: (pair: (typeof pairs)[number]) => readonly string[]) =>
    `${pairs.map((pair) => columns(pair).join("\t")).join("\n")}\n`;
  await writeFile(
    join(data, "STS/STSBenchmark/sts-dev.csv"),
    table(([a, b, score]) => ["x", "x", "2026", "1", score, a, b]),
  );
  await writeFile(join(data, "SICK/SICK_trial.txt"), `id\tA\tB\tscore\tj\n${table(([a, b, score]) => ["1", a, b, score, "NEUTRAL"])}`);
  const lines = (own: readonly string[]) => `${Array.from({ length: 20 }, (_, i) => own[i % own.length]).join("\n")}\n`;
  await writeFile(join(data, "SUBJ/subj.objective"), lines(tinySentences.slice(0, 3)));
  await writeFile(join(data, "SUBJ/subj.subjective"), lines(tinySentences.slice(3)));
});

const entriesOf = async (output: string) => parsed<Record<string, number>>(await readFile(join(output, "log.jsonl"), "utf8"));

async function seedsOf(output: string) {
  return JSON.parse(await readFile(join(output, "seeds.json"), "utf8")) as SeedsSummary;
}

it("warns where the best model is the one that the run began with", async () => {
  const args = ["--do_eval", "--eval_on_start", "--load_best_model_at_end", "--pooler_type", "avg", "--learning_rate", "1e-12"];
  const { code, stderr } = await simcse(trainArguments(join(folder, "unmoved"), ...args));
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining("the best of step 0") });
  expect(stderr).toContain("warning: no evaluation was better than the one before the first step");
});

it("evaluates the transfer tasks too, keeps the best model by their average, and says which are not there", async () => {
  const output = join(folder, "transfer");
  const best = ["--load_best_model_at_end", "--metric_for_best_model", "avg_transfer"];
  const { code, stderr } = await simcse(trainArguments(output, "--eval_transfer", ...best));
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: expect.stringContaining("rt-polarity.pos is not there: its task is left out of eval_avg_transfer"),
  });
  const evaluations = (await entriesOf(output)).filter((entry) => "eval_avg_sts" in entry);
  expect(evaluations.map(({ step }) => step)).toEqual([2, 4]);
  for (const entry of evaluations) {
    expect(Object.keys(entry).filter((name) => name.startsWith("eval_"))).toEqual(
      "stsb_spearman sickr_spearman avg_sts alignment uniformity SUBJ avg_transfer".split(" ").map((name) => `eval_${name}`),
    );
    expect(entry.eval_avg_sts).toBeCloseTo((entry.eval_stsb_spearman! + entry.eval_sickr_spearman!) / 2, 12);
    expect(entry.eval_avg_transfer).toBe(entry.eval_SUBJ);
    expect(entry.eval_SUBJ).toBeGreaterThan(30); // In percent, as the original logs it.
  }
  const kept = evaluations.reduce((a, b) => (b.eval_avg_transfer! > a.eval_avg_transfer! ? b : a));
  expect(stderr).toContain(`the best of step ${kept.step} (eval_avg_transfer ${kept.eval_avg_transfer!.toFixed(4)})`);
  const page = await readFile(join(output, "report.html"), "utf8");
  const titles = [...page.matchAll(/<figcaption><b>([^<]+)<\/b>/g)].map(([, title]) => title);
  expect(titles).toEqual(["Loss", "STS", "Alignment and uniformity", "Transfer", "Learning rate", "Gradient norm", "Throughput"]);
  const card = await readFile(join(output, "README.md"), "utf8");
  expect(card).toMatch(/^---\nlibrary_name: sentence-transformers\n/);
  expect(card).toContain(`| ${(100 * kept.eval_stsb_spearman!).toFixed(2)} |`);
  expect(card).toContain('SimCSE.load("transfer")');
  // The folder is a model as before: a README stands beside it.
  expect((await loadTokenizer(await openFolder(output))).vocabSize).toBeGreaterThan(5);
});

it("trains once a seed, reports mean and deviation, and when it goes on keeps what has ended", async () => {
  const output = join(folder, "seeds");
  const args = trainArguments(output, "--do_eval", "--load_best_model_at_end", "--seeds", "1,2,3", "--pooler_type", "avg");
  const { code, stdout } = await simcse(args);
  expect(code).toBe(0);
  expect((await readdir(output)).sort()).toEqual(["report.html", "seed-1", "seed-2", "seed-3", "seeds.json"]);
  const { seeds, metrics, runs } = await seedsOf(output);
  expect(seeds).toEqual([1, 2, 3]);
  for (const [i, seed] of seeds.entries()) {
    const entries = await entriesOf(join(output, `seed-${seed}`));
    const evaluations = entries.filter((entry) => "eval_avg_sts" in entry);
    const [first, last] = evaluations as [Record<string, number>, Record<string, number>];
    const kept = last.eval_stsb_spearman! > first.eval_stsb_spearman! ? last : first;
    const { step: _, epoch: __, ...ofKept } = kept;
    expect(runs[i]).toEqual({ loss: entries.findLast((entry) => "loss" in entry)!.loss, ...ofKept });
  }
  const losses = runs.map(({ loss }) => loss!);
  expect(new Set(losses).size).toBe(3);
  const mean = (losses[0]! + losses[1]! + losses[2]!) / 3;
  const sd = Math.sqrt(losses.reduce((sum, loss) => sum + (loss - mean) ** 2, 0) / 2);
  expect(metrics.loss!.mean).toBeCloseTo(mean, 12);
  expect(metrics.loss!.sd).toBeCloseTo(sd, 12);
  expect(stdout).toContain(`loss ${mean.toFixed(4)} ± ${sd.toFixed(4)}\n`);
  const page = await readFile(join(output, "report.html"), "utf8");
  expect(page).toContain(" ± ");
  expect(page).toContain("seed 3");

  const again = await simcse([...args, "--resume_from_checkpoint"]);
  expect(again.code).toBe(0);
  expect(again.stderr.match(/is already finished, after 4 steps/g)).toHaveLength(3);
  expect(await seedsOf(output)).toEqual({ seeds, metrics, runs });
  expectFailure(await simcse(args), "not empty", "--resume_from_checkpoint");
  expectFailure(await simcse([...args, "--resume_from_checkpoint", "--temp", "0.1"]), "--temp 0.05");
});

/** Runs until standard error says `mark`, and sends Ctrl-C. */
async function interrupted(args: readonly string[], mark: string) {
  const child = spawn(process.execPath, [program, ...args]);
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    const before = stderr.includes(mark);
    stderr += String(chunk);
    if (!before && stderr.includes(mark)) child.kill("SIGINT");
  });
  child.stdout.resume();
  const code = await new Promise<number | null>((ended) => child.on("close", ended));
  return { code, stderr };
}

describe("Ctrl-C", () => {
  const [alone, broken] = [join(folder, "alone"), join(folder, "broken")];
  const options = ["--seeds", "5,6", "--eval_steps", "40", "--max_steps", "40"];
  const goingOn = [...trainArguments(broken, ...options), "--resume_from_checkpoint"];
  const ended = { code: 130, stderr: expect.stringContaining("give the same command with --resume_from_checkpoint") };

  it("finishes the step, saves, ends with 130 and says how to go on", async () => {
    const first = await interrupted(trainArguments(broken, ...options), "40 steps; ");
    expect(first).toEqual(ended);
    // A fast machine may be through with the first seed.
    expect(first.stderr).toMatch(/stopped (after step \d+ of 40; saved|before seed 6)/);
    expect(await readdir(broken)).toEqual(["seed-5"]);
  });

  it("stops in a later seed too, and keeps those before it", async () => {
    const second = await interrupted(goingOn, "seed 6");
    expect(second).toEqual(ended);
    expect((await readdir(broken)).sort()).toEqual(["seed-5", "seed-6"]);
  });

  it("changes nothing of where all seeds end", async () => {
    const codes = [await simcse(goingOn), await simcse(trainArguments(alone, ...options))].map(({ code }) => code);
    expect(codes).toEqual([0, 0]);
    expect(await seedsOf(broken)).toEqual(await seedsOf(alone));
    for (const seed of ["seed-5", "seed-6"]) {
      const weights = (output: string) => readFile(join(output, seed, "model.safetensors"));
      expect((await weights(broken)).equals(await weights(alone))).toBe(true);
    }
  });
});

it("refuses before it trains what could not be evaluated or repeated", async () => {
  const failing = (...more: string[]) => simcse(trainArguments(join(folder, "never"), "--overwrite_output_dir", ...more));
  expectFailure(await failing("--seeds", "1,2,1"), "--seeds names 1 twice");
  expectFailure(await failing("--seeds", "1,2", "--resume_from_checkpoint", model), "is one checkpoint");
  expectFailure(await failing("--metric_for_best_model", "avg_transfer"), "avg_transfer", "--eval_transfer");
  expectFailure(await failing("--data_dir", join(folder, "nowhere")), "nowhere");
  expectFailure(await failing("--data_dir", model), "STSBenchmark", "--data_dir");
});
