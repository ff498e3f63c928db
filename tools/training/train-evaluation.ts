/**
 * Evaluation during training: STS-B and SICK-R dev as in the original's trainer, the transfer tasks if requested, your own files, and a held-out part of the
 * training file.
 */
import { FileError, OptionError } from "../../src/errors.ts";
import type { Device } from "../../src/gpu/device.ts";
import type { Folder } from "../../src/io/folder.ts";
import type { Encode, SideEncoders } from "../../src/simcse/evaluation/embed-distinct.ts";
import { alignmentAndUniformity } from "../../src/simcse/evaluation/metrics/alignment.ts";
import { unusualSizes } from "../../src/simcse/evaluation/senteval/data-sizes.ts";
import { averagedTasks, devMetrics, evaluateSts } from "../../src/simcse/evaluation/senteval/evaluate-sts.ts";
import { evaluateTransfer, transferMetrics } from "../../src/simcse/evaluation/senteval/evaluate-transfer.ts";
import { scoresOf } from "../../src/simcse/evaluation/senteval/score-tasks.ts";
import { loadSts, type StsTask } from "../../src/simcse/evaluation/senteval/sts.ts";
import type { StsPair } from "../../src/simcse/evaluation/senteval/sts-files.ts";
import { loadTransfer, TRANSFER_TASKS, type TransferTask } from "../../src/simcse/evaluation/senteval/transfer.ts";
import { evaluateOn, setMetricNames } from "../../src/simcse/evaluation/sets/evaluate-set.ts";
import type { EvaluationSet } from "../../src/simcse/evaluation/sets/evaluation-set.ts";
import { checkDiffering } from "../../src/simcse/evaluation/sets/read-set.ts";
import type { Evaluate } from "../../src/simcse/training/training-evaluator.ts";
import { openEvaluationSets } from "../cli/evaluation-sets.ts";
import { isThere, openSentEval } from "../cli/senteval-folder.ts";
import type { TrainOptions } from "./train-options.ts";

/** One part of an evaluation. */
interface Part {
  /** The names of its metrics, the main one first. */
  readonly metrics: readonly string[];
  readonly evaluate: (sides: SideEncoders, device: Device) => Promise<Readonly<Record<string, number>>>;
}

/** What a run is evaluated on, checked before training begins. */
export interface DevEvaluation {
  readonly parts: readonly Part[];
  /** What was requested but is left out, and data that is not complete. */
  readonly notes: readonly string[];
}

/**
 * Opens the sets that the options name. `held` is the held-out part of the training file, if any. Throws `FileError` if none of the requested sets exist,
 * `DataError` for malformed ones and for those whose scores or labels are all the same, `OptionError` for two of one name.
 */
export async function openDevEvaluation(given: TrainOptions, held: EvaluationSet | null): Promise<DevEvaluation> {
  const own = [...(held ? [held] : []), ...(await openEvaluationSets(given, { columns: given.eval_columns }))];
  for (const set of own) checkDiffering(set);
  const ofSentEval = own.length === 0 || given.do_eval === true || given.eval_transfer === true;
  // --do_eval is usual with sets of one's own, too, where SentEval's need not exist.
  const isExtra = own.length > 0 && given.eval_transfer !== true;
  const isLeftOut = isExtra && !(await isThere(given.data_dir));
  const folder = ofSentEval && !isLeftOut ? await openSentEval(given.data_dir) : null;
  const sts = folder ? await openSts(folder) : null;
  const transfer = folder && given.eval_transfer ? await openTransfer(folder) : null;
  const parts = [...(sts ? [sts.part] : []), ...own.map(setPart), ...(transfer ? [transfer.part] : [])];
  checkNames(parts);
  return {
    parts,
    notes: [
      ...(ofSentEval && isLeftOut ? [`${given.data_dir} is not there: evaluated on your own sets only (--data_dir)`] : []),
      ...(sts?.missing ?? []).map((path) => `${path} is not there: its task is left out of the evaluation`),
      ...(transfer?.missing ?? []).map((path) => `${path} is not there: its task is left out of eval_avg_transfer`),
      ...(folder ? await unusualSizes(folder, { sts: averagedTasks("dev"), transfer: transfer ? TRANSFER_TASKS : [], mode: "dev" }) : []),
    ],
  };
}

