/**
 * Three ways to make a training step, each a list of programs and how they are run: the batch at once, several batches an update with their gradients added up,
 * and one large batch embedded in chunks.
 */

import { gradient } from "../autograd/gradient.ts";
import type { StepInput } from "../autograd/program.ts";
import type { Tape } from "../autograd/tape.ts";
import type { Device } from "../gpu/device.ts";
import { addInto } from "../kernels/accumulate.ts";
import type { Value } from "../kernels/operation.ts";
import { readRows, writeRows } from "../kernels/row-window.ts";
import { scale } from "../kernels/scale.ts";
import { adamWDefaults, adamWStep, adamWUpdate } from "../nn/adamw.ts";
import { ArenaTensor } from "../nn/arena-tensor.ts";
import { BatchPacker, declareBatch } from "./batch.ts";
import { MaskedPacker } from "./mlm-loss.ts";
import { mlmMasking } from "./mlm-masking.ts";
import {
  batchCapacity,
  contrasts,
  type Losses,
  type Recorded,
  recordContrast,
  recordEmbeddings,
  recordLosses,
  recordMetrics,
  sentencesOf,
  type TokenizedExample,
  type TrainingStepOptions,
  viewsOf,
} from "./step-recording.ts";

export interface StepPlace {
  /** The update's number, from 1. */
  readonly update: number;
  readonly learningRate: number;
}

/** Programs that together are a step. */
export interface StepPrograms {
  /** What records each of them; the first takes the most memory. */
  readonly records: readonly ((tape: Tape) => Record<string, Value>)[];
  /** Memory that they share, to be allocated before they are compiled. */
  readonly tensors: readonly ArenaTensor[];
  /** The programs of a step by their numbers, in the order they run in, each with its input; an input holds until the next one is taken. */
  inputs(device: Device, examples: readonly TokenizedExample[], place: StepPlace): Iterable<readonly [program: number, StepInput]>;
}

/** Chooses the way that the options ask for. */
export function stepPrograms(recorded: Recorded, options: TrainingStepOptions): StepPrograms {
  if (options.cacheChunk !== undefined) return cachedStep(recorded, options, options.cacheChunk);
  return options.accumulation !== undefined && options.accumulation > 1
    ? accumulatedStep(recorded, options, options.accumulation)
    : wholeStep(recorded, options);
}

function wholeStep(recorded: Recorded, options: TrainingStepOptions): StepPrograms {
  const packer = stepPacker(recorded, options);
  return {
    tensors: [],
    records: [
      (tape) => {
        const losses = recordLosses(tape, recorded, options);
        recordMetrics(losses, adamWStep(tape, losses.loss, recorded.layout, options.optimizer), recorded);
        return { loss: losses.loss };
      },
    ],
    *inputs(_, examples, { update, learningRate }) {
      yield [0, { ...packer.pack(examples, 0, update), scalars: { learningRate }, seed: options.seed, step: update }];
    },
  };
}

/** As the original accumulates: each batch is contrasted by itself, and the update takes the mean of their gradients. */
function accumulatedStep(recorded: Recorded, options: TrainingStepOptions, batches: number): StepPrograms {
  const { layout } = recorded;
  const { batchSize, seed, mlm, optimizer = adamWDefaults } = options;
  const packer = stepPacker(recorded, options);
  const sums = ["loss", ...(mlm && contrasts(options) ? ["mlmLoss"] : [])].map((name) => new ArenaTensor(`sum of ${name}`, "f32", [1]));
  return {
    tensors: sums,
    records: [
      (tape) => {
        const { loss, mlmLoss } = recordLosses(tape, recorded, options);
        const share = scale(loss, 1 / batches);
        addInto(share, sums[0]!);
        if (mlmLoss) addInto(scale(mlmLoss, 1 / batches), sums[1]!);
        gradient(tape, share, layout.parameters, { scaledBy: layout.keepsHalves ? layout.optimizer : null, accumulate: true });
        return { loss: share };
      },
      (tape) => {
        const [loss, mlmLoss] = sums.map((sum) => tape.use(sum));
        recordMetrics({ loss: loss!, ...(mlmLoss && { mlmLoss }) } satisfies Losses, adamWUpdate(tape, layout, optimizer), recorded);
        return {};
      },
    ],
    *inputs(device, examples, { update, learningRate }) {
      clearSums(device, recorded, sums);
      for (let first = 0; first < examples.length; first += batchSize) {
        yield [0, { ...packer.pack(examples.slice(first, first + batchSize), first, update), seed, step: update }];
      }
      yield [1, { scalars: { learningRate }, seed, step: update }];
    },
  };
}

