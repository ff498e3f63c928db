/**
 * GPT-2's splitting of a text into words, each with the space before it, and its way of writing bytes as characters (the ByteLevel
 * pre-tokenizer):
 *
 *     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *
 * The character classes are those of the official library, not of the JavaScript engine.
 */
import { CLASS, characterTable } from "./characters.ts";

const CONTRACTIONS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];

export class ByteLevelWords {
  readonly #classes = characterTable();

  /** Calls `visit` with each word of a text, until it returns false. */
  split(text: string, visit: (word: string) => boolean): void {
    for (let start = 0; start < text.length; ) {
      const end = this.#wordEnd(text, start);
      if (!visit(text.slice(start, end))) return;
      start = end;
    }
  }

  #wordEnd(text: string, start: number): number {
    if (text[start] === "'") {
      const contraction = CONTRACTIONS.find((found) => text.startsWith(found, start));
      if (contraction !== undefined) return start + contraction.length;
    }
    const first = text[start] === " " && start + 1 < text.length ? start + 1 : start;
    const kind = this.#kindAt(text, first);
    if (kind !== CLASS.space) return this.#runEnd(text, first, kind);
    const end = this.#runEnd(text, start, CLASS.space);
    // The last of several spaces belongs to the word after it.
    return end < text.length && end - start > 1 ? end - 1 : end;
  }

  /** letter, number, space, or 0 for other characters. */
  #kindAt(text: string, at: number): number {
    return this.#classes[text.codePointAt(at)!]! & (CLASS.letter | CLASS.number | CLASS.space);
  }

  #runEnd(text: string, start: number, kind: number): number {
    let end = start;
    while (end < text.length && this.#kindAt(text, end) === kind) end += text.codePointAt(end)! > 0xffff ? 2 : 1;
    return end;
  }
}

/** The character that stands for each byte: printable ones for themselves, characters from U+0100 on for the others. */
export const BYTE_CHARACTERS: readonly string[] = byteCharacters();

function byteCharacters(): string[] {
  const isPrintable = (byte: number) => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++));
}