/** Throws `OptionError` if two parts have a metric of one name: the log would have only one of them. */
function checkNames(parts: readonly Part[]): void {
  const names = parts.flatMap(({ metrics }) => metrics);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice === undefined) return;
  throw new OptionError(
    `Two evaluations have the metric ${twice}.`,
    "Rename the file of --eval_file: its name begins its metrics' names, and stsb, sickr and held_out are taken.",
  );
}

/** The metric that selects the best model: the given one, or the first. Throws `OptionError` for one that the evaluation does not have. */
export function chosenMetric({ parts }: DevEvaluation, given: string | undefined): string {
  const names = parts.flatMap(({ metrics }) => metrics).map((name) => name.replace(/^eval_/, ""));
  const metric = given?.replace(/^eval_/, "") ?? names[0]!;
  if (names.includes(metric)) return metric;
  throw new OptionError(
    `--metric_for_best_model ${given}: the evaluation has ${names.join(", ")}.`,
    "Choose one of them, or evaluate on more with --do_eval, --eval_transfer or --eval_file.",
  );
}

/** The evaluation of a run on `device`; transfer in percent, everything else as fractions. */
export function runEvaluation({ parts }: DevEvaluation, device: Device): Evaluate {
  return async (_, sides) => {
    const measured: Record<string, number> = {};
    for (const { evaluate } of parts) Object.assign(measured, await evaluate(sides, device));
    return measured;
  };
}

/** SentEval's sentences are read whole, as in the original. */
const whole =
  (encode: Encode): Encode =>
  (sentences) =>
    encode(sentences, { maxLength: Number.POSITIVE_INFINITY });

interface Opened {
  readonly part: Part;
  /** The first missing file of each missing task. */
  readonly missing: readonly string[];
}

/** STS-B and SICK-R dev, or the one that exists. Throws `FileError` if neither does. */
async function openSts(folder: Folder): Promise<Opened> {
  const tasks: StsTask[] = [];
  const missing: string[] = [];
  let benchmark: readonly StsPair[] = [];
  for (const task of averagedTasks("dev")) {
    const found = await loadSts(folder, task, "dev");
    if ("missing" in found) missing.push(found.missing);
    else {
      tasks.push(task);
      if (task.name === "STSBenchmark") benchmark = found.flatMap((subset) => subset.pairs);
    }
  }
  if (tasks.length === 0) {
    throw new FileError(
      `${missing[0]} is missing, and so is ${missing[1]}.`,
      "Give the SentEval tree with --data_dir, or a file of your own with --eval_file; or leave out --do_eval and --eval_steps.",
    );
  }
  const ofBenchmark = benchmark.length > 0 ? ["eval_alignment", "eval_uniformity"] : [];
  return {
    missing,
    part: {
      metrics: [...tasks.map(({ name }) => devMetrics[name]!), "eval_avg_sts", ...ofBenchmark],
      async evaluate({ encode }) {
        const { tasks: scores, average } = await evaluateSts({ encode: whole(encode), folder, mode: "dev", tasks });
        const { alignment, uniformity } = await alignmentAndUniformity(benchmark, whole(encode));
        return {
          ...Object.fromEntries(tasks.map(({ name }) => [devMetrics[name]!, scoresOf(scores, name)!.spearman.all])),
          eval_avg_sts: average.spearman,
          ...(benchmark.length > 0 && { eval_alignment: alignment, eval_uniformity: uniformity }),
        };
      },
    },
  };
}

/** The transfer tasks that exist. Throws `FileError` if there is none. */
async function openTransfer(folder: Folder): Promise<Opened> {
  const tasks: TransferTask[] = [];
  const missing: string[] = [];
  for (const task of TRANSFER_TASKS) {
    const data = await loadTransfer(folder, task);
    if ("missing" in data) missing.push(data.missing);
    else tasks.push(task);
  }
  if (tasks.length === 0) {
    throw new FileError(
      `${missing[0]} is missing, and so are the other transfer tasks.`,
      "Give the SentEval tree with --data_dir, or leave out --eval_transfer.",
    );
  }
  return {
    missing,
    part: {
      metrics: ["eval_avg_transfer", ...tasks.map(({ name }) => `eval_${name}`)],
      evaluate: async ({ encode }, device) =>
        transferMetrics(await evaluateTransfer({ encode: whole(encode), device, folder, mode: "dev", tasks })),
    },
  };
}

function setPart(set: EvaluationSet): Part {
  return { metrics: setMetricNames(set), evaluate: (sides, device) => evaluateOn([set], device)(sides.encode, sides) };
}
