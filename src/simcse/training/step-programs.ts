/**
 * Three forms of a training step, each as named programs and their order: the whole batch at once, several batches per update with
 * accumulated gradients, and one large batch embedded in chunks.
 */
import { gradient } from "../../autograd/gradient.ts";
import type { StepInput } from "../../autograd/step-input.ts";
import type { Tape } from "../../autograd/tape.ts";
import { OptionError } from "../../errors.ts";
import type { Device } from "../../gpu/device.ts";
import type { Value } from "../../kernels/language/operation.ts";
import { addInto } from "../../kernels/optimizer/accumulate.ts";
import { scale } from "../../kernels/pointwise/operation.ts";
import { readRows, writeRows } from "../../kernels/row-window.ts";
import { adamWDefaults, adamWStep, adamWUpdate } from "../../nn/adamw.ts";
import { ArenaTensor } from "../../nn/parameters/arena-tensor.ts";
import type { Loss } from "../losses/loss.ts";
import { type MaskedInput, MaskedPacker } from "../losses/mlm.ts";
import { mlmMasking } from "../losses/mlm-masking.ts";
import { BatchPacker, declareBatch, type PackedSentence } from "../model/batch.ts";
import {
  batchCapacity,
  hasTwoLosses,
  type Losses,
  lossInputs,
  type Recorded,
  recordEmbeddings,
  recordLoss,
  recordLosses,
  recordMasked,
  recordMetrics,
  sentencesOf,
  sumOfLosses,
  type TokenizedExample,
  type TrainingStepOptions,
  trainsEmbeddings,
  viewsOf,
} from "./step-recording.ts";

/** The position of a step in the run. */
export interface StepPlace {
  /** The update's number, from 1. */
  readonly update: number;
  readonly learningRate: number;
}

/** The programs that together are a step. */
export interface StepPrograms {
  /** The recording function of each program, by name. */
  readonly records: Readonly<Record<string, (tape: Tape) => Record<string, Value>>>;
  /** Memory that they share; it must be allocated before they are compiled. */
  readonly tensors: readonly ArenaTensor[];
  /**
   * The names of a step's programs in the order in which they run, each with its input. An input is valid until the next one is requested.
   */
  inputs(device: Device, examples: readonly TokenizedExample[], place: StepPlace): Iterable<readonly [program: string, StepInput]>;
}

/** The programs of a step, in the form that the options ask for. */
export function stepPrograms(recorded: Recorded, options: TrainingStepOptions): StepPrograms {
  return withHalves(recorded, chooseForm(recorded, options));
}

/**
 * Begins a step by converting the parameters to their f16 copies if they were written from outside: before the first step, or after
 * weights were restored. Otherwise the optimizer has written the copies.
 */
function withHalves({ layout }: Recorded, step: StepPrograms): StepPrograms {
  if (!layout.hasCopies) return step;
  const halves = (tape: Tape) => {
    layout.updateHalves(tape);
    return {};
  };
  return {
    ...step,
    records: { ...step.records, halves },
    *inputs(device, examples, place) {
      if (layout.halvesAreStale) yield ["halves", {}];
      layout.halvesAreStale = false;
      yield* step.inputs(device, examples, place);
    },
  };
}

function chooseForm(recorded: Recorded, options: TrainingStepOptions): StepPrograms {
  const { loss, cacheChunk, accumulation = 1 } = options;
  if (cacheChunk !== undefined) {
    if (loss !== null) return cachedStep(recorded, options, loss, cacheChunk);
    throw new OptionError(
      "Only a loss of embeddings is computed in chunks (GradCache); masked language modelling alone is not.",
      "Use gradient accumulation, or a smaller batch.",
    );
  }
  return accumulation > 1 ? accumulatedStep(recorded, options, accumulation) : wholeStep(recorded, options);
}

function wholeStep(recorded: Recorded, options: TrainingStepOptions): StepPrograms {
  const packer = stepPacker(recorded, options);
  return {
    tensors: [],
    records: {
      step(tape) {
        const losses = recordLosses(tape, recorded, options);
        recordMetrics(losses, adamWStep(tape, losses.loss, recorded.layout, options.optimizer), recorded);
        return { loss: losses.loss };
      },
    },
    *inputs(_, examples, { update, learningRate }) {
      yield ["step", { ...packer.packBatch(examples, 0, update), scalars: { learningRate }, seed: options.seed, step: update }];
    },
  };
}

