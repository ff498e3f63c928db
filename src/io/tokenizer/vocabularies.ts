/** Vocabularies and merges in the forms that files use. */

/** Token to id; for a Unigram model, tokens with scores, where the index is the id. */
export type Vocabulary = Readonly<Record<string, number>> | readonly (readonly [token: string, score: number])[];

const known = new WeakMap<Vocabulary, ReadonlyMap<string, number>>();

/** The tokens of a vocabulary with their ids. */
export function tokensOf(vocabulary: Vocabulary): ReadonlyMap<string, number> {
  let tokens = known.get(vocabulary);
  if (tokens === undefined) {
    const isScored = Array.isArray(vocabulary);
    tokens = new Map(isScored ? vocabulary.map(([token], id) => [token as string, id] as const) : Object.entries(vocabulary));
    known.set(vocabulary, tokens);
  }
  return tokens;
}

/** A merge of two pieces: "left right", or a pair. */
export type Merge = string | readonly [left: string, right: string];

/** The two pieces of a merge. */
export function pairOf(merge: Merge): readonly [left: string, right: string] {
  if (typeof merge !== "string") return merge;
  const space = merge.indexOf(" ");
  return [merge.slice(0, space), merge.slice(space + 1)];
}
