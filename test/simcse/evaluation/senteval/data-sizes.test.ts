/** Data that lacks lines is told by its size; complete data is not. */
import { join } from "node:path";
import { expect, it } from "vitest";
import { DataError } from "../../../../src/errors.ts";
import { openFolder } from "../../../../src/io/folder-node.ts";
import { unusualSizes } from "../../../../src/simcse/evaluation/senteval/data-sizes.ts";
import { STS_TASKS } from "../../../../src/simcse/evaluation/senteval/sts.ts";
import { TRANSFER_TASKS } from "../../../../src/simcse/evaluation/senteval/transfer.ts";
import { describeWithSharedData } from "../../../shared-data.ts";
import { memoryFolder, stsTask } from "./senteval-files.ts";

const files = {
  "SUBJ/subj.objective": "a\nb\n",
  "SUBJ/subj.subjective": "c\n",
  "TREC/train_5500.label": "HUM:ind Who\n",
  "TREC/TREC_10.label": "LOC:city Where\n",
  "STS/STSBenchmark/sts-dev.csv": "x\tx\tx\t1\t3.5\ta\tb\n",
  "STS/STSBenchmark/sts-test.csv": "x\tx\tx\t1\t3.5\ta\tb\nx\tx\n",
};

it("names each part of another size, and no task without data", async () => {
  const notes = await unusualSizes(memoryFolder(files), { sts: STS_TASKS, transfer: TRANSFER_TASKS, mode: "dev" });
  expect(notes.map((note) => note.split(". Its score")[0])).toEqual([
    "STSBenchmark: its dev data has 1 examples, SentEval's has 1,500",
    "SUBJ: its data has 3 examples, SentEval's has 10,000",
    "TREC: its train data has 1 examples, SentEval's has 5,452",
    "TREC: its test data has 1 examples, SentEval's has 500",
  ]);
});

it("finds a damaged file before anything is scored", async () => {
  await expect(unusualSizes(memoryFolder(files), { sts: [stsTask("STSBenchmark")], mode: "test" })).rejects.toThrow(DataError);
});

describeWithSharedData("the sizes of the real data", (data) => {
  it("are the published ones", async () => {
    const folder = await openFolder(join(data, "senteval"));

    for (const mode of ["test", "dev"] as const)
      expect(await unusualSizes(folder, { sts: STS_TASKS, transfer: TRANSFER_TASKS, mode })).toEqual([]);
  });
});
