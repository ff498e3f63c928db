/**
 * The frames of the demo corpus: long runs of function words around a clause that leave its meaning as it is. Built of the same few very
 * common words again and again, so that sentences that have nothing to do with each other look alike word for word.
 */

/** The pieces a clause is built from; an absent circumstance is the empty string. */
export interface ClauseParts {
  readonly actor: string;
  /** "who" or "that". */
  readonly relative: string;
  readonly past: string;
  readonly participle: string;
  readonly object: string;
  /** The manner where it is told by an adverb. */
  readonly adverb: string;
  /** The circumstance that the construction puts in the limelight. */
  readonly focus: string;
  /** All circumstances that stand nowhere else. */
  readonly rest: string;
}

/** A word order for a clause: active, passive, cleft. */
export interface Construction {
  readonly name: string;
  /** Whether a circumstance reads well in front of it. */
  readonly takesFront: boolean;
  /** The circumstance it needs, taken out of `rest`. */
  readonly focus?: "time" | "place";
  clause(parts: ClauseParts): string;
}

/** Superfluous spaces are the caller's to squeeze out. */
export const CONSTRUCTIONS: readonly Construction[] = [
  { name: "active", takesFront: true, clause: (p) => `${p.actor} ${p.adverb} ${p.past} ${p.object} ${p.rest}` },
  { name: "passive", takesFront: true, clause: (p) => `${p.object} was ${p.adverb} ${p.participle} by ${p.actor} ${p.rest}` },
  { name: "actor cleft", takesFront: true, clause: (p) => `it was ${p.actor} ${p.relative} ${p.adverb} ${p.past} ${p.object} ${p.rest}` },
  { name: "object cleft", takesFront: true, clause: (p) => `it was ${p.object} that ${p.actor} ${p.adverb} ${p.past} ${p.rest}` },
  {
    name: "passive cleft",
    takesFront: false,
    clause: (p) => `it was ${p.object} that was ${p.adverb} ${p.participle} by ${p.actor} ${p.rest}`,
  },
  {
    name: "time cleft",
    takesFront: false,
    focus: "time",
    clause: (p) => `it was ${p.focus} that ${p.actor} ${p.adverb} ${p.past} ${p.object} ${p.rest}`,
  },
  {
    name: "place cleft",
    takesFront: false,
    focus: "place",
    clause: (p) => `it was ${p.focus} that ${p.object} was ${p.adverb} ${p.participle} by ${p.actor} ${p.rest}`,
  },
  {
    name: "actor last",
    takesFront: false,
    clause: (p) => `the one ${p.relative} ${p.adverb} ${p.past} ${p.object} ${p.rest} was ${p.actor}`,
  },
  {
    name: "actor first",
    takesFront: true,
    clause: (p) => `${p.actor} was the one ${p.relative} ${p.adverb} ${p.past} ${p.object} ${p.rest}`,
  },
  { name: "object last", takesFront: false, clause: (p) => `what ${p.actor} ${p.adverb} ${p.past} ${p.rest} was ${p.object}` },
  { name: "object first", takesFront: false, clause: (p) => `${p.object} was what ${p.actor} ${p.adverb} ${p.past} ${p.rest}` },
];

/** What may come before the clause. One that ends in "that" takes no comma. */
export const OPENERS: readonly string[] = [
  "",
  "it was said that",
  "as far as anyone could tell",
  "as far as we have been told",
  "there is no doubt that",
  "it so happened that",
  "as it turned out",
  "if it is true what they say",
  "all of us were told that",
  "you may have been told that",
  "they say that",
  "and so it came about that",
  "the truth of it is that",
  "if I have it right",
  "to the surprise of no one at all",
  "it may well be that",
];

/** What may come behind the clause. */
export const CLOSERS: readonly string[] = [
  "",
  "as far as I could tell",
  "or so it was said",
  "and that was that",
  "if I was told the truth",
  "believe it or not",
  "and that is all there is to it",
  "as it should be",
  "or so they say",
  "and no one could say why",
];

/** The order of the circumstances behind the verb. */
export const ORDERS: readonly (readonly ("time" | "place" | "manner")[])[] = [
  ["manner", "place", "time"],
  ["place", "time", "manner"],
  ["time", "place", "manner"],
  ["place", "manner", "time"],
];
