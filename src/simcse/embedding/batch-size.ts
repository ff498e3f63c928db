/**
 * How large an encoder's batches are. A usual batch is small, so that a model loads fast and takes little memory. Calls with many sentences
 * use large batches on a GPU: as many tokens as keep it busy and its memory holds.
 *
 * The choice depends on the device, the model and the call, and not on earlier calls or on measured times: a call repeated gives the same
 * bits.
 */
import type { Plan } from "../../autograd/plan.ts";
import type { Capabilities } from "../../gpu/capabilities.ts";

/** The size of a batch. */
export interface BatchSize {
  readonly sentences: number;
  readonly tokens: number;
}

/** Sentences of a usual batch. */
export const usualSentences = 64;

/** The most tokens of a usual batch: a batch of long sentences has fewer sentences. */
const usualTokens = 4096;

/** The most tokens of a large batch. An H100 has enough work with half of them, and rows are counted in one dimension of a dispatch. */
const mostTokens = 32_768;

/** The most memory of a large batch, and its share of the largest buffer, which is the only hint at a device's memory. */
const mostBytes = 2 ** 30;
const shareOfBuffer = 1 / 4;

/** Sentences of a large batch have this many tokens on average, or the batch ends before it has all its tokens. */
const fewestTokensPerSentence = 8;

/** The size of a batch of `sentences`, each of at most `longest` tokens. */
export function usualBatch(sentences: number, longest: number): BatchSize {
  return { sentences, tokens: Math.max(longest, Math.min(sentences * longest, usualTokens)) };
}

/**
 * The size of a large batch on a device, from the plan of a smaller one with `tokens` tokens; null where it would not be larger. A software
 * adapter has nothing to gain: its cores are busy with any batch, and small ones fit its caches.
 */
export function largeBatch({ bytes, slots }: Plan, tokens: number, { software, limits }: Capabilities): BatchSize | null {
  if (software) return null;
  const memory = Math.min(mostBytes, limits.maxBufferSize * shareOfBuffer) / (bytes.total / tokens);
  // Larger tensors would be bound in windows, which is slower.
  const binding = limits.maxStorageBufferBindingSize / (Math.max(...slots.map((slot) => slot.bytes)) / tokens);
  const large = 2 ** Math.floor(Math.log2(Math.min(memory, binding, mostTokens)));
  return large > tokens ? { sentences: large / fewestTokensPerSentence, tokens: large } : null;
}
