/** `simcse evaluate`: scores a model on your own files, or on SentEval's STS and transfer tasks as the original's `evaluation.py` prints them. */
import { Command, Option } from "commander";
import { DataError, OptionError } from "../src/errors.ts";
import type { Device } from "../src/gpu/device.ts";
import { writeFileAtomically } from "../src/io/folder-node.ts";
import { encodeUtf8 } from "../src/io/text/utf8.ts";
import { longestSentence } from "../src/nn/architectures/architectures.ts";
import { defaultModel } from "../src/simcse/checkpoint/default-model.ts";
import type { PromptOptions } from "../src/simcse/embedding/prompts.ts";
import type { Encode, SideEncoders } from "../src/simcse/evaluation/embed-distinct.ts";
import { unusualSizes } from "../src/simcse/evaluation/senteval/data-sizes.ts";
import { averagedTasks, evaluateSts, type StsReport } from "../src/simcse/evaluation/senteval/evaluate-sts.ts";
import {
  evaluateTransfer,
  type TransferMode,
  type TransferReport,
  transferSettings,
} from "../src/simcse/evaluation/senteval/evaluate-transfer.ts";
import { STS_TASKS, type StsMode, type StsTask } from "../src/simcse/evaluation/senteval/sts.ts";
import { resultTables } from "../src/simcse/evaluation/senteval/table.ts";
import { TRANSFER_TASKS, type TransferTask } from "../src/simcse/evaluation/senteval/transfer.ts";
import { evaluateSet, type SetReport } from "../src/simcse/evaluation/sets/evaluate-set.ts";
import type { EvaluationSet, SetKind } from "../src/simcse/evaluation/sets/evaluation-set.ts";
import { setTables } from "../src/simcse/evaluation/sets/set-tables.ts";
import { sideEncoders } from "../src/simcse/evaluation/side-encoders.ts";
import { type PoolerType, poolerTypes } from "../src/simcse/model/poolers.ts";
import { SimCSE } from "../src/simcse/simcse.ts";
import { type ColumnFlags, columnOptions, columnsOf } from "./cli/column-options.ts";
import { type EvaluationSetFlags, evaluationSetOptions, openEvaluationSets } from "./cli/evaluation-sets.ts";
import { findModelOrDefault, type ModelFlags, modelOrDefaultFlags, namedModel } from "./cli/find-model.ts";
import { wholeNumber, withOptions } from "./cli/options.ts";
import { checkOutputs } from "./cli/output-files.ts";
import { type Progress, startProgress } from "./cli/progress.ts";
import { say } from "./cli/say.ts";
import { openSentEval } from "./cli/senteval-folder.ts";
import { tuningFor, tuningOptions } from "./cli/tuning.ts";
import { jsonLines } from "./cli/vector-output.ts";
import { openAdapter } from "./setup/open-adapter.ts";

type TaskSet = "sts" | "transfer" | "full" | "na";

interface EvaluateOptions extends ModelFlags, EvaluationSetFlags, ColumnFlags {
  readonly pooler?: PoolerType;
  readonly mode: TransferMode;
  readonly task_set?: TaskSet;
  readonly tasks?: string[];
  readonly data_dir: string;
  readonly output?: string;
  readonly predictions?: string;
  readonly batch_size: number;
  readonly truncate_dim?: number;
  readonly adapter?: string;
  readonly autotune?: boolean;
}

/** Why a set of a kind may have no score. */
const withoutScore: Readonly<Record<SetKind, string>> = {
  "scored pairs": "all its scores, or all its cosines, are equal",
  "labelled pairs": "it needs pairs of both labels",
  retrieval: "it has no query with a relevant text",
  triplets: "it has no triplet",
  "labelled texts": "its texts have one class, or are too few to leave out a fifth of each class at a time",
};

const taskNames = [...STS_TASKS, ...TRANSFER_TASKS].map(({ name }) => name);

