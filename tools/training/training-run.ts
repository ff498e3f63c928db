/** Training from the command line: once or once per seed, resumed where it was interrupted or where its device was lost. */
import { basename } from "node:path";
import { OptionError } from "../../src/errors.ts";
import type { Device } from "../../src/gpu/device.ts";
import { withReopenedDevice } from "../../src/gpu/reopen.ts";
import type { SeedRun } from "../../src/simcse/report/seeds.ts";
import { startAt } from "../../src/simcse/training/run-start.ts";
import { resultsAreFiles } from "../cli/failure.ts";
import { onInterrupt } from "../cli/interrupt.ts";
import { say } from "../cli/say.ts";
import { openDevices } from "../setup/open-devices.ts";
import { CommandRun } from "./command-run.ts";
import { ineffectiveNotes } from "./foreign-options.ts";
import { claimOutput } from "./output-folder.ts";
import { tellBefore, tellInterrupted } from "./run-messages.ts";
import { type TrainOptions, trainingArguments } from "./train-options.ts";
import { checkSeeds, optionsOfSeed, reportSeeds } from "./train-seeds.ts";
import { inCommandLineTerms } from "./training-arguments.ts";
import { sourcesOf } from "./training-files.ts";
import { endedRun, type Outcome, readInputs, startingPoint, type TrainingKind } from "./training-inputs.ts";

/** Trains once, or once per seed. */
export async function runTraining(given: TrainOptions, kind: TrainingKind): Promise<void> {
  if (given.do_train === false)
    throw new OptionError("--do_train is false: there is nothing to do.", "Use `simcse evaluate` to evaluate a model.");
  sourcesOf(given);
  if (!given.print_plan) resultsAreFiles();
  for (const note of ineffectiveNotes(given)) say(note);
  const { signal, stop } = interruption();
  try {
    if (given.seeds === undefined) await trainOnce(given, kind, signal);
    else await trainSeeds(given, given.seeds, kind, signal);
  } catch (error) {
    throw inCommandLineTerms(error);
  } finally {
    stop();
  }
}

/** One run per seed, each in its own folder. */
async function trainSeeds(given: TrainOptions, seeds: readonly number[], kind: TrainingKind, signal: AbortSignal): Promise<void> {
  checkSeeds(given, seeds);
  await using output = await claimOutput(given);
  const runs: SeedRun[] = [];
  for (const seed of seeds) {
    if (signal.aborted) {
      tellInterrupted(`stopped before seed ${seed}`);
      return;
    }
    say(`seed ${seed}`);
    const { summary, history } = await trainOnce(optionsOfSeed(given, seed), kind, signal);
    if (summary.interrupted) return;
    runs.push({ seed, history, best: summary.best });
  }
  await reportSeeds(output.path, given.run_name ?? basename(output.path), runs, { ...given, ...trainingArguments(given), seed: undefined });
  say(`${seeds.length} runs; saved ${given.output_dir}`);
}

async function trainOnce(given: TrainOptions, kind: TrainingKind, signal: AbortSignal): Promise<Outcome> {
  await using output = await claimOutput(given);
  const inputs = await readInputs(given, kind, { output: output.path, signal });
  const ended = await endedRun(inputs);
  if (ended !== null) return ended;
  const start = await startingPoint(inputs);
  tellBefore(inputs, kind);
  // Awaited here, so that the folder stays locked until the run is over.
  let others: Device[] = [];
  let fewer = false;
  return await withReopenedDevice({
    async open() {
      const [first, ...more] = await openDevices(given, { fewer });
      others = more;
      return first;
    },
    async run(device, attempt) {
      try {
        const again = attempt.losses === 0 ? null : await startAt(await inputs.checkpoints.last(), inputs.settings, inputs.set);
        return await new CommandRun([device, ...others], inputs, attempt).train(again ?? start, signal);
      } finally {
        for (const other of others) other.close();
      }
    },
    onLoss(error) {
      fewer = true;
      say(`${(error as Error).message} Opening it again, to resume from the last checkpoint.`);
    },
  });
}

/** Aborts at the first signal, at which the trainer finishes its step and saves. */
function interruption() {
  const controller = new AbortController();
  const stop = onInterrupt(() => {
    say("stopping after this step; Ctrl-C again to quit without saving");
    controller.abort();
  });
  return { signal: controller.signal, stop };
}
