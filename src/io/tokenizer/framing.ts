/** How a text's ids become a model's input: between two special tokens, and cut to a length. */
import { OptionError } from "../../errors.ts";
import type { TokenizerEngine } from "./engine.ts";

/** The special tokens around a text, and which of its ends is cut. */
export interface Framing {
  readonly clsId: number;
  readonly sepId: number;
  /** Whether texts that are too long lose their beginning and not their end. */
  readonly cutsBeginning: boolean;
}

/** At most `maxLength` ids, special tokens included. Throws OptionError unless it is a whole number of at least 3. */
export function encodeFramed(engine: TokenizerEngine, { clsId, sepId, cutsBeginning }: Framing, text: string, maxLength: number): number[] {
  if (!Number.isInteger(maxLength) || maxLength < 3) {
    throw new OptionError(`a text cannot be cut to ${maxLength} tokens`, "Allow at least 3: two special tokens and one of the text.");
  }
  const limit = maxLength - 2;
  const ids = cutsBeginning ? engine.encode(text, Number.MAX_SAFE_INTEGER).slice(-limit) : engine.encode(text, limit);
  return [clsId, ...ids, sepId];
}