const options: readonly Option[] = [
  ...modelOrDefaultFlags,
  new Option("--pooler <type>", "how a sentence's vector is made (default: the one saved with the model)").choices([...poolerTypes]),
  new Option("--mode <mode>", "test: as published; dev: dev sets and dev accuracies; fasttest: test with fast settings for transfer")
    .choices(Object.keys(transferSettings))
    .default("test"),
  ...evaluationSetOptions,
  ...columnOptions,
  new Option(
    "--task_set <set>",
    "SentEval's sts, transfer or both (full), or na for those in --tasks (default: sts, or none with --eval_file)",
  ).choices(["sts", "transfer", "full", "na"]),
  new Option("--tasks <name...>", `with --task_set na: ${taskNames.join(", ")}`),
  new Option("--data_dir <dir>", "SentEval folder that contains STS/, SICK/, MR/ …").default("SentEval/data/downstream"),
  new Option("--output <file>", "also write the results as JSON"),
  new Option("--predictions <file>", "with --eval_file: write the prediction for each row, as JSON lines"),
  new Option("--truncate_dim <n>", "keep only the first n numbers of each vector").argParser(wholeNumber(1)),
  new Option("--batch_size <n>", "sentences per batch").argParser(wholeNumber(1)).default(128),
  new Option("--adapter <name>", "use the adapter whose name contains this"),
  ...tuningOptions,
];

export const evaluateCommand = withOptions(
  new Command("evaluate").description("score a model on files of your own, or on the STS and transfer tasks of SentEval"),
  options,
).action(runEvaluation);

/** Maximum number of tokens per SentEval sentence, if the model takes as many. */
const mostTokens = 512;

/** STS has no fast settings: its test data is scored in both test modes. */
const stsModes: Readonly<Record<TransferMode, StsMode>> = { test: "test", fasttest: "test", dev: "dev" };

async function runEvaluation(given: EvaluateOptions): Promise<void> {
  const named = namedModel(given);
  const { output, predictions, eval_file, corpus_file } = given;
  await checkOutputs({ "--output": output, "--predictions": predictions }, { "--eval_file": eval_file, "--corpus_file": corpus_file });
  const tasks = chooseTasks(given);
  const sets = await openEvaluationSets(given, columnsOf(given));
  await checkData(tasks, given);
  const modelFolder = await findModelOrDefault(given);
  await using device = await openAdapter({ adapter: given.adapter });
  await using simcse = await SimCSE.loadFrom(device, modelFolder, {
    pooler: given.pooler,
    batchSize: given.batch_size,
    // Scores are those of the model as it was trained.
    dtype: "f32",
    tuning: await tuningFor(device, given),
  });
  // SentEval's sentences are read whole, as in the original; your own texts are truncated to the model's length.
  const encodeWith =
    (options: { readonly maxLength?: number } & PromptOptions): Encode =>
    async (texts) =>
      (await simcse.encode(texts, { truncateDim: given.truncate_dim, ...options })).data;
  const whole = encodeWith({ maxLength: Math.min(mostTokens, longestSentence(simcse.model.config)) });
  const progress = startProgress(tasks.sts.length + tasks.transfer.length + sets.length, "evaluating");
  try {
    const scored = await evaluateSets(sets, { ...sideEncoders(simcse.encoder.texts, encodeWith), device, progress });
    const reports = await evaluateTasks(tasks, given.mode, { encode: whole, dataDir: given.data_dir, device, progress, done: sets.length });
    progress.stop();
    printTables(given, scored, reports);
    for (const { name, kind, metrics } of scored) {
      // A threshold is infinite where no pair is better called alike.
      if (Object.values(metrics).some(Number.isNaN)) say(`${name} has no score (nan): ${withoutScore[kind]}`);
    }
    await writeResults(given, { model: named ?? defaultModel.name, pooler: simcse.pooler, adapter: device.name, own: scored, reports });
  } finally {
    progress.stop();
  }
}

function printTables({ mode, data_dir }: EvaluateOptions, own: readonly SetReport[], reports: Reports): void {
  const columns = process.stdout.isTTY ? process.stdout.columns : undefined;
  const tables: string[] = own.length > 0 ? [setTables(own, columns)] : [];
  if (reports.sts || reports.transfer) {
    checkFound(data_dir, reports);
    tables.push(resultTables(mode, reports, columns));
  }
  process.stdout.write(`${tables.join("\n\n")}\n`);
}

interface Results {
  readonly model: string;
  readonly pooler: string;
  readonly adapter: string;
  readonly own: readonly SetReport[];
  readonly reports: Reports;
}

