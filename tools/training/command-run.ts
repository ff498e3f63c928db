/** A run from the command line on its devices: the trainer, with the files of the output folder and what is printed meanwhile. */
import { dirname, join, resolve } from "node:path";
import { Choices } from "../../src/autograd/choices.ts";
import { CapacityError } from "../../src/errors.ts";
import type { Device } from "../../src/gpu/device.ts";
import type { Attempt } from "../../src/gpu/reopen.ts";
import { writeFileAtomically, writeFilesInto } from "../../src/io/folder-node.ts";
import { formatCount } from "../../src/show.ts";
import { adapterFiles } from "../../src/simcse/checkpoint/adapter.ts";
import { stateFile } from "../../src/simcse/checkpoint/checkpoint-store.ts";
import { savedModelFiles } from "../../src/simcse/checkpoint/saved-model.ts";
import { type CheckpointedRun, examplesOf, withKnownBest, writeCheckpoint } from "../../src/simcse/checkpoint/training-checkpoint.ts";
import { Encoder } from "../../src/simcse/embedding/encoder.ts";
import type { SimCseConfig, SimCseModel } from "../../src/simcse/model/model.ts";
import type { HistoryEntry } from "../../src/simcse/report/history.ts";
import { meanCosineOf } from "../../src/simcse/training/mean-cosine.ts";
import { prepareModel, savedConfig } from "../../src/simcse/training/prepare-model.ts";
import type { RunStart } from "../../src/simcse/training/run-start.ts";
import { choicesOfStep } from "../../src/simcse/training/step/training-step.ts";
import { type TrainerHooks, type TrainingSummary, train } from "../../src/simcse/training/trainer.ts";
import { embeddingPooler } from "../../src/simcse/training/training-options.ts";
import { commandLine } from "../cli/command-line.ts";
import { startProfiler } from "../cli/profile.ts";
import { noProgress, type Progress, startProgress } from "../cli/progress.ts";
import { say } from "../cli/say.ts";
import { tuningFor } from "../cli/tuning.ts";
import { precisionNote } from "./precision-note.ts";
import { tellEnd, tellStart } from "./run-messages.ts";
import { runEvaluation } from "./train-evaluation.ts";
import { TrainRecords } from "./train-records.ts";
import { argumentsOf } from "./training-arguments.ts";
import type { Inputs, Outcome } from "./training-inputs.ts";

/** A run on its devices. */
export class CommandRun {
  #progress: Progress = noProgress;
  /** Text shown beside the progress bar. */
  #note = "";
  #tuning = new Choices([]);
  /** That of the model as it was last saved. */
  #meanCosine: number | null = null;
  readonly #simcse: SimCseConfig;

  constructor(
    readonly devices: readonly [Device, ...Device[]],
    readonly inputs: Inputs,
    readonly attempt: Attempt,
  ) {
    this.#simcse = savedConfig(inputs.source, inputs.settings);
  }

  /** The device of the model that is saved. */
  get device(): Device {
    return this.devices[0];
  }