/** Accumulation as in the original: each batch has its own loss, and the update uses the mean of their gradients. */
function accumulatedStep(recorded: Recorded, options: TrainingStepOptions, batches: number): StepPrograms {
  const { layout } = recorded;
  const { batchSize, seed, optimizer = adamWDefaults } = options;
  const packer = stepPacker(recorded, options);
  const sums = ["loss", ...(hasTwoLosses(options) ? ["mlmLoss"] : [])].map((name) => new ArenaTensor(`sum of ${name}`, "f32", [1]));
  return {
    tensors: sums,
    records: {
      batch(tape) {
        const { loss, mlmLoss } = recordLosses(tape, recorded, options);
        const share = scale(loss, 1 / batches);
        addInto(share, sums[0]!);
        if (mlmLoss) addInto(scale(mlmLoss, 1 / batches), sums[1]!);
        gradient(tape, share, layout.trained, { scaledBy: layout.keepsHalves ? layout.optimizer : null, accumulate: true });
        return { loss: share };
      },
      update(tape) {
        const [loss, mlmLoss] = sums.map((sum) => tape.use(sum));
        recordMetrics({ loss: loss!, ...(mlmLoss && { mlmLoss }) } satisfies Losses, adamWUpdate(tape, layout, optimizer), recorded);
        return {};
      },
    },
    *inputs(device, examples, { update, learningRate }) {
      clearSums(device, recorded, sums);
      for (let first = 0; first < examples.length; first += batchSize) {
        yield ["batch", { ...packer.packBatch(examples.slice(first, first + batchSize), first, update), seed, step: update }];
      }
      yield ["update", { scalars: { learningRate }, seed, step: update }];
    },
  };
}

/**
 * GradCache (Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup"): the exact loss and gradients of a
 * large batch, with the memory of a small one.
 *
 * `embed` embeds the batch chunk by chunk and keeps only the embeddings. `loss` computes the loss over all of them, and its gradient with
 * respect to them. `backward` embeds each chunk again with the same dropout masks, and propagates its embeddings' gradient to the
 * parameters. For masked language modelling, each chunk adds its part of the mean over the whole batch's masked tokens. `update` is AdamW's
 * step.
 */
function cachedStep(recorded: Recorded, options: TrainingStepOptions, batchLoss: Loss, chunk: number): StepPrograms {
  const { config, layout } = recorded;
  const { batchSize, seed, mlm, optimizer = adamWDefaults } = options;
  const views = viewsOf(options);
  const capacity = batchCapacity(config, options, chunk);
  const packer = stepPacker(recorded, options, chunk);
  const embedded = new BatchPacker(capacity);
  const shape = [views * batchSize, config.hidden_size];
  const embeddings = new ArenaTensor("embeddings", "f32", shape, new ArenaTensor("gradient of embeddings", "f32", shape));
  const lossSum = new ArenaTensor("loss", "f32", [1]);
  const mlmSum = new ArenaTensor("sum of mlmLoss", "f32", [1]);
  const sums = [lossSum, ...(mlm ? [mlmSum] : [])];
  const scaledBy = layout.keepsHalves ? layout.optimizer : null;
  return {
    tensors: [embeddings, embeddings.gradient!, ...sums],
    records: {
      embed(tape) {
        const batch = declareBatch(tape, capacity, { indices: false });
        writeRows(recordEmbeddings(recorded, { ...options, gradientCheckpointing: false }, batch), embeddings, tape.scalar("first"));
        return {};
      },
      loss(tape) {
        const loss = recordLoss(tape, tape.use(embeddings), batchLoss, options);
        addInto(loss, lossSum);
        gradient(tape, loss, [embeddings], { scaledBy });
        return { loss };
      },
      backward(tape) {
        const batch = declareBatch(tape, capacity, { indices: trainsEmbeddings(recorded) });
        const own = recordEmbeddings(recorded, options, batch);
        const seed = readRows(tape, embeddings.gradient!, tape.scalar("first"), own.shape[0]!);
        gradient(tape, own, layout.trained, { seed, accumulate: true });
        if (mlm === undefined) return {};
        const part = scale(recordMasked(tape, recorded, options, capacity), tape.scalar("masked share"));
        addInto(part, mlmSum);
        gradient(tape, scale(part, mlm.weight), layout.trained, { scaledBy, accumulate: true });
        return {};
      },
      update(tape) {
        const loss = tape.use(lossSum);
        const losses: Losses = mlm ? sumOfLosses(loss, tape.use(mlmSum), options) : { loss };
        recordMetrics(losses, adamWUpdate(tape, layout, optimizer), recorded);
        return {};
      },
    },
    *inputs(device, examples, { update, learningRate }) {
      const step = { seed, step: update };
      const sentences = packer.sentences(examples, 0, update);
      const masked = maskedTokens(sentences);
      const chunks = function* (): Generator<[first: number, StepSentence[]]> {
        const size = chunk * views;
        for (let first = 0; first < sentences.length; first += size) yield [first, sentences.slice(first, first + size)];
      };
      clearSums(device, recorded, sums);
      for (const [first, own] of chunks()) {
        yield ["embed", { ...embedded.pack(own, { indices: false }), scalars: { first }, ...step }];
      }
      yield ["loss", { ...lossInputs(examples, options), ...step }];
      for (const [first, own] of chunks()) {
        const share = mlm && { "masked share": masked === 0 ? 0 : maskedTokens(own) / masked };
        yield ["backward", { ...packer.pack(own), scalars: { first, ...share }, ...step }];
      }
      yield ["update", { scalars: { learningRate }, ...step }];
    },
  };
}

