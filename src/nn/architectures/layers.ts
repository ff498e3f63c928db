/** How layers are recorded one after another, and the block that BERT and its relatives repeat. */
import { firstRows } from "../../kernels/first-rows.ts";
import type { Value } from "../../kernels/language/operation.ts";
import type { LayerNorm } from "../layer-norm.ts";
import type { Linear } from "../linear.ts";
import { type ActivationName, activationOf } from "./activations.ts";
import type { BatchValues, ForwardOptions, ReadRows } from "./architecture.ts";
import type { Embeddings } from "./embeddings.ts";

/** The dropout in a layer: probabilities from 0 to less than 1. */
export interface LayerDropout {
  /** Of the outputs of self-attention and of the feed-forward network. */
  readonly hidden: number;
  /** Of the attention's weights. */
  readonly attention: number;
  /** The batch's token table if the adapters' dropout is active. */
  readonly tokens: Value | undefined;
}

/** The dropout of a forward pass; `own` are the config's probabilities. */
export function layerDropout(
  own: Pick<LayerDropout, "hidden" | "attention">,
  { tokens }: BatchValues,
  { training, dropout = null }: ForwardOptions,
): LayerDropout {
  const probability = (configured: number) => (training ? (dropout ?? configured) : 0);
  return { hidden: probability(own.hidden), attention: probability(own.attention), tokens: training ? tokens : undefined };
}

/** How a layer is recorded. */
export interface LayerOptions extends LayerDropout {
  /** What is read of its output. */
  readonly rows: ReadRows;
}

/** A layer: [tokens, hidden_size] from the same, or of its output the rows that are read. */
interface Layer {
  forward(x: Value, batch: BatchValues, options: LayerOptions): Value;
}

/** The embeddings' output `first`, and that of each layer. */
export function throughLayers(
  first: Value,
  layers: readonly Layer[],
  batch: BatchValues,
  dropout: LayerDropout,
  { recompute = false, rows = "all" }: ForwardOptions,
): Value[] {
  const hidden = [first];
  for (const [place, layer] of layers.entries()) {
    const next = () => layer.forward(hidden.at(-1)!, batch, { ...dropout, rows: place === layers.length - 1 ? rows : "all" });
    hidden.push(recompute ? first.tape.recomputed(next) : next());
  }
  return hidden;
}

/** The parts of an encoder with BERT's embeddings and fields of dropout. */
interface BertParts {
  readonly config: { readonly hidden_dropout_prob: number; readonly attention_probs_dropout_prob: number };
  readonly embeddings: Embeddings;
  /** From the width of the embeddings to that of the layers, if they differ. */
  readonly projection?: Linear | undefined;
  readonly layers: readonly Layer[];
}

/** The output of the embeddings, projected if they are, and of each layer. */
export function hiddenStates({ config, embeddings, projection, layers }: BertParts, batch: BatchValues, options: ForwardOptions): Value[] {
  const { hidden_dropout_prob: hidden, attention_probs_dropout_prob: attention } = config;
  const dropout = layerDropout({ hidden, attention }, batch, options);
  const embedded = embeddings.forward(batch, options, dropout.hidden);
  return throughLayers(projection?.forward(embedded) ?? embedded, layers, batch, dropout, options);
}

/** What a layer works on after attention: one row for each that is read of its output. */
interface AfterAttention {
  readonly context: Value;
  /** The layer's input. */
  readonly residual: Value;
  /** The token table of the rows. */
  readonly tokens: Value;
  /** The same if the adapters' dropout is active. */
  readonly adapterTokens: Value | undefined;
}

/** The rows of attention's result and of the layer's input `x` that are read of its output: everything after attention is row by row. */
export function afterAttention(context: Value, x: Value, batch: BatchValues, { rows, tokens }: LayerOptions): AfterAttention {
  if (rows === "all") return { context, residual: x, tokens: batch.tokens, adapterTokens: tokens };
  const first = firstRows(context, x, batch);
  return { context: first.x, residual: first.y, tokens: first.tokens, adapterTokens: tokens && first.tokens };
}

/** A linear layer whose output is added to a residual and normalised. */
export interface ResidualBlock {
  readonly dense: Linear;
  readonly norm: LayerNorm;
  /** Whether the linear layer's output has dropout; true if absent. */
  readonly dropout?: boolean;
}

/** The parts of a block with LayerNorm after each residual (Vaswani et al. 2017, Devlin et al. 2019). */
export interface PostNormBlock {
  /** Self-attention without its output projection: [tokens, hidden_size] from the same. */
  readonly attend: (x: Value) => Value;
  readonly attended: ResidualBlock;
  /** The inner layer of the feed-forward network and its activation: [rows, intermediate_size] from [rows, hidden_size]. */
  readonly expand: (x: Value, rows: AfterAttention) => Value;
  readonly output: ResidualBlock;
}

/** A linear layer and its activation. */
export const activated =
  (dense: Linear, name: ActivationName): PostNormBlock["expand"] =>
  (x, { adapterTokens }) =>
    activationOf(name).apply(dense.forward(x, adapterTokens));

/** Self-attention and the feed-forward network, each with a residual and LayerNorm: the rows that are read, from `x` [tokens, hidden_size]. */
export function postNorm({ attend, attended, expand, output }: PostNormBlock, x: Value, batch: BatchValues, options: LayerOptions): Value {
  const rows = afterAttention(attend(x), x, batch, options);
  const { context, residual, tokens, adapterTokens } = rows;
  const add = ({ dense, norm, dropout: hasDropout = true }: ResidualBlock, from: Value, to: Value) =>
    norm.forwardResidual(dense.forward(from, adapterTokens), to, { dropout: hasDropout ? options.hidden : 0, tokens });
  const middle = add(attended, context, residual);
  return add(output, expand(middle, rows), middle);
}
