/** The parts that every form of training step records: a batch's embeddings, its loss, and the loss's history. */
import type { StepInput } from "../../../autograd/step-input.ts";
import type { Tape } from "../../../autograd/tape.ts";
import { ShapeError } from "../../../errors.ts";
import type { Device } from "../../../gpu/device.ts";
import { f32, type Value } from "../../../kernels/language/operation.ts";
import { recordHistory } from "../../../kernels/optimizer/history.ts";
import { weightedSum } from "../../../kernels/pointwise/pointwise.ts";
import type { AdamWOptions } from "../../../nn/adamw.ts";
import type { BatchValues, TransformerConfig } from "../../../nn/architectures/architecture.ts";
import { ArenaTensor } from "../../../nn/parameters/arena-tensor.ts";
import type { ParameterLayout } from "../../../nn/parameters/parameter-layout.ts";
import type { Loss, LossBatch } from "../../losses/loss.ts";
import { maskedLanguageLoss } from "../../losses/mlm.ts";
import { type BatchCapacity, declareBatch, type PackedSentence, tableSizes } from "../../model/batch.ts";
import type { Modules } from "../../model/model.ts";
import { type PoolerType, poolSentences, rowsReadBy } from "../../model/poolers.ts";

/** What a training step computes. */
export interface TrainingStepOptions {
  /** Examples per batch. */
  readonly batchSize: number;
  /** Sentences per example; 2 if absent. */
  readonly views?: number;
  /** The loss of the sentences' embeddings; null if `mlm` is the only one. */
  readonly loss: Loss | null;
  /** The most tokens of a sentence. */
  readonly maxLength: number;
  readonly pooler: PoolerType;
  /** Masked language modelling on the batch's sentences, with `loss` or alone; none if absent. */
  readonly mlm?: StepMlmOptions | undefined;
  readonly optimizer?: AdamWOptions;
  /** Recompute each layer in the backward pass, and keep only its input; false if absent. */
  readonly gradientCheckpointing?: boolean;
  /** Batches per update, each with its own loss; 1 if absent. */
  readonly accumulation?: number;
  /** Examples that are embedded at a time, with the loss over the whole batch (GradCache); all at once if absent. */
  readonly cacheChunk?: number | undefined;
  /** How many devices share the batch; if absent, one device has the whole. */
  readonly devices?: number;
  /** The probability of dropout; that of the model's config if absent or null. */
  readonly dropout?: number | null;
  readonly seed: number;
}

/** Masked language modelling besides the loss of embeddings. */
export interface StepMlmOptions {
  /** The weight of its loss. */
  readonly weight: number;
  readonly probability: number;
  readonly maskId: number;
  readonly specialIds: ReadonlySet<number>;
}

/** The input of recording a step: a model's modules and the places of its parameters. */
export interface Recorded {
  readonly config: TransformerConfig;
  readonly modules: Modules;
  readonly layout: ParameterLayout;
  /** One row of numbers for each of the last steps. */
  readonly history: ArenaTensor;
}

/** Sentences per example. */
export const viewsOf = ({ views = 2 }: TrainingStepOptions): number => views;

/** Whether the embedding tables have gradients, for which a batch needs its gather indices. */
export const trainsEmbeddings = ({ modules }: Recorded): boolean => modules.transformer.words.gradient !== undefined;

/** Gradients of an update are sums that start at zero. */
export function clearSums(device: Device, recorded: Recorded, sums: readonly ArenaTensor[]): void {
  device.clear([...gradientsOf(recorded), ...sums].map(({ window }) => window));
}

/** The arenas of gradients. */
export function gradientsOf({ layout }: Recorded): ArenaTensor[] {
  return layout.arenas.flatMap(({ training }) => (training ? [training.gradient] : []));
}

/** Room for `examples` examples. */
export function batchCapacity(config: TransformerConfig, options: TrainingStepOptions, examples = options.batchSize): BatchCapacity {
  const sentences = viewsOf(options) * examples;
  return { sentences, tokens: sentences * options.maxLength, longest: options.maxLength, ...tableSizes(config) };
}

/** Records the embeddings of a batch under dropout, f32 [sentences, hidden_size]. */
export function recordEmbeddings({ modules, layout }: Recorded, options: TrainingStepOptions, batch: BatchValues): Value {
  const hidden = modules.transformer.forward(batch, {
    training: true,
    rows: rowsReadBy(options.pooler),
    ...forwardOptions(layout, options),
  });
  return poolSentences(options.pooler, hidden, batch, modules.mlp?.dense ?? null);
}

const forwardOptions = (layout: ParameterLayout, { gradientCheckpointing: recompute = false, dropout = null }: TrainingStepOptions) => ({
  dtype: layout.keepsHalves ? ("f16" as const) : ("f32" as const),
  recompute,
  dropout,
});

