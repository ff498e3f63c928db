/** The embeddings of BERT and its relatives: a sum of tables, normalised. */
import { embedding } from "../../kernels/embedding.ts";
import type { Value } from "../../kernels/language/operation.ts";
import { LayerNorm } from "../layer-norm.ts";
import { Parameter } from "../parameters/parameter.ts";
import type { BatchValues, ForwardOptions } from "./architecture.ts";
import { type OnnxBatch, onnxLayerNorm, onnxPlaces, onnxRows } from "./onnx-layers.ts";

/** The sizes of the tables. */
export interface EmbeddingSizes {
  readonly vocab_size: number;
  /** Absent in architectures without a table of positions. */
  readonly max_position_embeddings?: number;
  /** Absent in architectures without types of tokens. */
  readonly type_vocab_size?: number;
  /** Rows of the table of types of tasks; absent in architectures without one. */
  readonly taskTypes?: number;
  readonly width: number;
  readonly initializer_range: number;
  readonly layer_norm_eps: number;
}

/** The sum of word, position, token-type and task-type embeddings, or those of them that there are, normalised: f32 or f16 [tokens, width]. */
export class Embeddings {
  readonly word_embeddings: { readonly weight: Parameter };
  readonly position_embeddings?: { readonly weight: Parameter };
  readonly token_type_embeddings?: { readonly weight: Parameter };
  readonly task_type_embeddings?: { readonly weight: Parameter };
  readonly LayerNorm: LayerNorm;

  constructor(sizes: EmbeddingSizes) {
    const { vocab_size, max_position_embeddings, type_vocab_size, taskTypes, width, initializer_range, layer_norm_eps } = sizes;
    const table = (rows: number) => ({ weight: new Parameter([rows, width], { normal: initializer_range }) });
    this.word_embeddings = table(vocab_size);
    if (max_position_embeddings !== undefined) this.position_embeddings = table(max_position_embeddings);
    if (type_vocab_size !== undefined) this.token_type_embeddings = table(type_vocab_size);
    if (taskTypes !== undefined) this.task_type_embeddings = table(taskTypes);
    this.LayerNorm = new LayerNorm(width, layer_norm_eps);
  }

  forward({ tokens, indices }: BatchValues, { dtype }: ForwardOptions, dropout: number): Value {
    const tables = {
      word: this.word_embeddings.weight,
      position: this.position_embeddings?.weight,
      tokenType: this.token_type_embeddings?.weight,
      taskType: this.task_type_embeddings?.weight,
    };
    return this.LayerNorm.forward(embedding(tokens, tables, indices, dtype), { dropout, tokens });
  }
}

/** How an ONNX graph has embeddings. */
export interface OnnxEmbeddings {
  /** The prefix of their tensors. */
  readonly prefix: string;
  /** The row of the position embedding for a sentence's first token: 0, or one more than the id of padding; null without such a table. */
  readonly firstPosition: number | null;
  /** Whether padding has positions like other tokens, and not the row before the first. */
  readonly countsPadding?: boolean;
  readonly hasTypes: boolean;
  /** Whether there is a table of types of tasks; false if absent. */
  readonly hasTasks?: boolean;
  /** The name of their norm; `LayerNorm` after the prefix if absent. */
  readonly norm?: string;
}

/** Rows [batch · sequence, width] of the embeddings. */
export function onnxEmbeddings(
  batch: OnnxBatch,
  { width, layer_norm_eps }: Pick<EmbeddingSizes, "width" | "layer_norm_eps">,
  { prefix, firstPosition, countsPadding = firstPosition === 0, hasTypes, hasTasks = false, norm = `${prefix}LayerNorm` }: OnnxEmbeddings,
): string {
  const { graph, ids } = batch;
  const rows = (kind: string, at: string) => graph.add("Gather", [`${prefix}${kind}_embeddings.weight`, at]);
  const places = (first: number) => (countsPadding ? onnxPlaces(batch, first) : positionsAfterPadding(batch, first - 1));
  const tables = [
    ...(hasTasks ? [rows("task_type", graph.integers(0))] : []),
    // BERT's tokenizers make them, and ONNX Runtime refuses an input that a graph does not have. A single text has the type 0.
    ...(hasTypes ? [rows("token_type", graph.optional("token_type_ids", ["types_batch", "types_sequence"], 0))] : []),
    ...(firstPosition === null ? [] : [rows("position", places(firstPosition))]),
    rows("word", ids),
  ];
  const sum = tables.reduce((others, table) => graph.add("Add", [table, others]));
  return onnxLayerNorm(batch, onnxRows(batch, sum, width), norm, layer_norm_eps);
}

/** int64 [batch, sequence]: a token with the id `padding` has that position, and the others are numbered from the next one on. */
function positionsAfterPadding({ graph, ids }: OnnxBatch, padding: number): string {
  const counted = graph.add("Cast", [graph.add("Not", [graph.add("Equal", [ids, graph.integers(padding)])])], { to: 7 });
  const numbers = graph.add("Mul", [graph.add("CumSum", [counted, graph.integers(1)]), counted]);
  return graph.add("Add", [numbers, graph.integers(padding)]);
}
