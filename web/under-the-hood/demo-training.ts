/**
 * The demo's training, for the page and for the browser test in Node: the same sentences, model, step and score. It is independent of
 * the page.
 */
import type { Device } from "../../src/gpu/device.ts";
import { Encoder } from "../../src/simcse/embedding/encoder.ts";
import type { Encode } from "../../src/simcse/evaluation/embed-distinct.ts";
import { scoreSts } from "../../src/simcse/evaluation/senteval/evaluate-sts.ts";
import { SimCseModel } from "../../src/simcse/model/model.ts";
import { train } from "../../src/simcse/training/trainer.ts";
import type { LogEntry } from "../../src/simcse/training/training-log.ts";
import { embeddingPooler } from "../../src/simcse/training/training-options.ts";
import { exampleSet } from "../../src/simcse/training/training-set.ts";
import { toySetup } from "./toy/toy-model.ts";

export interface DemoTrainingOptions {
  readonly steps: number;
  /** Sentences per step, each taken twice. */
  readonly batchSize: number;
  /** Held-out pairs to score, taken evenly from all grades; none for 0, at most all. */
  readonly pairs: number;
}

/** The score of the held-out pairs after this many steps: Spearman's correlation of cosine and grade, −1 to 1. */
export interface DemoScore {
  readonly step: number;
  readonly spearman: number;
}

export interface DemoTrainingHooks {
  /** Called with the next activity, if it may take a while. */
  readonly onStage?: (stage: string) => void | Promise<void>;
  readonly onStep?: (step: number) => void;
  /** Each point of the loss curve: the mean over the steps since the one before. */
  readonly onLog?: (entry: LogEntry) => void;
  readonly onScore?: (score: DemoScore) => void;
  /** Stops after the step in flight; the model so far is kept and scored. */
  readonly signal?: AbortSignal;
}

export interface DemoTrainingResult {
  readonly log: readonly LogEntry[];
  /** Before, during and after training; empty if no pairs are scored. */
  readonly scores: readonly DemoScore[];
  /** Completed steps: fewer than requested if training was stopped. */
  readonly steps: number;
  /** Frees the model. */
  readonly close: () => void;
}

/** Number of points of the loss curve; each waits for the GPU once. */
const curvePoints = 50;

/** Parts of the training; the held-out pairs are scored at the end of each. */
const scoredParts = 4;

/** Trains the demo's model from scratch. Throws `CapacityError` if the device is too small, `DivergenceError` if training diverges. */
export async function trainDemo(device: Device, options: DemoTrainingOptions, hooks: DemoTrainingHooks = {}): Promise<DemoTrainingResult> {
  await hooks.onStage?.("Writing the corpus and learning its vocabulary");
  const { sentences, pairs: allPairs, tokenizer, config, settings } = toySetup();
  const pairs = evenly(allPairs, options.pairs);
  const isScored = pairs.length > 0;

  await hooks.onStage?.("Compiling the model's kernels");
  const model = await SimCseModel.allocate(device, config, { training: true, mlp: settings.pooler === "cls" });
  try {
    model.store.initialize(settings.seed);
    const encoder = await Encoder.create(model, tokenizer, {
      pooler: embeddingPooler(settings),
      maxLength: config.max_position_embeddings,
    });
    const encode: Encode = async (texts) => (await encoder.encode(texts)).data;
    const log: LogEntry[] = [];
    const scores: DemoScore[] = [];
    const score = async (step: number, encode: Encode): Promise<number> => {
      const { spearman } = await scoreSts([{ name: "held out", pairs }], encode);
      scores.push({ step, spearman: spearman.all });
      hooks.onScore?.({ step, spearman: spearman.all });
      return spearman.all;
    };
    if (isScored) {
      await hooks.onStage?.("Scoring the untrained model");
      await score(0, encode);
    }

    await hooks.onStage?.("Compiling the training step");
    let step = 0;
    await train({
      model,
      tokenizer,
      set: exampleSet(sentences, tokenizer, settings.maxLength),
      settings: {
        ...settings,
        maxSteps: options.steps,
        batchSize: options.batchSize,
        loggingSteps: Math.ceil(options.steps / curvePoints),
        evalSteps: isScored ? Math.ceil(options.steps / scoredParts) : 0,
      },
      hooks: {
        onStart: () => {
          hooks.onStage?.("Training");
        },
        onStep: (progress) => {
          step = progress.step;
          hooks.onStep?.(step);
        },
        onLog: (entry) => {
          log.push(entry);
          hooks.onLog?.(entry);
        },
        evaluate: async (encode) => ({ demo_spearman: await score(step, encode) }),
        signal: hooks.signal,
      },
    });
    if (isScored && scores.at(-1)!.step !== step) {
      await hooks.onStage?.("Scoring the trained model");
      await score(step, encode);
    }
    const close = () => {
      encoder.close();
      model.close();
    };
    return { log, scores, steps: step, close };
  } catch (error) {
    model.close();
    throw error;
  }
}

/** `count` of the items, spread over all of them. */
function evenly<T>(items: readonly T[], count: number): T[] {
  const kept = Math.min(count, items.length);
  return Array.from({ length: kept }, (_, i) => items[Math.floor((i * items.length) / kept)]!);
}