/** Gradients of an update are sums that start at zero. */
function clearSums(device: Device, { layout }: Recorded, sums: readonly ArenaTensor[]): void {
  const gradients = layout.arenas.flatMap(({ training }) => (training ? [training.gradient] : []));
  device.clear([...gradients, ...sums].map(({ window }) => window));
}

/** A sentence of a step, and for masked language modelling its masked form. */
type StepSentence = PackedSentence & Partial<MaskedInput>;

function maskedTokens(sentences: readonly StepSentence[]): number {
  return sentences.reduce((sum, { masked }) => sum + (masked?.positions.length ?? 0), 0);
}

type PackedInput = Required<Pick<StepInput, "inputs" | "live">>;

/** Makes and packs the sentences of `examples` examples at a time; of a whole batch if absent. */
function stepPacker(recorded: Recorded, options: TrainingStepOptions, examples = options.batchSize) {
  const { config } = recorded;
  const capacity = batchCapacity(config, options, examples);
  const views = viewsOf(options);
  const indices = trainsEmbeddings(recorded);
  const { loss, mlm, seed } = options;
  const plain = loss === null ? null : new BatchPacker(capacity);
  const masked = mlm && new MaskedPacker(capacity, { probability: mlm.probability, indices });
  const mask = mlm && mlmMasking(seed, { ...mlm, vocabularySize: config.vocab_size });
  return {
    /** The sentences of examples; the first is number `first` of the update. */
    sentences(examples: readonly TokenizedExample[], first: number, update: number): StepSentence[] {
      const all = sentencesOf(examples, first, views);
      return mask ? all.map((sentence) => ({ ...sentence, masked: mask(sentence.ids, update, sentence.key) })) : all;
    },
    /** The inputs of the sentences' passes, plain and masked. */
    pack(sentences: readonly StepSentence[]): PackedInput {
      return joined(plain?.pack(sentences, { indices }), masked?.pack(sentences as readonly MaskedInput[]));
    },
    /** The inputs of a batch's passes and of its loss. */
    packBatch(examples: readonly TokenizedExample[], first: number, update: number): PackedInput {
      return joined(this.pack(this.sentences(examples, first, update)), lossInputs(examples, options));
    },
  };
}

function joined(...parts: readonly (PackedInput | undefined)[]): PackedInput {
  return {
    inputs: Object.assign({}, ...parts.map((part) => part?.inputs)),
    live: Object.assign({}, ...parts.map((part) => part?.live)),
  };
}
