/** The parts that every way of making a training step records: a batch's embeddings, its loss, and the loss's history. */
import type { Tape } from "../../autograd/tape.ts";
import type { Value } from "../../kernels/language/operation.ts";
import { recordHistory } from "../../kernels/optimizer/history.ts";
import { weightedSum } from "../../kernels/weighted-sum.ts";
import type { AdamWOptions } from "../../nn/adamw.ts";
import type { BatchValues } from "../../nn/architectures/bert.ts";
import type { BertConfig } from "../../nn/architectures/bert-config.ts";
import { ArenaTensor } from "../../nn/parameters/arena-tensor.ts";
import type { ParameterLayout } from "../../nn/parameters/parameter-layout.ts";
import { contrastiveLoss, type Views } from "../losses/infonce.ts";
import { maskedLanguageLoss } from "../losses/mlm.ts";
import { type BatchCapacity, declareBatch, type PackedSentence, tableSizes } from "../model/batch.ts";
import type { Modules } from "../model/model.ts";
import { type PoolerType, poolSentences } from "../model/poolers.ts";

export interface TrainingStepOptions {
  /** Examples a batch. */
  readonly batchSize: number;
  /** Sentences of an example; 2 if absent. With 1 there is no contrast, and `mlm` alone is the loss. */
  readonly views?: 1 | Views;
  /** Tokens a sentence has at most. */
  readonly maxSeqLength: number;
  readonly pooler: PoolerType;
  readonly temperature: number;
  /** The log weight of a sentence's own hard negative; 0 if absent. */
  readonly hardNegativeWeight?: number;
  readonly labelSmoothing?: number;
  /** Masked language modelling on the batch's sentences, as a second loss; none if absent. */
  readonly mlm?: StepMlmOptions;
  readonly optimizer?: AdamWOptions;
  /** Compute each layer again in the backward pass, and keep only its input; false if absent. */
  readonly gradientCheckpointing?: boolean;
  /** Batches an update, each contrasted by itself; 1 if absent. */
  readonly accumulation?: number;
  /** Examples that are embedded at a time, with the loss over the whole batch (GradCache); all at once, if absent. */
  readonly cacheChunk?: number;
  readonly seed: number;
}

export interface StepMlmOptions {
  /** What its loss is multiplied with. */
  readonly weight: number;
  readonly probability: number;
  readonly maskId: number;
  readonly specialIds: ReadonlySet<number>;
}

/** What a step is recorded from: a model's modules and the places of its parameters. */
export interface Recorded {
  readonly config: BertConfig;
  readonly modules: Modules;
  readonly layout: ParameterLayout;
  /** A row of numbers for each of the last steps. */
  readonly history: ArenaTensor;
}

export const viewsOf = ({ views = 2 }: TrainingStepOptions): 1 | Views => views;

/** Whether the sentences of a batch are contrasted. */
export const contrasts = (options: TrainingStepOptions): boolean => viewsOf(options) > 1;

/** Room for `examples` examples. */
export function batchCapacity(config: BertConfig, options: TrainingStepOptions, examples = options.batchSize): BatchCapacity {
  const sentences = viewsOf(options) * examples;
  return { sentences, tokens: sentences * options.maxSeqLength, longest: options.maxSeqLength, ...tableSizes(config) };
}

/** Records the embeddings of a batch under dropout, f32 [sentences, hidden_size]. */
export function recordEmbeddings({ modules, layout }: Recorded, options: TrainingStepOptions, batch: BatchValues): Value {
  const hidden = modules.bert.forward(batch, { training: true, ...forwardOptions(layout, options) });
  return poolSentences(options.pooler, hidden, batch, modules.mlp?.dense ?? null);
}

const forwardOptions = (layout: ParameterLayout, { gradientCheckpointing: recompute = false }: TrainingStepOptions) => ({
  dtype: layout.keepsHalves ? ("f16" as const) : ("f32" as const),
  recompute,
});

/** Records the contrastive loss of a whole batch's embeddings, f32 [1]. */
export function recordContrast(tape: Tape, embeddings: Value, options: TrainingStepOptions): Value {
  const { batchSize, temperature, hardNegativeWeight = 0, labelSmoothing = 0 } = options;
  const examples = tape.extent("examples", batchSize);
  return contrastiveLoss(embeddings, { temperature, examples, views: viewsOf(options) as Views, hardNegativeWeight, labelSmoothing });
}

/** The losses of a batch, each f32 [1]. */
export interface Losses {
  /** The one that is minimised. */
  readonly loss: Value;
  readonly mlmLoss?: Value;
}

/** Records a batch and its losses: contrast, and masked language modelling where it is asked for or all there is. */
export function recordLosses(tape: Tape, recorded: Recorded, options: TrainingStepOptions): Losses {
  const capacity = batchCapacity(recorded.config, options);
  recorded.layout.updateHalves(tape);
  if (!contrasts(options)) return { loss: recordMasked(tape, recorded, options, capacity) };
  const batch = declareBatch(tape, capacity, { training: true });
  const contrast = recordContrast(tape, recordEmbeddings(recorded, options, batch), options);
  return options.mlm === undefined ? { loss: contrast } : sumOfLosses(contrast, recordMasked(tape, recorded, options, capacity), options);
}

/** Records the masked pass of a batch and its loss, f32 [1]: the mean over its masked tokens. */
export function recordMasked(tape: Tape, { modules, layout }: Recorded, options: TrainingStepOptions, capacity: BatchCapacity): Value {
  return maskedLanguageLoss(tape, modules, capacity, { probability: options.mlm!.probability, ...forwardOptions(layout, options) });
}

/** What is minimised where there is masked language modelling beside the contrast. */
export function sumOfLosses(contrast: Value, mlmLoss: Value, { mlm }: TrainingStepOptions): Losses {
  return { loss: weightedSum(contrast, mlmLoss, 1, mlm!.weight), mlmLoss };
}

/** Steps whose metrics are kept on the GPU until they are read. */
export const historyLength = 1024;

/** Numbers a step: its loss, its gradient norm, and the masked language loss where there is one. */
export const historyTensor = (options: TrainingStepOptions) =>
  new ArenaTensor("history", "f32", [historyLength, options.mlm && contrasts(options) ? 3 : 2]);

/** Records that a step's numbers go into the history. */
export function recordMetrics({ loss, mlmLoss }: Losses, norm: Value, { history }: Recorded): void {
  recordHistory([loss, norm, ...(mlmLoss ? [mlmLoss] : [])], history);
}

/** The sentences of examples with their numbers in the whole batch, the first example being number `first`. */
export function sentencesOf(examples: readonly TokenizedExample[], first: number, views: 1 | Views): PackedSentence[] {
  return examples.flatMap((example, i) => example.map((ids, view) => ({ ids, key: (first + i) * views + view })));
}

/** The tokens of each view of an example, special tokens included. */
export type TokenizedExample = readonly (readonly number[])[];