async function writeResults({ output, predictions, mode }: EvaluateOptions, { own, reports, ...about }: Results): Promise<void> {
  if (output) {
    const sets = Object.fromEntries(own.map(({ name, predictions: _, ...scores }) => [name, scores]));
    const results = { ...about, ...(own.length > 0 && { sets }), ...((reports.sts || reports.transfer) && { mode }), ...reports };
    await writeFileAtomically(output, `${JSON.stringify(results, null, 2)}\n`);
  }
  if (predictions) {
    const rows = own.flatMap(({ name, predictions }) => predictions.map((row) => ({ set: name, ...row })));
    await writeFileAtomically(predictions, encodeUtf8(jsonLines(rows)));
  }
}

/** Throws `DataError` if the folder holds none of the tasks. */
function checkFound(dataDir: string, { sts, transfer }: Reports): void {
  const results: readonly object[] = Object.values({ ...sts?.tasks, ...transfer?.tasks });
  const missing = results.flatMap((result) => ("missing" in result ? [result.missing] : []));
  if (missing.length < results.length) return;
  throw new DataError(
    `${dataDir} holds the data of none of these tasks: ${missing[0]} is missing${missing.length > 1 ? ", and so are the others" : ""}.`,
    "Name the folder that holds STS/, SICK/, MR/ …; `simcse data download senteval` fetches it.",
  );
}

/** Reads the tasks' data before anything is scored. Tells what is not complete; throws what reading a damaged file throws. */
async function checkData(tasks: ChosenTasks, { data_dir, mode }: EvaluateOptions): Promise<void> {
  if (tasks.sts.length + tasks.transfer.length === 0) return;
  const folder = await openSentEval(data_dir);
  for (const note of await unusualSizes(folder, { ...tasks, mode: stsModes[mode] })) say(note);
}

interface Reports {
  sts?: StsReport;
  transfer?: TransferReport;
}

interface ChosenTasks {
  readonly sts: readonly StsTask[];
  readonly transfer: readonly TransferTask[];
}

async function evaluateSets(
  sets: readonly EvaluationSet[],
  { progress, ...options }: SideEncoders & { device: Device; progress: Progress },
): Promise<SetReport[]> {
  const reports: SetReport[] = [];
  for (const set of sets) {
    progress.update(reports.length, set.name);
    reports.push(await evaluateSet(set, options));
  }
  return reports;
}

async function evaluateTasks(
  { sts, transfer }: ChosenTasks,
  mode: TransferMode,
  { encode, dataDir, device, progress, done }: { encode: Encode; dataDir: string; device: Device; progress: Progress; done: number },
): Promise<Reports> {
  const reports: Reports = {};
  if (sts.length + transfer.length === 0) return reports;
  const folder = await openSentEval(dataDir);
  if (sts.length > 0) {
    const onProgress = ({ task, finished }: { task: string; finished: number }) => progress.update(done + finished, task);
    reports.sts = await evaluateSts({ encode, folder, mode: stsModes[mode], tasks: sts, onProgress });
  }
  if (transfer.length > 0) {
    const onProgress = ({ task, state, finished }: { task: string; state: string; finished: number }) =>
      progress.update(done + sts.length + finished, `${task} ${state}`);
    reports.transfer = await evaluateTransfer({ encode, folder, device, mode, tasks: transfer, onProgress });
  }
  return reports;
}

function chooseTasks({ task_set: given, tasks, mode, eval_file }: EvaluateOptions): ChosenTasks {
  if (given === undefined && eval_file !== undefined && tasks === undefined) return { sts: [], transfer: [] };
  const task_set = given ?? "sts";
  if (task_set === "na") return namedTasks(tasks ?? []);
  if (tasks) throw new OptionError("--tasks chooses tasks only with --task_set na.", "Add --task_set na, or leave out --tasks.");
  const sts = mode === "dev" ? averagedTasks("dev") : STS_TASKS;
  return { sts: task_set === "transfer" ? [] : sts, transfer: task_set === "sts" ? [] : TRANSFER_TASKS };
}

/** Tasks by name, in the order of the tables. Names may be separated by commas. */
function namedTasks(given: readonly string[]): ChosenTasks {
  const names = new Set(given.flatMap((name) => name.split(",")).filter((name) => name !== ""));
  if (names.size === 0) throw new OptionError("--task_set na needs --tasks.", `Name some of ${taskNames.join(", ")}.`);
  for (const name of names) {
    if (!(taskNames as string[]).includes(name))
      throw new OptionError(`There is no task "${name}".`, `Use some of ${taskNames.join(", ")}.`);
  }
  return { sts: STS_TASKS.filter(({ name }) => names.has(name)), transfer: TRANSFER_TASKS.filter(({ name }) => names.has(name)) };
}
