/** Evaluation while training, as the original's trainer does it: STS-B and SICK-R dev, and the transfer tasks where they are asked for. */
import { FileError } from "../src/errors.ts";
import type { Device } from "../src/gpu/device.ts";
import type { Folder } from "../src/io/folder.ts";
import { openFolder } from "../src/io/folder-node.ts";
import { alignmentAndUniformity } from "../src/simcse/evaluation/alignment.ts";
import { averagedTasks, evaluateSts, scoresOf } from "../src/simcse/evaluation/evaluate.ts";
import { evaluateTransfer } from "../src/simcse/evaluation/evaluate-transfer.ts";
import { loadSts } from "../src/simcse/evaluation/sts.ts";
import type { StsPair } from "../src/simcse/evaluation/sts-files.ts";
import type { Evaluate } from "../src/simcse/training-evaluator.ts";

export interface EvaluationData {
  readonly folder: Folder;
  /** STS-B dev. */
  readonly pairs: readonly StsPair[];
}

/** The SentEval tree, checked before training begins. Throws `FileError` naming what is missing. */
export async function openEvaluationData(dataDir: string): Promise<EvaluationData> {
  const folder = await openFolder(dataDir);
  let pairs: readonly StsPair[] = [];
  for (const task of averagedTasks("dev")) {
    const found = await loadSts(folder, task, "dev");
    if ("missing" in found) {
      throw new FileError(
        `${found.missing} is not there: ${task.name} cannot be evaluated.`,
        "Give the SentEval tree with --data_dir, or leave out --do_eval and --eval_steps.",
      );
    }
    if (task.name === "STSBenchmark") pairs = found.flatMap((subset) => subset.pairs);
  }
  return { folder, pairs };
}

/** The evaluation of a run on `device`; STS as fractions, transfer in percent. */
export function devEvaluation({ folder, pairs }: EvaluationData, device: Device, { transfer }: { transfer: boolean }): Evaluate {
  return async (encode) => {
    const { tasks, average } = await evaluateSts({ encode, folder, mode: "dev", tasks: averagedTasks("dev") });
    const space = await alignmentAndUniformity(pairs, encode);
    return {
      eval_stsb_spearman: scoresOf(tasks, "STSBenchmark")!.spearman.all,
      eval_sickr_spearman: scoresOf(tasks, "SICKRelatedness")!.spearman.all,
      eval_avg_sts: average.spearman,
      eval_alignment: space.alignment,
      eval_uniformity: space.uniformity,
      ...(transfer && (await transferMetrics(folder, device, encode))),
    };
  };
}

async function transferMetrics(folder: Folder, device: Device, encode: Parameters<Evaluate>[0]): Promise<Record<string, number>> {
  const { tasks, average } = await evaluateTransfer({ encode, device, folder, mode: "dev" });
  const percent = (fraction: number) => 100 * fraction;
  const metrics = Object.entries(tasks).flatMap(([name, found]) =>
    "missing" in found ? [] : [[`eval_${name}`, percent(found.devAccuracy)] as const],
  );
  return { ...Object.fromEntries(metrics), eval_avg_transfer: percent(average.accuracy) };
}
