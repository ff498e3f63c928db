/** Self-attention of one sentence, softmax(Q·Kᵀ/√headSize)·V a head, in float64, straight from the definition. */
import { type DropoutDraw, dropoutMask } from "./random.ts";

export interface Attention {
  readonly heads: number;
  readonly headSize: number;
  /** Factors of the probabilities, as `attentionMask` gives them. */
  readonly mask?: Float64Array;
  /** The largest distance at which a token sees another. */
  readonly window?: number | undefined;
  /** Added to the score of a query and a key: a function of the head and of how far the key stands after the query. */
  readonly bias?: ((head: number, relative: number) => number) | undefined;
}

/** Dropout factors f64 [tokens, heads, tokens]: the stream of a query is its row's key, an element of it is head · 1024 + the key's position. */
export function attentionMask(draw: DropoutDraw, keys: ArrayLike<number>, heads: number): Float64Array {
  const tokens = keys.length;
  const positionsPerHead = 1024;
  const whole = dropoutMask(draw, keys, heads * positionsPerHead);
  return Float64Array.from({ length: tokens * heads * tokens }, (_, i) => {
    const stream = Math.floor(i / tokens);
    return whole[stream * positionsPerHead + (i % tokens)]!;
  });
}

/** f64 [tokens, heads·headSize] from one sentence's `qkv` [tokens, 3·heads·headSize]. */
export function attention(
  qkv: Float64Array,
  { heads, headSize, mask, window = Number.POSITIVE_INFINITY, bias = () => 0 }: Attention,
): Float64Array {
  const hidden = heads * headSize;
  const tokens = qkv.length / (3 * hidden);
  const context = new Float64Array(tokens * hidden);
  const scores = new Float64Array(tokens);
  for (let query = 0; query < tokens; query++) {
    for (let head = 0; head < heads; head++) {
      const q = query * 3 * hidden + head * headSize;
      let largest = Number.NEGATIVE_INFINITY;
      for (let key = 0; key < tokens; key++) {
        const k = key * 3 * hidden + hidden + head * headSize;
        let dot = 0;
        for (let d = 0; d < headSize; d++) dot += qkv[q + d]! * qkv[k + d]!;
        const seen = Math.abs(key - query) <= window;
        scores[key] = seen ? dot / Math.sqrt(headSize) + bias(head, key - query) : Number.NEGATIVE_INFINITY;
        largest = Math.max(largest, scores[key]!);
      }
      let total = 0;
      for (let key = 0; key < tokens; key++) {
        scores[key] = Math.exp(scores[key]! - largest);
        total += scores[key]!;
      }
      const factors = (query * heads + head) * tokens;
      const output = query * hidden + head * headSize;
      for (let key = 0; key < tokens; key++) {
        const p = (scores[key]! / total) * (mask ? mask[factors + key]! : 1);
        const v = key * 3 * hidden + 2 * hidden + head * headSize;
        for (let d = 0; d < headSize; d++) context[output + d]! += p * qkv[v + d]!;
      }
    }
  }
  return context;
}
