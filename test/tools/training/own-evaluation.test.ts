/** `simcse train` with your own data: the loss that follows from the columns, a held-out part, and files to evaluate on. */
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { temporaryFolder, tinySentences, writeTinyModel } from "../../tiny-model.ts";
import { expectFailure, simcse, words } from "../run-simcse.ts";

const folder = await temporaryFolder();
const path = (name: string) => join(folder, name);

const train = (file: string, output: string, ...more: string[]) =>
  simcse([
    ...["train", "--model", path("model"), "--train_file", path(file), "--output_dir", path(output), "--pooler_type", "avg"],
    ...["--per_device_train_batch_size", "4", "--max_seq_length", "16", "--learning_rate", "1e-3", "--max_steps", "4", ...more],
  ]);
const stateOf = async (output: string) => JSON.parse(await readFile(join(path(output), "trainer_state.json"), "utf8"));

beforeAll(async () => {
  await writeTinyModel(path("model"));
  const pairs = Array.from({ length: 36 }, (_, i) => [
    `${tinySentences[i % 6]} ${tinySentences[Math.floor(i / 6)]}`,
    tinySentences[(i * 5) % 6]!,
  ]);
  const table = (header: string, more: (i: number) => string) =>
    `${header}\n${pairs.map((pair, i) => `${pair.join(",")}${more(i)}`).join("\n")}\n`;
  await writeFile(
    path("scored.csv"),
    table("sentence1,sentence2,score", (i) => `,${i % 6}`),
  );
  await writeFile(
    path("labelled.csv"),
    table("sentence1,sentence2,label", (i) => `,${i % 2}`),
  );
  await writeFile(
    path("faq.csv"),
    table("question,answer", () => ""),
  );
  await writeFile(path("classes.csv"), "text,label\na,good\nb,bad\n");
});

it("keeps a part back, evaluates on it and on a file, and keeps the best by a metric of one's own", async () => {
  const { code, stderr } = await train(
    "faq.csv",
    "faq",
    ...words(
      `--do_eval --data_dir ${path("nowhere")} --eval_split 0.3 --eval_file ${path("scored.csv")} --eval_steps 2 --load_best_model_at_end`,
    ),
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/\d+ of them are held out/) });
  expect(stderr).toContain("loss: infonce, the one for pairs");
  const { log_history, best } = await stateOf("faq");
  const evaluations = log_history.filter((entry: Record<string, number>) => "eval_held_out_mrr@10" in entry);
  expect(evaluations.map(({ step }: { step: number }) => step)).toEqual([0, 2, 4]); // What training began with, too.
  const [evaluated] = evaluations;
  expect(evaluated).toMatchObject({ "eval_held_out_mrr@10": expect.any(Number), eval_scored_spearman: expect.any(Number) });
  expect(best.metric).toBe("eval_held_out_mrr@10");
  // Without SentEval's data, --do_eval means these sets; they are shown before and after.
  expect(stderr).toContain("is not there: evaluated on your own sets only");
  expect(stderr).toMatch(/^ +before +after step \d+$/m);
  expect(stderr).toMatch(/^held_out_mrr@10 +[\d.]+ +[\d.]+$/m);
  expect(stderr).toMatch(/^scored_spearman +-?[\d.]+ +-?[\d.]+$/m);
  const report = await readFile(join(folder, "faq", "report.html"), "utf8");
  expect(report).toMatch(/<th>before training<\/th><th>after step \d+<\/th>/);
  expect(report).toMatch(/<tr><td>held_out_mrr@10<\/td><td>[\d.]+<\/td><td>[\d.]+<\/td><\/tr>/);
});

it("trains on scores with CoSENT and on labels with the contrastive loss, in chunks and at several lengths", async () => {
  const scored = await train("scored.csv", "scored", "--gradient_cache_chunk", "2", "--matryoshka_dims", "32,16,4");
  expect(scored.stderr).toContain("loss: cosent at 32, 16, 4, the one for scored pairs");
  expect(scored.code).toBe(0);
  const labelled = await train("labelled.csv", "labelled", "--metric_for_best_model", "scored_pearson", "--eval_file", path("scored.csv"));
  expect(labelled.stderr).toContain("loss: contrastive, the one for labelled pairs");
  expect(labelled.code).toBe(0);
});

it("mines hard negatives into triplets that train reads, and distils given vectors", async () => {
  const mined = await simcse(
    words(`data mine --model ${path("model")} --pooler avg --train_file ${path("faq.csv")} --output ${path("mined.csv")} --margin 0`),
  );
  expect(mined.stderr).toMatch(/\d+ triplets in .*mined\.csv/);
  expectFailure(
    await simcse(words(`data mine --model ${path("model")} --train_file ${path("faq.csv")} --output ${path("mined.tsv")}`)),
    "--output",
    "mined.tsv has an unknown format",
    ".csv or .jsonl",
  );
  const trained = await train("mined.csv", "mined");
  expect(trained.stderr).toMatch(/mined\.csv: 3 columns: sent0, sent1, hard_neg; \d+ triplets/);
  expect(trained.code).toBe(0);

  await writeFile(path("texts.txt"), `${tinySentences.join("\n")}\n`);
  const encoded = await simcse(
    words(`encode --model ${path("model")} --pooler avg --input ${path("texts.txt")} --output ${path("vectors.npy")}`),
  );
  expect(encoded.code).toBe(0);
  const distilled = await train("texts.txt", "student", "--target_vectors", path("vectors.npy"), "--similarity_weight", "1");
  expect(distilled.stderr).toContain("loss: distill, the one for texts with vectors");
  expect(distilled.code).toBe(0);
  expectFailure(await train("faq.csv", "none", "--target_vectors", path("vectors.npy")), "single texts", "pairs");
});

it("refuses what there is no loss or no evaluation for", async () => {
  expectFailure(await train("classes.csv", "none"), "labelled texts", "no loss");
  expectFailure(await train("scored.csv", "none", "--loss", "cosine"), "--loss", "from -1 to 1", "0 to 5");
  expectFailure(
    await train("faq.csv", "none", "--eval_file", path("scored.csv"), "--metric_for_best_model", "stsb_spearman"),
    "scored_spearman",
  );
  await copyFile(path("faq.csv"), path("held_out.csv"));
  expectFailure(
    await train("faq.csv", "none", "--eval_split", "0.2", "--eval_file", path("held_out.csv")),
    "Two evaluations have the metric eval_held_out_mrr@10",
  );
});
