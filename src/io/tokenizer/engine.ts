/**
 * Runs a definition: in JavaScript where every part of it is one that fast-engine.ts does as the official library, and otherwise by the official
 * library itself, as WebAssembly, which is loaded then (official-engine.ts).
 */
import type { TokenizerDefinition } from "./definition.ts";
import { FastEngine, isFast } from "./fast-engine.ts";
import { openOfficialEngine } from "./official-engine.ts";

export interface TokenizerEngine {
  /** The first `limit` ids of a text, without special tokens around it. */
  encode(text: string, limit: number): number[];
  /** The text of ids; special tokens are left out. */
  decode(ids: readonly number[]): string;
}

/** Throws FormatError, naming the file, when the official library does not take the definition. */
export async function openEngine(file: string, definition: TokenizerDefinition): Promise<TokenizerEngine> {
  return isFast(definition) ? new FastEngine(definition) : openOfficialEngine(file, definition);
}
