/** Evaluation while training, as the original's trainer does it: STS-B and SICK-R dev, and the transfer tasks where they are asked for. */
import { FileError, OptionError } from "../../src/errors.ts";
import type { Device } from "../../src/gpu/device.ts";
import type { Folder } from "../../src/io/folder.ts";
import { openFolder } from "../../src/io/folder-node.ts";
import { alignmentAndUniformity } from "../../src/simcse/evaluation/metrics/alignment.ts";
import { averagedTasks, evaluateSts, scoresOf } from "../../src/simcse/evaluation/senteval/evaluate-sts.ts";
import { evaluateTransfer, transferMetrics } from "../../src/simcse/evaluation/senteval/evaluate-transfer.ts";
import { loadSts } from "../../src/simcse/evaluation/senteval/sts.ts";
import type { StsPair } from "../../src/simcse/evaluation/senteval/sts-files.ts";
import { loadTransfer, TRANSFER_TASKS, type TransferTask } from "../../src/simcse/evaluation/senteval/transfer.ts";
import type { Evaluate } from "../../src/simcse/training/training-evaluator.ts";

export interface EvaluationData {
  readonly folder: Folder;
  /** STS-B dev. */
  readonly pairs: readonly StsPair[];
  /** The transfer tasks that are asked for and there. */
  readonly transfer: readonly TransferTask[];
  /** Paths of the first missing file of each that is asked for and not there. */
  readonly missing: readonly string[];
}

/** The SentEval tree, checked before training begins. Throws `FileError` naming what is missing, `DataError` for what is malformed. */
export async function openEvaluationData(dataDir: string, asked: { readonly transfer: boolean }): Promise<EvaluationData> {
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
  return { folder, pairs, ...(asked.transfer ? await findTransfer(folder) : { transfer: [], missing: [] }) };
}

async function findTransfer(folder: Folder): Promise<Pick<EvaluationData, "transfer" | "missing">> {
  const transfer: TransferTask[] = [];
  const missing: string[] = [];
  for (const task of TRANSFER_TASKS) {
    const data = await loadTransfer(folder, task);
    if ("missing" in data) missing.push(data.missing);
    else transfer.push(task);
  }
  if (transfer.length > 0) return { transfer, missing };
  throw new FileError(
    `${missing[0]} is not there, nor are the other transfer tasks.`,
    "Give the SentEval tree with --data_dir, or leave out --eval_transfer.",
  );
}

const stsMetrics = ["eval_stsb_spearman", "eval_sickr_spearman", "eval_avg_sts", "eval_alignment", "eval_uniformity"] as const;

/** Throws `OptionError` unless the evaluation has the metric, named with or without `eval_`. */
export function checkMetric({ transfer }: EvaluationData, metric: string): void {
  const ofTransfer = transfer.length > 0 ? [...transfer.map(({ name }) => `eval_${name}`), "eval_avg_transfer"] : [];
  const names = [...stsMetrics, ...ofTransfer].map((name) => name.replace("eval_", ""));
  if (names.includes(metric.replace(/^eval_/, ""))) return;
  throw new OptionError(
    `--metric_for_best_model ${metric}: the evaluation has ${names.join(", ")}.`,
    transfer.length > 0 ? "Choose one of them." : "Choose one of them, or add the transfer tasks with --eval_transfer.",
  );
}

/** The evaluation of a run on `device`; STS as fractions, transfer in percent. */
export function devEvaluation({ folder, pairs, transfer }: EvaluationData, device: Device): Evaluate {
  return async (encode) => {
    const { tasks, average } = await evaluateSts({ encode, folder, mode: "dev", tasks: averagedTasks("dev") });
    const { alignment, uniformity } = await alignmentAndUniformity(pairs, encode);
    const sts: Record<(typeof stsMetrics)[number], number> = {
      eval_stsb_spearman: scoresOf(tasks, "STSBenchmark")!.spearman.all,
      eval_sickr_spearman: scoresOf(tasks, "SICKRelatedness")!.spearman.all,
      eval_avg_sts: average.spearman,
      eval_alignment: alignment,
      eval_uniformity: uniformity,
    };
    if (transfer.length === 0) return sts;
    return { ...sts, ...transferMetrics(await evaluateTransfer({ encode, device, folder, mode: "dev", tasks: transfer })) };
  };
}