  /** Trains from the start on, and writes the complete output folder. */
  async train(start: RunStart | null, signal: AbortSignal): Promise<Outcome> {
    const { source, set, settings } = this.inputs;
    const model = await this.#prepare(start);
    try {
      const records = await this.#records(start);
      const reading = { maxLength: this.#simcse.max_seq_length, texts: source.config.texts };
      const run = { model, tokenizer: source.tokenizer, set, settings, devices: this.devices, reading };
      const from = start && withKnownBest(start.state, settings, { hasWeights: this.#hasBest(start) });
      const trained = await train({ ...run, from, hooks: this.#hooks(run, records, signal) });
      if (!settings.keepBest || trained.best === null) await this.#saveModel(model);
      const summary = { ...trained, meanCosine: this.#meanCosine };
      await this.#writeEnd(summary, records);
      this.#progress.stop();
      const outcome = { summary, history: records.history };
      tellEnd(outcome, this.inputs);
      return outcome;
    } finally {
      this.#progress.stop();
      model.close();
    }
  }

  /** Whether the output folder has the weights of the best evaluation: if the run that wrote the checkpoint saved them there. */
  #hasBest({ checkpoint, state }: RunStart): boolean {
    return state.options.keepBest === true && dirname(resolve(checkpoint.name)) === this.inputs.output;
  }

  /** A model with the weights of the checkpoint, or with the initial ones. */
  async #prepare(start: RunStart | null): Promise<SimCseModel> {
    const { given, settings, source, set } = this.inputs;
    const { device } = this;
    const precision = precisionNote(device.name, device.capabilities, settings.fp16);
    if (precision !== null) say(precision);
    const tuning = start?.state.tuning ? undefined : await tuningFor(device, given);
    const { model, fresh } = await prepareModel(device, source, { settings, set, start, tuning });
    const count = `${formatCount(set.length)} ${set.unit}`;
    if (start !== null) {
      say(`${device.name}: resuming after step ${start.state.global_step} (${start.checkpoint.name}), ${count}`);
    } else if (source.weights === null) {
      say(`${device.name}: fresh weights, ${count}`);
    } else {
      const heads = Object.entries(headNames).filter(([prefix]) => fresh.some((name) => name.startsWith(prefix)));
      const note = heads.length > 0 ? `, fresh ${heads.map(([, head]) => head).join(" and ")}` : "";
      say(`${device.name}: weights of ${given.model_name_or_path}${note}, ${count}`);
    }
    return model;
  }

  #records(start: RunStart | null): Promise<TrainRecords> {
    const { given, settings, output, source, loss } = this.inputs;
    return TrainRecords.open({
      output,
      loggingDir: given.logging_dir ? resolve(given.logging_dir) : join(output, "runs"),
      history: (start?.state.log_history ?? []) as readonly HistoryEntry[],
      steps: start?.state.global_step ?? 0,
      about: {
        ...(given.run_name && { name: given.run_name }),
        arguments: { ...given, ...argumentsOf(settings), loss: loss?.name },
        command: commandLine(),
        pooler: this.#simcse.pooler_type,
        maxLength: this.#simcse.max_seq_length,
        modelType: source.config.transformer.model_type,
        adapter: this.device.name,
      },
    });
  }

  #hooks(run: CheckpointedRun, records: TrainRecords, signal: AbortSignal): TrainerHooks {
    const { given, settings, output, checkpoints, evaluation } = this.inputs;
    return {
      signal,
      onStart: (plan) => {
        this.#tuning = choicesOfStep(plan.step);
        tellStart(this.inputs, run.model, plan);
        if (!given.disable_tqdm) this.#progress = startProgress(plan.totalSteps, "training");
      },
      onDeviceLost: (lost, left) => say(`${lost.name} was lost; ${left === 1 ? "one device goes" : `${left} devices go`} on`),
      onStep: ({ step }) => this.#progress.update(step, this.#note),
      onSteps: (steps) => records.addSteps(steps),
      onLog: async (entry) => {
        await records.add(entry);
        this.#note = `loss ${entry.loss.toFixed(4)} · ${entry.sentences_per_second.toFixed(0)} sentences/s`;
        this.#progress.line(`step ${entry.step}  ${this.#note} · lr ${entry.learning_rate.toExponential(2)}`);
      },
      evaluate: evaluation ? runEvaluation(evaluation, this.device) : undefined,
      onEvaluate: async (entry) => {
        await records.add(entry);
        await records.report();
        this.#progress.line(`step ${entry.step}  ${metricsText(entry)}`);
      },
      saveBest: settings.keepBest ? () => this.#saveModel(run.model) : undefined,
      saveCheckpoint: async (state) => {
        await writeCheckpoint(checkpoints, run, state);
        this.attempt.progressed();
      },
      profiler: given.profile
        ? startProfiler(this.device, given.profile === true ? join(output, "profile.json") : given.profile, (text) =>
            this.#progress.note(text),
          )
        : null,
    };
  }

  async #saveModel(model: SimCseModel): Promise<void> {
    const { given, output, source } = this.inputs;
    const adapter = given.save_adapter ? adapterFiles(model, given.model_name_or_path) : [];
    await writeFilesInto(output, [
      ...savedModelFiles(model, source.tokenizer, this.#simcse, source.config.texts),
      ...adapter.map(({ name, content }) => ({ name: `adapter/${name}`, content })),
    ]);
    this.#meanCosine = await this.#measure(model);
  }

  /** Null after training that only predicts masked words, and where the device has no room beside the run, which is not to fail for it. */
  async #measure(model: SimCseModel): Promise<number | null> {
    const { source, settings, set, loss } = this.inputs;
    if (loss === null) return null;
    const { maxLength } = settings;
    try {
      using encoder = await Encoder.create(model, source.tokenizer, { pooler: embeddingPooler(settings), maxLength, batchSize: 8 });
      return await meanCosineOf(encoder, set);
    } catch (error) {
      if (error instanceof CapacityError) return null;
      throw error;
    }
  }

  async #writeEnd(summary: TrainingSummary, records: TrainRecords): Promise<void> {
    const { given, settings, output, set } = this.inputs;
    const { steps, totalSteps, seconds, best, meanCosine = null } = summary;
    const state = {
      ...summary,
      global_step: steps,
      max_steps: totalSteps,
      epoch: records.history.at(-1)?.epoch ?? 0,
      best_metric: best?.value ?? null,
      best_model_checkpoint: best && settings.keepBest ? given.output_dir : null,
      log_history: records.history,
      options: settings,
      arguments: { ...given, ...argumentsOf(settings) },
      ...examplesOf(set),
      adapter: this.device.name,
      tuning: this.#tuning,
    };
    await writeFileAtomically(join(output, stateFile), `${JSON.stringify(state, null, 2)}\n`);
    await records.report({ steps, totalSteps, seconds, best, meanCosine });
    await records.card({ steps, best, meanCosine });
    await records.results({ epoch: state.epoch, global_step: steps, train_examples: set.length, train_runtime: seconds }, { best });
  }
}

/** Names of the heads for messages, by the prefix of their tensors. */
const headNames = { "mlp.": "MLP", "cls.": "head of the masked language model" };

function metricsText(entry: Readonly<Record<string, number>>): string {
  return Object.entries(entry)
    .filter(([name]) => name.startsWith("eval_"))
    .map(([name, value]) => `${name} ${value.toFixed(4)}`)
    .join(" · ");
}
