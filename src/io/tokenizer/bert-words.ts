/**
 * BERT's normalisation of a text (BertNormalizer) and its splitting into words and punctuation (BertPreTokenizer).
 *
 * Both work character by character with the official library's tables. So a text of any length is read in windows, and only as far as its
 * words are needed.
 */
import { CLASS, characterTable } from "./characters.ts";

export interface BertNormalizer {
  readonly type: "BertNormalizer";
  readonly clean_text: boolean;
  readonly handle_chinese_chars: boolean;
  /** null: same as `lowercase`. */
  readonly strip_accents: boolean | null;
  readonly lowercase: boolean;
}

/** UTF-16 units that are normalised at a time. */
const WINDOW = 2048;

const PRINTABLE_ASCII = /^[ -~]*$/;

/** Characters whose normalised form is cached. */
const MAX_REMEMBERED = 20_000;

export class BertWords {
  readonly #classes = characterTable();
  readonly #normalizer: BertNormalizer | null;
  readonly #stripAccents: boolean;
  readonly #forms = new Map<number, string>();

  /** Without a normalizer, a text is split unchanged. */
  constructor(normalizer: BertNormalizer | null) {
    this.#normalizer = normalizer;
    this.#stripAccents = normalizer?.strip_accents ?? normalizer?.lowercase ?? false;
  }

  normalize(text: string): string {
    if (this.#normalizer === null) return text;
    if (PRINTABLE_ASCII.test(text)) return this.#normalizer.lowercase ? text.toLowerCase() : text;
    let normalized = "";
    let combining = "";
    for (const character of text) {
      const code = character.codePointAt(0)!;
      if (this.#stripAccents && (this.#classes[code]! & CLASS.combining) !== 0) {
        combining += character;
        continue;
      }
      const form = this.#formOf(code, character);
      if (combining !== "" && form !== "") {
        normalized += this.#reordered(combining);
        combining = "";
      }
      normalized += form;
    }
    return combining === "" ? normalized : normalized + this.#reordered(combining);
  }

  /** Calls `visit` with each word and each punctuation character of a text, until it returns false. */
  split(text: string, visit: (word: string) => boolean): void {
    let word = "";
    for (let start = 0; start < text.length; ) {
      const end = this.#windowEnd(text, start);
      const normalized = this.normalize(text.slice(start, end));
      let begin = 0;
      for (let at = 0; at < normalized.length; ) {
        const code = normalized.codePointAt(at)!;
        const next = at + (code > 0xffff ? 2 : 1);
        const separates = this.#classes[code]! & (CLASS.space | CLASS.punctuation);
        if (separates !== 0) {
          word += normalized.slice(begin, at);
          if (word !== "" && !visit(word)) return;
          if ((separates & CLASS.punctuation) !== 0 && !visit(normalized.slice(at, next))) return;
          word = "";
          begin = next;
        }
        at = next;
      }
      word += normalized.slice(begin);
      start = end;
    }
    if (word !== "") visit(word);
  }

  /** Where a window ends: not inside a character, and not before a character that canonical ordering may move. */
  #windowEnd(text: string, start: number): number {
    let end = start + WINDOW;
    const moves = CLASS.combining | CLASS.mark | CLASS.dropped;
    while (end < text.length) {
      const code = text.codePointAt(end - 1)!;
      if (code <= 0xffff && (this.#classes[text.codePointAt(end)!]! & moves) === 0) break;
      end++;
    }
    return Math.min(end, text.length);
  }

  #formOf(code: number, character: string): string {
    let form = this.#forms.get(code);
    if (form !== undefined) return form;
    form = this.#normalized(this.#classes[code]!, character);
    if (this.#forms.size < MAX_REMEMBERED) this.#forms.set(code, form);
    return form;
  }

  #normalized(classes: number, character: string): string {
    const { clean_text, handle_chinese_chars, lowercase } = this.#normalizer!;
    if (clean_text && (classes & CLASS.dropped) !== 0) return "";
    if (clean_text && (classes & CLASS.cleanedToSpace) !== 0) return " ";
    let form = character;
    if (this.#stripAccents) form = this.#withoutAccents(form);
    // Letter by letter, because JavaScript lower-cases a word's final sigma to ς, the official library to σ.
    if (lowercase) form = [...form].map((letter) => letter.toLowerCase()).join("");
    return handle_chinese_chars && (classes & CLASS.ideograph) !== 0 ? ` ${form} ` : form;
  }

  #withoutAccents(character: string): string {
    const isDecomposed = (this.#classes[character.codePointAt(0)!]! & CLASS.decomposed) !== 0 || isHangulSyllable(character);
    const parts = isDecomposed ? character.normalize("NFD") : character;
    return [...parts].filter((part) => (this.#classes[part.codePointAt(0)!]! & CLASS.mark) === 0).join("");
  }

  #reordered(combining: string): string {
    const ordered = combining.normalize("NFD");
    return this.#normalizer!.lowercase ? ordered.toLowerCase() : ordered;
  }
}

function isHangulSyllable(character: string): boolean {
  return character >= "\uac00" && character <= "\ud7a3" && character.length === 1;
}
