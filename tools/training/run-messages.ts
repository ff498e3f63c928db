/** What a run from the command line tells on standard error, before it, at its first step and at its end. */
import { formatPlan } from "../../src/autograd/plan.ts";
import type { ParameterCounts } from "../../src/nn/parameters/parameter-layout.ts";
import { formatCount } from "../../src/show.ts";
import type { SimCseModel } from "../../src/simcse/model/model.ts";
import { collapseText } from "../../src/simcse/report/collapse.ts";
import { isMainMetric, metricChanges, metricValue } from "../../src/simcse/report/own-metrics.ts";
import type { CompiledStep } from "../../src/simcse/training/step/training-step.ts";
import type { TrainingSummary } from "../../src/simcse/training/trainer.ts";
import { trainedPartsText } from "../../src/simcse/training/training-options.ts";
import { interruptedExitCode } from "../cli/interrupt.ts";
import { say } from "../cli/say.ts";
import type { Inputs, Outcome, TrainingKind } from "./training-inputs.ts";

/** What is noticed before a device is opened. */
export function tellBefore({ given, settings, source, set, evaluation }: Inputs, kind: TrainingKind): void {
  const { pooler, maxLength } = source.config;
  for (const note of evaluation?.notes ?? []) say(note);
  if (pooler !== null && given.pooler_type === undefined && given.mlp_only_train !== true) say(`pooler ${pooler}, as saved with the model`);
  if (pooler !== null && given.max_seq_length !== undefined && given.max_seq_length < maxLength)
    say(`training on at most ${given.max_seq_length} tokens per sentence; the saved model keeps its own length of ${maxLength}`);
  const prompts = Object.values(source.config.texts.prompts).filter((prompt) => prompt !== "");
  const model = { fresh: source.weights === null, pooler, prompts, config: source.config.transformer };
  for (const hint of kind.hints(settings, set, model)) say(`hint: ${hint}`);
}

/** What the compiled step takes, and what it trains. */
export function tellStart(
  inputs: Inputs,
  model: SimCseModel,
  { totalSteps, step }: { readonly totalSteps: number; readonly step: CompiledStep },
): void {
  const { given, settings } = inputs;
  if (given.print_plan) printPlans(step);
  const { length: count } = step.onDevices;
  if (count > 1) say(`${count} devices share each batch: ${step.onDevices.map(({ device }) => device.name).join(", ")}`);
  say(
    `${formatCount(totalSteps)} steps; ${count > 1 ? "on each device " : ""}a step takes ${megabytes(step.bytes)}, and parameters and optimiser state ${megabytes(model.store.bytes)}`,
  );
  const { warmupSteps } = settings;
  if (warmupSteps >= totalSteps)
    say(
      `hint: --warmup_steps ${warmupSteps} is not shorter than the run, so the learning rate does not reach --learning_rate before its end`,
    );
  say(trainedText(model.store.layout.counts, inputs));
  say(lossText(inputs));
}

/** Prints the plans of a step's programs; those of several devices once for each kind of device. */
function printPlans({ onDevices }: CompiledStep): void {
  const kinds = new Map(onDevices.map((step) => [step.device.name, step]));
  for (const [name, { programs }] of kinds) {
    if (onDevices.length > 1) process.stdout.write(`on each ${name}:\n`);
    for (const { plan } of programs.values()) process.stdout.write(`${formatPlan(plan)}\n`);
  }
}

/** How the run ended, and what it changed. */
export function tellEnd({ summary, history }: Outcome, inputs: Inputs): void {
  tellSummary(summary, inputs);
  const { step, changes } = metricChanges({ history, best: summary.best, arguments: { ...inputs.given } });
  // The scores on your own sets before the first step and of the saved model, side by side.
  const main = changes.filter(({ metric }) => isMainMetric(`eval_${metric}`));
  if (main.length === 0) return;
  const width = Math.max(...main.map(({ metric }) => metric.length));
  say(`${"".padEnd(width)}  before    after step ${step}`);
  for (const { metric, before, after } of main) say(`${metric.padEnd(width)}  ${metricValue(before).padEnd(8)}  ${metricValue(after)}`);
}

function tellSummary(
  { steps, totalSteps, stopped, interrupted, seconds, best, meanCosine }: TrainingSummary,
  { given, settings }: Inputs,
): void {
  const kept = best && settings.keepBest ? `, the best of step ${best.step} (${best.metric} ${best.value.toFixed(4)})` : "";
  const end = `saved ${given.output_dir}${kept}`;
  if (interrupted) {
    tellInterrupted(`stopped after step ${steps} of ${totalSteps}; ${end}`);
    return;
  }
  say(`${stopped ? `stopped after step ${steps} of ${totalSteps}` : `${steps} steps in ${duration(seconds)}`}; ${end}`);
  if (settings.keepBest && best === null) say("no evaluation gave a number to choose the best model by: the last weights are saved");
  if (settings.keepBest && best?.step === 0)
    say("warning: no evaluation was better than the one before the first step, so the saved weights are those that the run began with");
  const collapse = collapseText(meanCosine);
  if (collapse !== null) say(`warning: ${collapse}`);
  if (stopped) say(`${settings.earlyStoppingPatience} evaluations in a row brought no improvement (--early_stopping_patience)`);
}

/** Also sets the exit code of an interrupted command. */
export function tellInterrupted(where: string): void {
  say(where);
  say("to resume, give the same command with --resume_from_checkpoint");
  process.exitCode = interruptedExitCode();
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function duration(seconds: number): string {
  return seconds < 120 ? `${seconds.toFixed(1)} s` : `${(seconds / 60).toFixed(1)} min`;
}

/** How many parameters are trained, and which are not. */
function trainedText({ trained, all }: ParameterCounts, { settings }: Inputs): string {
  if (trained === all) return `trains all ${formatCount(all)} parameters`;
  return `trains ${formatCount(trained)} of ${formatCount(all)} parameters (${((100 * trained) / all).toPrecision(2)}%): ${trainedPartsText(settings)}`;
}

/** The loss that is used, and why if no option names it. */
function lossText({ loss, settings, set }: Inputs): string {
  if (loss === null) return "loss: only masked words";
  return settings.loss === null ? `loss: ${loss.name}, the one for ${set.unit}` : `loss: ${loss.name}`;
}