/**
 * GradCache (Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup"): the exact loss and gradients of a large batch in
 * the memory of a small one. Embeds the batch chunk by chunk and keeps nothing else; takes the loss over all embeddings and its gradient with respect to them;
 * embeds each chunk again, under the same dropout masks, and takes its embeddings' gradient back to the parameters.
 */
function cachedStep(recorded: Recorded, options: TrainingStepOptions, chunk: number): StepPrograms {
  const { config, layout } = recorded;
  const { batchSize, seed, optimizer = adamWDefaults } = options;
  const views = viewsOf(options);
  const capacity = batchCapacity(config, options, chunk);
  const packer = new BatchPacker(capacity);
  const shape = [views * batchSize, config.hidden_size];
  const embeddings = new ArenaTensor("embeddings", "f32", shape, new ArenaTensor("gradient of embeddings", "f32", shape));
  const lossSum = new ArenaTensor("loss", "f32", [1]);
  return {
    tensors: [embeddings, embeddings.gradient!, lossSum],
    records: [
      function backward(tape) {
        layout.updateHalves(tape);
        const batch = declareBatch(tape, capacity, { training: true });
        const own = recordEmbeddings(recorded, options, batch);
        const seed = readRows(tape, embeddings.gradient!, tape.scalar("first"), own.shape[0]!);
        gradient(tape, own, layout.parameters, { seed, accumulate: true });
        return {};
      },
      function embed(tape) {
        layout.updateHalves(tape);
        const batch = declareBatch(tape, capacity, { training: false });
        writeRows(recordEmbeddings(recorded, { ...options, gradientCheckpointing: false }, batch), embeddings, tape.scalar("first"));
        return {};
      },
      function contrast(tape) {
        const loss = recordContrast(tape, tape.use(embeddings), options);
        addInto(loss, lossSum);
        gradient(tape, loss, [embeddings], { scaledBy: layout.keepsHalves ? layout.optimizer : null });
        return { loss };
      },
      function finish(tape) {
        recordMetrics({ loss: tape.use(lossSum) }, adamWUpdate(tape, layout, optimizer), recorded);
        return {};
      },
    ],
    *inputs(device, examples, { update, learningRate }) {
      const [backward, embed, contrast, finish] = [0, 1, 2, 3] as const;
      const step = { seed, step: update };
      const chunks = function* (program: number, training: boolean): Generator<[number, StepInput]> {
        for (let first = 0; first < examples.length; first += chunk) {
          const packed = packer.pack(sentencesOf(examples.slice(first, first + chunk), first, views), { training });
          yield [program, { ...packed, scalars: { first: first * views }, ...step }];
        }
      };
      clearSums(device, recorded, [lossSum]);
      yield* chunks(embed, false);
      yield [contrast, { live: { examples: examples.length }, ...step }];
      yield* chunks(backward, true);
      yield [finish, { scalars: { learningRate }, ...step }];
    },
  };
}

/** Gradients of an update are sums that begin at zero. */
function clearSums(device: Device, { layout }: Recorded, sums: readonly ArenaTensor[]): void {
  device.clear([...layout.arenas.map(({ training }) => training!.gradient), ...sums].map(({ window }) => window));
}

/** Packs a batch's examples, of which the first is number `first` of the update, and for masked language modelling their masked copy. */
function stepPacker({ config }: Recorded, options: TrainingStepOptions) {
  const capacity = batchCapacity(config, options);
  const views = viewsOf(options);
  const { mlm, seed } = options;
  const contrast = contrasts(options) ? new BatchPacker(capacity) : null;
  const masked = mlm && new MaskedPacker(capacity, mlm.probability);
  const mask = mlm && mlmMasking(seed, { ...mlm, vocabularySize: config.vocab_size });
  return {
    pack(examples: readonly TokenizedExample[], first: number, update: number): Required<Pick<StepInput, "inputs" | "live">> {
      const sentences = sentencesOf(examples, first, views);
      const plain = contrast?.pack(sentences, { training: true });
      const second = masked?.pack(sentences, ({ ids, key }) => mask!(ids, update, key));
      const count = contrast ? { examples: examples.length } : {};
      return { inputs: { ...plain?.inputs, ...second?.inputs }, live: { ...plain?.live, ...second?.live, ...count } };
    },
  };
}
