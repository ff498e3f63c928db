import { describe, expect, it } from "vitest";
import type { StsReport, StsScores } from "../../../../src/simcse/evaluation/senteval/evaluate-sts.ts";
import type { TransferReport } from "../../../../src/simcse/evaluation/senteval/evaluate-transfer.ts";
import { STS_TASKS, type StsTaskName } from "../../../../src/simcse/evaluation/senteval/sts.ts";
import { resultTables, stsTable } from "../../../../src/simcse/evaluation/senteval/table.ts";

const aggregate = (all: number) => ({ all, mean: all, wmean: all });
const scores = (all: number, undefinedCosines = 0): StsScores => ({
  subsets: {},
  pearson: aggregate(all),
  spearman: aggregate(all),
  n: 9,
  undefinedCosines,
});

function report(mode: "test" | "dev", tasks: StsReport["tasks"], spearman: number, averaged: StsTaskName[]): StsReport {
  return { mode, tasks, average: { pearson: spearman, spearman, tasks: averaged } };
}

const names = STS_TASKS.map(({ name }) => name);
const published = [75.3, 84.67, 80.19, 85.4, 80.82, 84.26, 80.39];
const full = report("test", Object.fromEntries(names.map((name, i) => [name, scores(published[i]! / 100)])), 0.8158, names);

const partial = report(
  "test",
  {
    STS12: scores(0.5),
    STS15: { missing: "data/STS/STS15-en-test/STS.gs.belief.txt" },
    STSBenchmark: scores(Number.NaN, 2),
  },
  Number.NaN,
  ["STS12", "STSBenchmark"],
);

describe("stsTable", () => {
  it("is the box of the original's README", () => {
    expect(stsTable(full).split("\n")).toEqual([
      "------ test ------",
      "+-------+-------+-------+-------+-------+--------------+-----------------+-------+",
      "| STS12 | STS13 | STS14 | STS15 | STS16 | STSBenchmark | SICKRelatedness |  Avg. |",
      "+-------+-------+-------+-------+-------+--------------+-----------------+-------+",
      "| 75.30 | 84.67 | 80.19 | 85.40 | 80.82 |    84.26     |      80.39      | 81.58 |",
      "+-------+-------+-------+-------+-------+--------------+-----------------+-------+",
      "Avg. covers all 7 tasks.",
    ]);
  });

  it("has one row per task where that does not fit", () => {
    expect(stsTable(full, 82)).toBe(stsTable(full));
    const narrow = stsTable(full, 81).split("\n");
    expect(narrow.slice(1, 6)).toEqual([
      "+-----------------+----------+",
      "|       Task      | Spearman |",
      "+-----------------+----------+",
      "|      STS12      |  75.30   |",
      "|      STS13      |  84.67   |",
    ]);
    expect(narrow).toContain("|       Avg.      |  81.58   |");
    expect(narrow).toHaveLength(14);
  });

  it("says what was not scored, and what Avg. covers", () => {
    const lines = stsTable(partial).split("\n");
    expect(lines[4]).toBe("| 50.00 |   –   |   –   |   –   |   –   |     nan      |        –        | nan  |");
    expect(lines.slice(6)).toEqual([
      "Avg. covers 2 of 7 tasks: STS12, STSBenchmark.",
      "STS13: not run.",
      "STS14: not run.",
      "STS15: no data, data/STS/STS15-en-test/STS.gs.belief.txt is missing.",
      "STS16: not run.",
      "STSBenchmark: nan, its correlation is undefined: the scores do not vary.",
      "STSBenchmark: 2 pairs without a cosine (zero or non-finite embeddings) counted as 0.",
      "SICKRelatedness: not run.",
    ]);
  });

  it("averages nothing where nothing was scored", () => {
    const lines = stsTable(report("test", {}, Number.NaN, [])).split("\n");
    expect(lines[4]).toMatch(/\| {2}– {3}\|$/);
    expect(lines[6]).toBe("Avg. covers 0 of 7 tasks.");
  });

  it("shows the tasks with a dev set in dev mode", () => {
    const dev = report("dev", { STS12: scores(0.1), STSBenchmark: scores(0.8), SICKRelatedness: scores(-0.6) }, 0.1, names.slice(5));
    expect(stsTable(dev).split("\n")).toEqual([
      "------ dev ------",
      "+--------------+-----------------+-------+",
      "| STSBenchmark | SICKRelatedness |  Avg. |",
      "+--------------+-----------------+-------+",
      "|    80.00     |      -60.00     | 10.00 |",
      "+--------------+-----------------+-------+",
      "Avg. covers all 2 tasks.",
      "STS12: has no dev set and is not in the table.",
    ]);
  });
});

describe("resultTables", () => {
  const transfer: TransferReport = {
    mode: "fasttest",
    tasks: {
      MR: { devAccuracy: 0.8, accuracy: 0.8118, n: 10 },
      CR: { missing: "data/CR/custrev.pos" },
      MRPC: { devAccuracy: 0.7, accuracy: 0.7443, f1: 0.8251, n: 5 },
    },
    average: { accuracy: 0.77805, tasks: ["MR", "MRPC"] },
  };

  it("has a box for the transfer tasks, and says what Avg. covers", () => {
    expect(resultTables("fasttest", { transfer }).split("\n")).toEqual([
      "------ fasttest ------",
      "+-------+----+------+------+------+------+-------+-------+",
      "|   MR  | CR | SUBJ | MPQA | SST2 | TREC |  MRPC |  Avg. |",
      "+-------+----+------+------+------+------+-------+-------+",
      "| 81.18 | –  |  –   |  –   |  –   |  –   | 74.43 | 77.81 |",
      "+-------+----+------+------+------+------+-------+-------+",
      "Avg. covers 2 of 7 tasks: MR, MRPC.",
      "CR: no data, data/CR/custrev.pos is missing.",
      "SUBJ: not run.",
      "MPQA: not run.",
      "SST2: not run.",
      "TREC: not run.",
      "MRPC: F1 82.51.",
    ]);
  });

  it("shows dev accuracies in dev mode, and both boxes for the full set", () => {
    const lines = resultTables("dev", { sts: report("dev", {}, Number.NaN, []), transfer: { ...transfer, mode: "dev" } }).split("\n");
    expect(lines[0]).toBe("------ dev ------");
    expect(lines[2]).toBe("| STSBenchmark | SICKRelatedness | Avg. |");
    expect(lines.find((line) => line.startsWith("| 80.00"))).toContain("| 70.00 |");
  });
});
