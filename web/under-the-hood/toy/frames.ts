/**
 * The frames of the toy corpus: long runs of function words around a clause that do not change its meaning. They repeat the same few very
 * common words, so that unrelated sentences look similar word for word.
 */

/** The pieces a clause is built from; an absent circumstance is the empty string. */
export interface ClauseParts {
  readonly actor: string;
  /** "who" or "that". */
  readonly relative: string;
  readonly past: string;
  readonly participle: string;
  readonly object: string;
  /** The manner, if it is an adverb. */
  readonly adverb: string;
  /** The circumstance that the construction emphasises. */
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

/** The caller removes superfluous spaces. */
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

/** Text around the clause: before it, behind it, or both. */
export interface Wrapping {
  /** Ends in a comma or in "that". */
  readonly before: string;
  /** Begins with a comma. */
  readonly behind: string;
}

const before = (text: string): Wrapping => ({ before: text, behind: "" });
const behind = (text: string): Wrapping => ({ before: "", behind: text });
const around = (front: string, back: string): Wrapping => ({ before: front, behind: back });

/** All wrappings: long, without content. */
export const WRAPPINGS: readonly Wrapping[] = [
  before("as far as any of us could tell,"),
  before("it has often been said that"),
  around("they say that", ", and that is all there is to it"),
  before("if what we were told is true,"),
  behind(", or so it was told to us"),
  before("there is no doubt at all that"),
  before("what all of them say is that"),
  around("it may well be that", ", as far as they could tell"),
];

/** The order of the circumstances behind the verb: an adverb reads best close to it. */
export const ORDERS: readonly (readonly ("time" | "place" | "manner")[])[] = [
  ["manner", "place", "time"],
  ["manner", "time", "place"],
];
