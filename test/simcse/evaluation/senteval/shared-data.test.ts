import { existsSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import type { Folder } from "../../../../src/io/folder.ts";
import { openFolder } from "../../../../src/io/folder-node.ts";
import { alignmentAndUniformity } from "../../../../src/simcse/evaluation/metrics/alignment.ts";
import { evaluateSts, type StsReport } from "../../../../src/simcse/evaluation/senteval/evaluate-sts.ts";
import { scoresOf } from "../../../../src/simcse/evaluation/senteval/score-tasks.ts";
import { loadSts, STS_TASKS, type StsSubset, type StsTaskName } from "../../../../src/simcse/evaluation/senteval/sts.ts";
import { stsTable } from "../../../../src/simcse/evaluation/senteval/table.ts";
import { describeWithSharedData } from "../../../shared-data.ts";
import { stsTask } from "./senteval-files.ts";

/** Values of a hashed bag of words. Thousands of words share them, with random signs, which blurs a cosine by about 1/√2048 = 0.02. */
const DIMENSION = 2048;

/**
 * Points of Spearman ×100. The reference numbers are of an idf bag of words whose words, counts and smoothing are not recorded; the
 * choices one could make (with and without punctuation, counted or not) lie within 1.2 of them, and the hashing adds a few tenths.
 * A wrong column, pairs out of step or a lost subset cost far more.
 */
const TOLERANCE = 1.5;

describeWithSharedData("evaluation on the SentEval data", (data) => {
  let folder: Folder;
  let test: StsReport;
  let dev: StsReport;

  beforeAll(async () => {
    folder = await openFolder(join(data, "senteval"));
    test = await evaluateSts({ encode: bagOfWords, dimension: DIMENSION, folder, mode: "test" });
    dev = await evaluateSts({ encode: bagOfWords, folder, mode: "dev", tasks: STS_TASKS.filter((task) => task.hasDevSet) });
  });

  it.each([
    ["STS12", "test", 3108],
    ["STS13", "test", 1500],
    ["STS14", "test", 3750],
    ["STSBenchmark", "dev", 1500],
    ["STSBenchmark", "test", 1379],
    ["SICKRelatedness", "dev", 500],
    ["SICKRelatedness", "test", 4927],
  ] as const)("reads %s %s: %i pairs", async (name, mode, pairs) => {
    const subsets = (await loadSts(folder, stsTask(name), mode)) as StsSubset[];
    expect(subsets.reduce((total, subset) => total + subset.pairs.length, 0)).toBe(pairs);
    const scores = subsets.flatMap((subset) => subset.pairs.map(({ score }) => score));
    expect(Math.min(...scores)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...scores)).toBe(5);
  });

  it("scores an idf bag of words as it is known to score", () => {
    const expected: [StsReport, StsTaskName, number][] = [
      [test, "STS12", 56.0],
      [test, "STS13", 72.2],
      [test, "STS14", 66.9],
      [test, "STSBenchmark", 69.6],
      [dev, "STSBenchmark", 76.1],
      [test, "SICKRelatedness", 58.0],
    ];
    for (const [report, task, spearman] of expected) {
      expect(Math.abs(spearmanOf(report, task) - spearman), `${task} ${report.mode}`).toBeLessThan(TOLERANCE);
    }
  });

  it("names the sets that are not there and leaves them out of the average", () => {
    for (const task of ["STS15", "STS16"] as const) {
      const present = existsSync(join(data, "senteval", "STS", `${task}-en-test`));
      expect("missing" in test.tasks[task]!, task).toBe(!present);
      expect(test.average.tasks.includes(task), task).toBe(present);
      if (!present) expect(stsTable(test)).toMatch(new RegExp(`${task}: no data, .*STS/${task}-en-test/STS\\.input\\..*\\.txt is missing`));
    }
    const averaged = test.average.tasks.map((task) => spearmanOf(test, task));
    expect(test.average.spearman * 100).toBeCloseTo(averaged.reduce((a, b) => a + b) / averaged.length, 12);
  });

  it("finds positive STS-B pairs closer than STS-B sentences at large", async () => {
    const subsets = (await loadSts(folder, stsTask("STSBenchmark"), "dev")) as StsSubset[];
    // A quarter of the dev set: uniformity is quadratic in the number of sentences.
    const pairs = subsets[0]!.pairs.filter((_, i) => i % 4 === 0);
    const report = await alignmentAndUniformity(pairs, bagOfWords);
    expect(report.positivePairs).toBe(pairs.filter(({ score }) => score > 4).length);
    expect(report.alignment).toBeLessThan(1);
    // Bags of rare words are nearly at right angles to each other.
    expect(report.uniformity).toBeLessThan(-3);
    expect(report.uniformity).toBeGreaterThan(-4.1);
  });
});

/** Spearman ×100, NaN where the task was not scored. */
function spearmanOf(report: StsReport, task: StsTaskName): number {
  return (scoresOf(report.tasks, task)?.spearman.all ?? Number.NaN) * 100;
}

/** Bags of lower-case words between spaces, each word once, weighted by idf over the sentences given, hashed with signs. */
async function bagOfWords(sentences: string[]): Promise<Float32Array> {
  const bags = sentences.map((sentence) => new Set(sentence.toLowerCase().split(" ")));
  const frequency = new Map<string, number>();
  for (const bag of bags) for (const word of bag) frequency.set(word, (frequency.get(word) ?? 0) + 1);
  const embeddings = new Float32Array(sentences.length * DIMENSION);
  for (const [row, bag] of bags.entries()) {
    for (const word of bag) {
      const hash = fnv1a(word);
      const idf = Math.log((sentences.length + 1) / (frequency.get(word)! + 1));
      embeddings[row * DIMENSION + (hash % DIMENSION)]! += hash >>> 31 === 0 ? idf : -idf;
    }
  }
  return embeddings;
}

/** The 32-bit FNV-1a hash of a word's UTF-16 units. */
function fnv1a(word: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < word.length; i++) hash = Math.imul(hash ^ word.charCodeAt(i), 0x01000193) >>> 0;
  return hash;
}
