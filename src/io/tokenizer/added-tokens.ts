/** Added tokens. They are searched in a text before it is split into words; the longest match at each place wins. */
import { CLASS, characterTable } from "./characters.ts";
import { Trie } from "./trie.ts";

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly single_word: boolean;
  /** Whether it includes the white space before it. */
  readonly lstrip: boolean;
  /** Whether it includes the white space after it. */
  readonly rstrip: boolean;
  /** Whether it is searched in the normalised text instead of the original one. */
  readonly normalized: boolean;
  readonly special: boolean;
}

/** A token that is found wherever it stands; a special one is found before a text is normalised. */
export function addedToken(id: number, content: string, special: boolean): AddedToken {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: !special, special };
}

/** An added token, or the text between two of them. */
export type Segment = number | string;

export class AddedTokens {
  readonly #classes = characterTable();
  readonly #tokens: readonly AddedToken[];
  readonly #trie: Trie;
  /** Finds the next unit that can begin a token. */
  readonly #begins: RegExp;

  /** `single_word` is ignored. */
  constructor(tokens: readonly AddedToken[]) {
    this.#tokens = tokens;
    this.#trie = new Trie(tokens.map(({ content }, place) => [content, place]));
    const first = new Set(tokens.map(({ content }) => `\\u${content.charCodeAt(0).toString(16).padStart(4, "0")}`));
    this.#begins = new RegExp(`[${[...first].join("")}]`, "g");
  }

  /** The segments of a text, from left to right; none is empty. */
  *split(text: string): Generator<Segment> {
    let done = 0;
    for (let at = this.#nextBeginning(text, 0); at !== -1; ) {
      const token = this.#tokens[this.#trie.longest(text, at)];
      if (token === undefined) {
        at = this.#nextBeginning(text, at + 1);
        continue;
      }
      let start = at;
      let end = at + this.#trie.matched;
      if (token.lstrip) while (start > done && this.#isSpace(text, start - 1)) start--;
      if (token.rstrip) while (end < text.length && this.#isSpace(text, end)) end++;
      if (start > done) yield text.slice(done, start);
      yield token.id;
      done = end;
      at = this.#nextBeginning(text, end);
    }
    if (done < text.length) yield text.slice(done);
  }

  #nextBeginning(text: string, from: number): number {
    this.#begins.lastIndex = from;
    return this.#begins.exec(text)?.index ?? -1;
  }

  #isSpace(text: string, at: number): boolean {
    return (this.#classes[text.charCodeAt(at)]! & CLASS.space) !== 0;
  }
}
