/**
 * Three forms of a training step, each as named programs and their order: the whole batch at once, several batches per update with
 * accumulated gradients, and one batch embedded in chunks. The last two can be shared by several devices.
 */
import { gradient } from "../../autograd/gradient.ts";
import type { ProgramPart } from "../../autograd/program.ts";
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

/** The part of a step that one of several devices has: device number `rank` of `of`. */
export interface Share {
  readonly rank: number;
  readonly of: number;
}

/** The share of the only device. */
export const wholeShare: Share = { rank: 0, of: 1 };

/** A program that runs, or a part of it, with its input. */
export interface ProgramRun {
  readonly program: string;
  /** The whole program if absent. */
  readonly part?: ProgramPart;
  readonly input?: StepInput;
  /** Whether the gradients that devices add are complete after it, each as soon as nothing of the program writes it. */
  readonly completes?: boolean;
}

/** What the devices of a step exchange before any of them goes on; nothing happens if there is only one. */
export type Exchange =
  /** Each device has computed the rows from the first to before the second of these; afterwards each has all. */
  | { readonly gather: ArenaTensor; readonly rows: readonly [first: number, end: number] }
  /** Afterwards each device has the sums of all devices' `added` tensors. The parameters change only after this. */
  | "add";

/** Whether a program runs next; otherwise devices exchange something. */
export const isRun = (next: ProgramRun | Exchange): next is ProgramRun => typeof next === "object" && "program" in next;

/** The programs that together are a step. */
export interface StepPrograms {
  /** The recording function of each program, by name. */
  readonly records: Readonly<Record<string, (tape: Tape) => Record<string, Value>>>;
  /** Memory that they share; it must be allocated before they are compiled. */
  readonly tensors: readonly ArenaTensor[];
  /** The tensors that several devices gather, and those that they add. */
  readonly gathered: readonly ArenaTensor[];
  readonly added: readonly ArenaTensor[];
  /** The program whose last run completes what is added. */
  readonly completing: string;
  /**
   * What a device does for its share of a step, in this order. All devices have the same exchanges. An input is valid until the next item is
   * requested.
   */
  sequence(device: Device, examples: readonly TokenizedExample[], place: StepPlace, share: Share): Iterable<ProgramRun | Exchange>;
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
    *sequence(device, examples, place, share) {
      if (layout.halvesAreStale) yield { program: "halves" };
      layout.halvesAreStale = false;
      yield* step.sequence(device, examples, place, share);
    },
  };
}

function chooseForm(recorded: Recorded, options: TrainingStepOptions): StepPrograms {
  const { loss, batchSize, cacheChunk, accumulation = 1, devices = 1 } = options;
  if (cacheChunk !== undefined && loss === null) {
    throw new OptionError(
      "Only a loss of embeddings is computed in chunks (GradCache); masked language modelling alone is not.",
      "Use gradient accumulation, or a smaller batch.",
    );
  }
  if (accumulation > 1) return accumulatedStep(recorded, options, accumulation);
  if (cacheChunk === undefined && devices === 1) return wholeStep(recorded, options);
  return chunkedStep(recorded, options, Math.min(cacheChunk ?? batchSize, Math.ceil(batchSize / devices)));
}

function wholeStep(recorded: Recorded, options: TrainingStepOptions): StepPrograms {
  const packer = stepPacker(recorded, options);
  return {
    tensors: [],
    gathered: [],
    added: [],
    completing: "step",
    records: {
      step(tape) {
        const losses = recordLosses(tape, recorded, options);
        recordMetrics(losses, adamWStep(tape, losses.loss, recorded.layout, options.optimizer), recorded);
        return { loss: losses.loss };
      },
    },
    *sequence(_, examples, { update, learningRate }) {
      const input = { ...packer.packBatch(examples, 0, update), scalars: { learningRate }, seed: options.seed, step: update };
      yield { program: "step", input };
    },
  };
}

/**
 * Accumulation as in the original: each batch has its own loss, and the update uses the mean of their gradients. Several devices share the
 * batches.
 */
function accumulatedStep(recorded: Recorded, options: TrainingStepOptions, batches: number): StepPrograms {
  const { layout } = recorded;
  const { batchSize, seed, optimizer = adamWDefaults } = options;
  const packer = stepPacker(recorded, options);
  const sums = ["loss", ...(hasTwoLosses(options) ? ["mlmLoss"] : [])].map((name) => new ArenaTensor(`sum of ${name}`, "f32", [1]));
  return {
    tensors: sums,
    gathered: [],
    added: [...gradientsOf(recorded), ...sums],
    completing: "batch",
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
    *sequence(device, examples, { update, learningRate }, share) {
      clearSums(device, recorded, sums);
      const own = dealt(Math.ceil(examples.length / batchSize), share);
      for (const index of own) {
        const first = index * batchSize;
        const batch = packer.packBatch(examples.slice(first, first + batchSize), first, update);
        yield { program: "batch", input: { ...batch, seed, step: update }, completes: index === own.at(-1) };
      }
      yield "add";
      yield { program: "update", input: { scalars: { learningRate }, seed, step: update } };
    },
  };
}

