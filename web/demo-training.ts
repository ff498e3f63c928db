/**
 * The demo's training as the page runs it, and the browser test in Node beside it: the same sentences, model, step and score. It knows nothing of
 * the page.
 */
import type { Device } from "../src/gpu/device.ts";
import { Encoder } from "../src/simcse/embedding/encoder.ts";
import type { Encode } from "../src/simcse/evaluation/embed-distinct.ts";
import { scoreSts } from "../src/simcse/evaluation/senteval/evaluate-sts.ts";
import { SimCseModel } from "../src/simcse/model/model.ts";
import { train } from "../src/simcse/training/trainer.ts";
import type { LogEntry } from "../src/simcse/training/training-log.ts";
import { embeddingPooler } from "../src/simcse/training/training-options.ts";
import { exampleSet } from "../src/simcse/training/training-set.ts";
import { demoSetup } from "../tools/demo/demo-model.ts";

export interface DemoTrainingOptions {
  readonly steps: number;
  /** Sentences a step, each taken twice. */
  readonly batchSize: number;
  /** Held-out pairs that are scored, taken evenly from all grades; none for 0, and at most as many as there are. */
  readonly pairs: number;
}

/** The score of the held-out pairs after so many steps: Spearman's correlation of cosine and grade, −1 to 1. */
export interface DemoScore {
  readonly step: number;
  readonly spearman: number;
}

export interface DemoTrainingHooks {
  /** Says what is about to be done, where it may take a while. */
  readonly onStage?: (stage: string) => void | Promise<void>;
  readonly onStep?: (step: number) => void;
  /** Each point of the loss curve: the mean over the steps since the one before. */
  readonly onLog?: (entry: LogEntry) => void;
  readonly onScore?: (score: DemoScore) => void;
  /** Stops after the step in flight; what has been learned until then is kept and scored. */
  readonly signal?: AbortSignal;
}

export interface DemoTrainingResult {
  readonly log: readonly LogEntry[];
  /** Before training, while it goes on, and after it; empty where no pairs are scored. */
  readonly scores: readonly DemoScore[];
  /** Steps done: fewer than asked for when training was stopped. */
  readonly steps: number;
  readonly encoder: Encoder;
  /** The training text. */
  readonly sentences: readonly string[];
  /** Frees the model. */
  readonly close: () => void;
}

/** Points of the loss curve: each waits for the GPU once. */
const curvePoints = 50;

/** Parts of the training, at the end of each of which the held-out pairs are scored. */
const scoredParts = 4;

/** Trains the demo's model from scratch. Throws `CapacityError` when the device is too small, `DivergenceError` when training goes astray. */
export async function trainDemo(device: Device, options: DemoTrainingOptions, hooks: DemoTrainingHooks = {}): Promise<DemoTrainingResult> {
  await hooks.onStage?.("Writing the corpus and learning its vocabulary");
  const { sentences, pairs: allPairs, tokenizer, config, settings } = demoSetup();
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
        ...(hooks.signal ? { signal: hooks.signal } : {}),
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
    return { log, scores, steps: step, encoder, sentences, close };
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