/** The input name of the examples' targets. */
const targetsInput = "targets";

/** Records the loss of a whole batch's embeddings, f32 [1]. */
export function recordLoss(tape: Tape, embeddings: Value, loss: Loss, options: TrainingStepOptions): Value {
  const examples = tape.extent("examples", options.batchSize);
  const targets = loss.target && tape.input(targetsInput, f32(examples, loss.target.width));
  return loss.record(tape, embeddings, { examples, views: viewsOf(options), targets } satisfies LossBatch);
}

/** The inputs of `recordLoss`. Throws `ShapeError` for an example whose target has another width. */
export function lossInputs(
  examples: readonly TokenizedExample[],
  { loss }: TrainingStepOptions,
): Required<Pick<StepInput, "inputs" | "live">> {
  if (loss === null) return { inputs: {}, live: {} };
  const live = { examples: examples.length };
  if (loss.target === null) return { inputs: {}, live };
  const { width, kind } = loss.target;
  const targets = new Float32Array(examples.length * width);
  for (const [i, { target = [] }] of examples.entries()) {
    if (target.length !== width)
      throw new ShapeError(
        `The loss ${loss.name} needs a ${kind} of ${width} numbers an example, found ${target.length}.`,
        "Give each example its target.",
      );
    targets.set(target, i * width);
  }
  return { inputs: { [targetsInput]: targets }, live };
}

/** The losses of a batch, each f32 [1]. */
export interface Losses {
  /** The loss that is minimised. */
  readonly loss: Value;
  readonly mlmLoss?: Value;
}

/** Records a batch and its losses: that of the embeddings, and masked language modelling if requested or the only one. */
export function recordLosses(tape: Tape, recorded: Recorded, options: TrainingStepOptions): Losses {
  const capacity = batchCapacity(recorded.config, options);
  if (options.loss === null) return { loss: recordMasked(tape, recorded, options, capacity) };
  const batch = declareBatch(tape, capacity, { indices: trainsEmbeddings(recorded) });
  const loss = recordLoss(tape, recordEmbeddings(recorded, options, batch), options.loss, options);
  return options.mlm === undefined ? { loss } : sumOfLosses(loss, recordMasked(tape, recorded, options, capacity), options);
}

/** Records the masked pass of a batch and its loss, f32 [1]: the mean over its masked tokens. */
export function recordMasked(tape: Tape, recorded: Recorded, options: TrainingStepOptions, capacity: BatchCapacity): Value {
  const { modules, layout } = recorded;
  return maskedLanguageLoss(tape, modules, capacity, {
    probability: options.mlm!.probability,
    indices: trainsEmbeddings(recorded),
    ...forwardOptions(layout, options),
  });
}

/** The minimised loss if there is masked language modelling besides the loss of the embeddings. */
export function sumOfLosses(loss: Value, mlmLoss: Value, { mlm }: TrainingStepOptions): Losses {
  return { loss: weightedSum(loss, mlmLoss, 1, mlm!.weight), mlmLoss };
}

/** Whether masked language modelling is a second loss, and not the only one. */
export const hasTwoLosses = ({ loss, mlm }: TrainingStepOptions): boolean => loss !== null && mlm !== undefined;

/** Steps whose metrics are kept on the GPU until they are read. */
export const historyLength = 1024;

/** Numbers per step: its loss, its gradient norm, and the masked language modelling loss if there is one. */
export const historyTensor = (options: TrainingStepOptions) =>
  new ArenaTensor("history", "f32", [historyLength, hasTwoLosses(options) ? 3 : 2]);

/** Records that a step's numbers are written to the history. */
export function recordMetrics({ loss, mlmLoss }: Losses, norm: Value, { history }: Recorded): void {
  recordHistory([loss, norm, ...(mlmLoss ? [mlmLoss] : [])], history);
}

/** An example in the form for a step. */
export interface TokenizedExample {
  /** The tokens of each of its sentences, special tokens included. */
  readonly sentences: readonly (readonly number[])[];
  /** What the loss needs besides them; see `LossTarget`. */
  readonly target?: ArrayLike<number>;
}

/** The sentences of examples with their numbers in the whole batch; the first example is number `first`. */
export function sentencesOf(examples: readonly TokenizedExample[], first: number, views: number): PackedSentence[] {
  const all: PackedSentence[] = [];
  for (let i = 0; i < examples.length; i++) {
    const { sentences } = examples[i]!;
    for (let view = 0; view < sentences.length; view++) all.push({ ids: sentences[view]!, key: (first + i) * views + view });
  }
  return all;
}
