/**
 * A published model scores as published: all-MiniLM-L6-v2, from the shared data. The whole takes minutes on a GPU and an hour on two cores, so it
 * runs only with SIMCSE_SCORES=1.
 */
import { join } from "node:path";
import { expect, it } from "vitest";
import { openFolder } from "../../../../src/io/folder-node.ts";
import { evaluateSts } from "../../../../src/simcse/evaluation/senteval/evaluate-sts.ts";
import { scoresOf } from "../../../../src/simcse/evaluation/senteval/score-tasks.ts";
import type { StsTaskName } from "../../../../src/simcse/evaluation/senteval/sts.ts";
import { SimCSE } from "../../../../src/simcse/simcse-node.ts";
import { openTestDevice } from "../../../device.ts";
import { sharedData } from "../../../shared-data.ts";
import { stsTask } from "./senteval-files.ts";

/** Spearman × 100, to the published two digits. */
const published: readonly (readonly [StsTaskName, number])[] = [
  ["STSBenchmark", 82.03],
  ["SICKRelatedness", 77.15],
  ["STS12", 72.37],
  ["STS13", 80.6],
  ["STS14", 75.59],
];

/** SentEval's sentences are read whole. */
const maxLength = 512;

const isWanted = process.env.SIMCSE_SCORES === "1" && sharedData !== null;
const device = isWanted ? await openTestDevice() : null;
const hours = 3_600_000;

it.runIf(isWanted).each(published)(
  "all-MiniLM-L6-v2 scores on %s as published: %f (needs the shared data and SIMCSE_SCORES=1)",
  async (name, spearman) => {
    await using model = await SimCSE.load(join(sharedData!, "models", "all-MiniLM-L6-v2"), { device: device! });
    const { tasks } = await evaluateSts({
      encode: async (texts) => (await model.encode(texts, { maxLength })).data,
      folder: await openFolder(join(sharedData!, "senteval")),
      mode: "test",
      tasks: [stsTask(name)],
    });
    expect(Math.abs(100 * scoresOf(tasks, name)!.spearman.all - spearman)).toBeLessThanOrEqual(0.01);
  },
  2 * hours,
);
