/** How long texts are in tokens, as a histogram. */
import type { Tokenizer } from "simcse-webgpu/browser";
import type { Lengths } from "./protocol.ts";

/** Texts that are measured at most; more would take seconds and change nothing. */
const MOST_TEXTS = 4000;
/** A text is measured up to so many tokens. */
const MOST_TOKENS = 1024;
const BINS = 24;

export function lengthsOf(texts: readonly string[], tokenizer: Tokenizer): Lengths {
  const every = Math.max(1, texts.length / MOST_TEXTS);
  const measured = Array.from({ length: Math.min(texts.length, MOST_TEXTS) }, (_, i) => texts[Math.floor(i * every)]!);
  const lengths = measured.map((text) => tokenizer.encode(text, MOST_TOKENS).length).sort((a, b) => a - b);
  const p95 = lengths[Math.min(lengths.length - 1, Math.floor(lengths.length * 0.95))] ?? 0;
  // The few longest share the last bin, or the rest would be a single bar.
  const width = Math.max(1, Math.ceil((p95 * 1.3) / BINS));
  const counts = new Array<number>(Math.min(BINS, Math.ceil(((lengths.at(-1) ?? 0) + 1) / width))).fill(0);
  for (const length of lengths) counts[Math.min(counts.length - 1, Math.floor(length / width))]!++;
  return { counts, width, longest: lengths.at(-1) ?? 0, p95, measured: measured.length };
}
