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

/** The row of the table for a key that stands `relative` tokens after the query, straight from the definition of the buckets. */
export function bucketOf(starts: readonly number[], relative: number): number {
  const bucket = starts.findLastIndex((start) => Math.abs(relative) >= start);
  return relative > 0 ? starts.length + bucket : bucket;
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

/**
 * The gradient for one sentence's `qkv`, f64 [tokens, 3·heads·headSize], of Σ dContext·context: straight from the chain rule. `onBias` gets
 * the gradient of each bias that was added.
 */
export function attentionGradient(
  qkv: Float64Array,
  dContext: ArrayLike<number>,
  { heads, headSize, mask, window = Number.POSITIVE_INFINITY, bias = () => 0 }: Attention,
  onBias: (head: number, relative: number, gradient: number) => void = () => {},
): Float64Array {
  const hidden = heads * headSize;
  const tokens = qkv.length / (3 * hidden);
  const dQkv = new Float64Array(qkv.length);
  const row = (token: number, part: number, head: number) => token * 3 * hidden + part * hidden + head * headSize;
  for (let head = 0; head < heads; head++) {
    for (let query = 0; query < tokens; query++) {
      const q = row(query, 0, head);
      const g = query * hidden + head * headSize;
      const keys = Array.from({ length: tokens }, (_, key) => key).filter((key) => Math.abs(key - query) <= window);
      const terms = keys.map((key) => {
        const [k, v] = [row(key, 1, head), row(key, 2, head)];
        let [score, dKept] = [0, 0];
        for (let d = 0; d < headSize; d++) {
          score += (qkv[q + d]! * qkv[k + d]!) / Math.sqrt(headSize);
          dKept += dContext[g + d]! * qkv[v + d]!;
        }
        score += bias(head, key - query);
        return { key, k, v, score, dKept, factor: mask ? mask[(query * heads + head) * tokens + key]! : 1 };
      });
      const largest = Math.max(...terms.map(({ score }) => score));
      const total = terms.reduce((sum, { score }) => sum + Math.exp(score - largest), 0);
      const probabilities = terms.map(({ score }) => Math.exp(score - largest) / total);
      const inner = terms.reduce((sum, { dKept, factor }, i) => sum + probabilities[i]! * factor * dKept, 0);
      terms.forEach(({ key, k, v, dKept, factor }, i) => {
        const p = probabilities[i]!;
        const dBias = p * (factor * dKept - inner);
        onBias(head, key - query, dBias);
        const dScore = dBias / Math.sqrt(headSize);
        for (let d = 0; d < headSize; d++) {
          dQkv[q + d]! += dScore * qkv[k + d]!;
          dQkv[k + d]! += dScore * qkv[q + d]!;
          dQkv[v + d]! += p * factor * dContext[g + d]!;
        }
      });
    }
  }
  return dQkv;
}