/**
 * GradCache (Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup"): the exact loss and gradients of a
 * large batch, with the memory of a small one; and the form in which several devices share a batch.
 *
 * `chunk` embeds a chunk of the batch up to its pause. `loss` computes the loss over all embeddings, and its gradient with respect to them.
 * The rest of `chunk` propagates the gradient of its embeddings to the parameters. Only the chunk embedded last still has its activations,
 * so the others are embedded again, with the same dropout masks. For masked language modelling, each chunk adds its part of the mean over
 * the whole batch's masked tokens. `update` is AdamW's step.
 */
function chunkedStep(recorded: Recorded, options: TrainingStepOptions, chunk: number): StepPrograms {
  const { config, layout } = recorded;
  const { batchSize, seed, mlm, loss: batchLoss, optimizer = adamWDefaults } = options;
  const views = viewsOf(options);
  const capacity = batchCapacity(config, options, chunk);
  const packer = stepPacker(recorded, options, chunk);
  const shape = [views * batchSize, config.hidden_size];
  const embeddings = new ArenaTensor("embeddings", "f32", shape, new ArenaTensor("gradient of embeddings", "f32", shape));
  const lossSum = new ArenaTensor("loss", "f32", [1]);
  const mlmSum = new ArenaTensor("sum of mlmLoss", "f32", [1]);
  const sums = [...(batchLoss ? [lossSum] : []), ...(mlm ? [mlmSum] : [])];
  const scaledBy = layout.keepsHalves ? layout.optimizer : null;
  const backward = (tape: Tape) => {
    const batch = declareBatch(tape, capacity, { indices: trainsEmbeddings(recorded) });
    const own = recordEmbeddings(recorded, options, batch);
    const first = tape.scalar("first");
    writeRows(own, embeddings, first);
    tape.pause();
    gradient(tape, own, layout.trained, { seed: readRows(tape, embeddings.gradient!, first, own.shape[0]!), accumulate: true });
  };
  return {
    tensors: [...(batchLoss ? [embeddings, embeddings.gradient!] : []), ...sums],
    gathered: batchLoss ? [embeddings] : [],
    // Each device computes the loss of the whole batch by itself.
    added: [...gradientsOf(recorded), ...(mlm ? [mlmSum] : [])],
    completing: "chunk",
    records: {
      chunk(tape) {
        if (batchLoss) backward(tape);
        if (mlm === undefined) return {};
        const part = scale(recordMasked(tape, recorded, options, capacity), tape.scalar("masked share"));
        addInto(part, mlmSum);
        gradient(tape, batchLoss ? scale(part, mlm.weight) : part, layout.trained, { scaledBy, accumulate: true });
        return {};
      },
      ...(batchLoss && {
        loss(tape: Tape) {
          const loss = recordLoss(tape, tape.use(embeddings), batchLoss, options);
          addInto(loss, lossSum);
          gradient(tape, loss, [embeddings], { scaledBy });
          return { loss };
        },
      }),
      update(tape) {
        const [first, second] = sums.map((sum) => tape.use(sum));
        const losses: Losses = second ? sumOfLosses(first!, second, options) : { loss: first! };
        recordMetrics(losses, adamWUpdate(tape, layout, optimizer), recorded);
        return {};
      },
    },
    *sequence(device, examples, { update, learningRate }, share) {
      const step = { seed, step: update };
      const sentences = packer.sentences(examples, 0, update);
      const masked = maskedTokens(sentences);
      const own = dealt(Math.ceil(examples.length / chunk), share).map((index) => index * chunk * views);
      const input = (first: number): StepInput => {
        const chunkOf = sentences.slice(first, first + chunk * views);
        const maskedShare = mlm && { "masked share": masked === 0 ? 0 : maskedTokens(chunkOf) / masked };
        return { ...packer.pack(chunkOf), scalars: { ...(batchLoss && { first }), ...maskedShare }, ...step };
      };
      clearSums(device, recorded, sums);
      if (batchLoss) {
        for (const first of own.toReversed()) yield { program: "chunk", part: "before pause", input: input(first) };
        yield { gather: embeddings, rows: own.length === 0 ? [0, 0] : [own[0]!, Math.min(own.at(-1)! + chunk * views, sentences.length)] };
        yield { program: "loss", input: { ...lossInputs(examples, options), ...step } };
      }
      for (const [i, first] of own.entries()) {
        const completes = i === own.length - 1;
        yield batchLoss && i === 0
          ? { program: "chunk", part: "after pause", completes }
          : { program: "chunk", input: input(first), completes };
      }
      yield "add";
      yield { program: "update", input: { scalars: { learningRate }, ...step } };
    },
  };
}

/** Gradients of an update are sums that start at zero. */
function clearSums(device: Device, recorded: Recorded, sums: readonly ArenaTensor[]): void {
  device.clear([...gradientsOf(recorded), ...sums].map(({ window }) => window));
}

/** The arenas of gradients. */
function gradientsOf({ layout }: Recorded): ArenaTensor[] {
  return layout.arenas.flatMap(({ training }) => (training ? [training.gradient] : []));
}

/** Which of `count` equal parts belong to a share: neighbours, as many as others have, or one more or less. */
function dealt(count: number, { rank, of }: Share): number[] {
  const first = Math.floor((count * rank) / of);
  return Array.from({ length: Math.floor((count * (rank + 1)) / of) - first }, (_, i) => first + i);
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
