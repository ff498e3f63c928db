/** `simcse evaluate`: a model on the STS tasks, as the original's `evaluation.py` prints them. */
import { Command, Option } from "commander";
import { OptionError } from "../src/errors.ts";
import { openFolder, writeFileAtomically } from "../src/io/folder-node.ts";
import { averagedTasks, evaluateSts } from "../src/simcse/evaluation/evaluate.ts";
import { STS_TASKS, type StsMode, type StsTask, stsTask } from "../src/simcse/evaluation/sts.ts";
import { stsTable } from "../src/simcse/evaluation/table.ts";
import { type PoolerType, poolerTypes } from "../src/simcse/poolers.ts";
import { SimCSE } from "../src/simcse/simcse.ts";
import { openAdapter } from "./open-adapter.ts";
import { wholeNumber, withOptions } from "./options.ts";
import { startProgress } from "./progress.ts";
import { tuningFor, tuningOptions } from "./tuning.ts";

interface EvaluateOptions {
  readonly model_name_or_path: string;
  readonly pooler?: PoolerType;
  readonly mode: StsMode;
  readonly task_set: "sts" | "na";
  readonly tasks?: string[];
  readonly data_dir: string;
  readonly output?: string;
  readonly batch_size: number;
  readonly adapter?: string;
  readonly autotune?: boolean;
}

const options: readonly Option[] = [
  new Option("--model_name_or_path <dir>", "model folder").makeOptionMandatory(),
  new Option("--pooler <type>", "how a sentence's vector is made (default: the one saved with the model)").choices([...poolerTypes]),
  new Option("--mode <mode>", "which part of each set").choices(["test", "dev"]).default("test"),
  new Option("--task_set <set>", "sts, or na for the ones in --tasks").choices(["sts", "na"]).default("sts"),
  new Option("--tasks <name...>", `with --task_set na: ${STS_TASKS.map(({ name }) => name).join(", ")}`),
  new Option("--data_dir <dir>", "the SentEval tree that holds STS/ and SICK/").default("SentEval/data/downstream"),
  new Option("--output <file>", "also write the results as JSON"),
  new Option("--batch_size <n>", "sentences a batch").argParser(wholeNumber(1)).default(128),
  new Option("--adapter <name>", "run on the adapter whose name contains this"),
  ...tuningOptions,
];

export const evaluateCommand = withOptions(
  new Command("evaluate").description("score a model on STS12–16, STS-B and SICK-R"),
  options,
).action(runEvaluation);

/** The longest sentences that any BERT takes; longer ones are cut. */
const maxLength = 512;

async function runEvaluation(given: EvaluateOptions): Promise<void> {
  const tasks = chooseTasks(given);
  const folder = await openFolder(given.data_dir);
  const modelFolder = await openFolder(given.model_name_or_path);
  await using device = await openAdapter(given.adapter ? { adapter: given.adapter } : {});
  await using simcse = await SimCSE.loadFrom(device, modelFolder, {
    ...(given.pooler && { pooler: given.pooler }),
    maxLength,
    batchSize: given.batch_size,
    tuning: await tuningFor(device, given),
  });
  const progress = startProgress(tasks.length, "evaluating");
  try {
    const report = await evaluateSts({
      encode: async (sentences) => (await simcse.encode(sentences)).data,
      folder,
      mode: given.mode,
      tasks,
      onProgress: ({ task, finished }) => progress.update(finished, task),
    });
    progress.stop();
    process.stdout.write(`${stsTable(report, process.stdout.isTTY ? process.stdout.columns : undefined)}\n`);
    if (given.output) {
      const results = { model: given.model_name_or_path, pooler: simcse.pooler, adapter: device.name, ...report };
      await writeFileAtomically(given.output, `${JSON.stringify(results, null, 2)}\n`);
    }
  } finally {
    progress.stop();
  }
}

function chooseTasks({ task_set, tasks, mode }: EvaluateOptions): readonly StsTask[] {
  if (task_set === "sts") {
    if (tasks) throw new OptionError("--tasks chooses tasks only with --task_set na.", "Add --task_set na, or leave out --tasks.");
    return mode === "dev" ? averagedTasks("dev") : STS_TASKS;
  }
  if (!tasks) throw new OptionError("--task_set na needs --tasks.", `Name some of ${STS_TASKS.map(({ name }) => name).join(", ")}.`);
  return tasks.map(stsTask);
}
