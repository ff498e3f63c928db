/** How layers are recorded one after another, and the block that BERT and its relatives repeat. */
import type { Value } from "../../kernels/language/operation.ts";
import { gelu } from "../../kernels/pointwise/pointwise.ts";
import type { LayerNorm } from "../layer-norm.ts";
import type { Linear } from "../linear.ts";
import type { BatchValues, ForwardOptions } from "./architecture.ts";

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

/** The embeddings' output `first`, and that of each layer. */
export function throughLayers<Layer>(
  first: Value,
  layers: readonly Layer[],
  forward: (layer: Layer, x: Value, place: number) => Value,
  { recompute = false }: ForwardOptions,
): Value[] {
  const hidden = [first];
  for (const [place, layer] of layers.entries()) {
    const next = () => forward(layer, hidden.at(-1)!, place);
    hidden.push(recompute ? first.tape.recomputed(next) : next());
  }
  return hidden;
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
  readonly expand: Linear;
  readonly output: ResidualBlock;
}

/** Self-attention and the feed-forward network, each with a residual and LayerNorm: [tokens, hidden_size] from the same. */
export function postNorm({ attend, attended, expand, output }: PostNormBlock, x: Value, batch: BatchValues, dropout: LayerDropout): Value {
  const add = ({ dense, norm, dropout: hasDropout = true }: ResidualBlock, from: Value, residual: Value) => {
    const options = { dropout: hasDropout ? dropout.hidden : 0, tokens: batch.tokens };
    return norm.forwardResidual(dense.forward(from, dropout.tokens), residual, options);
  };
  const middle = add(attended, attend(x), x);
  return add(output, gelu(expand.forward(middle, dropout.tokens)), middle);
}
