/** Runs a definition: fast-engine.ts in JavaScript, or official-engine.ts, the official library as WebAssembly. */

export interface TokenizerEngine {
  /** The first `limit` ids of a text, without special tokens. */
  encode(text: string, limit: number): number[];
  /** The text of ids; special tokens are left out. */
  decode(ids: readonly number[]): string;
}

/** A text that UTF-8 can represent, as the official library sees it: half of a surrogate pair becomes U+FFFD. */
export function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, "\uFFFD");
}
