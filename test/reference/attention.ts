/** Self-attention of one sentence, softmax(Q·Kᵀ/√headSize)·V a head, in float64, straight from the definition. */
import { type DropoutDraw, dropoutFactor } from "./random.ts";

export interface Attention {
  readonly heads: number;
  readonly headSize: number;
  /** Dropout of the probabilities; the stream of a query is its row's key, an element of it is head · 1024 + the key's position. */
  readonly dropout?: DropoutDraw;
  /** Dropout key of each row. */
  readonly keys?: ArrayLike<number>;
}

const positionsPerHead = 1024;

/** f64 [tokens, heads·headSize] from one sentence's `qkv` [tokens, 3·heads·headSize]. */
export function attention(qkv: ArrayLike<number>, { heads, headSize, dropout, keys }: Attention): Float64Array {
  const hidden = heads * headSize;
  const tokens = qkv.length / (3 * hidden);
  const context = new Float64Array(tokens * hidden);
  const scores = new Float64Array(tokens);
  for (let head = 0; head < heads; head++) {
    for (let query = 0; query < tokens; query++) {
      const q = query * 3 * hidden + head * headSize;
      for (let key = 0; key < tokens; key++) {
        const k = key * 3 * hidden + hidden + head * headSize;
        let dot = 0;
        for (let d = 0; d < headSize; d++) dot += qkv[q + d]! * qkv[k + d]!;
        scores[key] = dot / Math.sqrt(headSize);
      }
      const largest = scores.reduce((a, b) => Math.max(a, b));
      let total = 0;
      for (let key = 0; key < tokens; key++) total += Math.exp(scores[key]! - largest);
      for (let key = 0; key < tokens; key++) {
        const factor = dropout ? dropoutFactor(dropout, keys![query]!, head * positionsPerHead + key) : 1;
        const p = (Math.exp(scores[key]! - largest) / total) * factor;
        const v = key * 3 * hidden + 2 * hidden + head * headSize;
        for (let d = 0; d < headSize; d++) context[query * hidden + head * headSize + d]! += p * qkv[v + d]!;
      }
    }
  }
  return context;
}
