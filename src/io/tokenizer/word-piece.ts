/**
 * The WordPiece model: the longest piece of the vocabulary at the beginning of a word, then the longest continuation, until the word's end.
 * A word with a part that no piece covers, or with too many characters, is unknown as a whole.
 */
import { Trie } from "./trie.ts";
import { tokensOf } from "./vocabularies.ts";

export interface WordPieceModel {
  readonly type: "WordPiece";
  readonly vocab: Readonly<Record<string, number>>;
  readonly unk_token: string;
  readonly continuing_subword_prefix: string;
  readonly max_input_chars_per_word: number;
}

export class WordPiece {
  readonly #unknown: number;
  readonly #maxCharacters: number;
  /** Pieces that begin a word. */
  readonly #first: Trie;
  /** Pieces that continue a word, without their prefix. */
  readonly #next: Trie;

  constructor({ vocab, unk_token, continuing_subword_prefix: prefix, max_input_chars_per_word }: WordPieceModel) {
    const pieces = [...tokensOf(vocab)];
    this.#unknown = tokensOf(vocab).get(unk_token)!;
    this.#maxCharacters = max_input_chars_per_word;
    this.#first = new Trie(pieces);
    this.#next = new Trie(pieces.filter(([piece]) => piece.startsWith(prefix)).map(([piece, id]) => [piece.slice(prefix.length), id]));
  }

  /** Appends the ids of a word to `ids`. */
  encode(word: string, ids: number[]): void {
    const before = ids.length;
    let known = !hasMoreCharacters(word, this.#maxCharacters);
    for (let at = 0; known && at < word.length; ) {
      const pieces = at === 0 ? this.#first : this.#next;
      const id = pieces.longest(word, at);
      known = id !== -1 && pieces.matched > 0;
      at += pieces.matched;
      ids.push(id);
    }
    if (known) return;
    ids.length = before;
    ids.push(this.#unknown);
  }
}

/** Whether a text has more than `limit` code points. */
function hasMoreCharacters(text: string, limit: number): boolean {
  if (text.length <= limit) return false;
  if (text.length > 2 * limit) return true;
  let count = 0;
  for (const _ of text) count++;
  return count > limit;
}
