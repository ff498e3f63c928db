/**
 * The grammar of the toy corpus: what a sentence means (its slots), how similar two meanings are (their grade), and how a meaning is put
 * into words (a frame). corpus.ts draws the corpus from it.
 */
import { MANNERS, TIMES } from "./circumstances.ts";
import { DOMAINS } from "./domains.ts";
import { CONSTRUCTIONS, type Construction, ORDERS, WRAPPINGS, type Wrapping } from "./frames.ts";
import type { Random } from "./random.ts";

/** The meaning of a sentence, as indices into the word tables; null for what it leaves out. */
export interface Meaning {
  readonly domain: number;
  readonly actor: number;
  readonly deed: number;
  readonly object: number;
  readonly place: number | null;
  readonly time: number | null;
  readonly manner: number | null;
}

/** The circumstances: slots that a sentence may leave out, with less weight than who did what. */
export const MINOR_SLOTS = ["place", "time", "manner"] as const;
export type MinorSlot = (typeof MINOR_SLOTS)[number];

/** How a meaning is put into words. It has no meaning itself. */
export interface Frame {
  readonly wrapping: Wrapping;
  readonly construction: Construction;
  /** The circumstance that comes before the clause. */
  readonly fronted: "place" | "time" | null;
  readonly order: readonly MinorSlot[];
  readonly mannerAs: "adverb" | "phrase";
  readonly timeWording: number;
}

/**
 * Longest sentence in words and punctuation marks. With [CLS] and [SEP] it fits SimCSE's max_seq_length of 32, and leaves a piece to spare for
 * a word that the vocabulary splits.
 */
export const MAX_TOKENS = 29;

const PLACE_SHARE = 0.55;
const TIME_SHARE = 0.45;
const MANNER_SHARE = 0.35;

/** Lower-case words and punctuation marks, as BERT's basic tokenizer splits plain ASCII English. */
export const words = (sentence: string): string[] => sentence.toLowerCase().match(/[a-z0-9]+|[^\sa-z0-9]/g) ?? [];

const drawIndex = (random: Random, items: readonly unknown[]): number => Math.floor(random.next() * items.length);

/** A random meaning, in the given domain or in any: always who, what was done and to what; mostly where and when; often how. */
export function drawMeaning(random: Random, domain = drawIndex(random, DOMAINS)): Meaning {
  const { actors, deeds, places } = DOMAINS[domain]!;
  const actor = drawIndex(random, actors);
  const deed = drawIndex(random, deeds);
  const object = drawIndex(random, deeds[deed]!.objects);
  const place = random.chance(PLACE_SHARE) ? drawIndex(random, places) : null;
  const time = random.chance(TIME_SHARE) ? drawIndex(random, TIMES) : null;
  const manner = random.chance(MANNER_SHARE) ? drawIndex(random, MANNERS) : null;
  return { domain, actor, deed, object, place, time, manner };
}

/** A random frame. */
export function drawFrame(random: Random): Frame {
  return {
    wrapping: random.pick(WRAPPINGS),
    construction: random.pick(CONSTRUCTIONS),
    fronted: random.pick([null, "place", "time"] as const),
    order: random.pick(ORDERS),
    mannerAs: random.pick(["adverb", "phrase"] as const),
    timeWording: drawIndex(random, [0, 1]),
  };
}

/** A unique string per meaning. */
export const meaningKey = (m: Meaning): string => [m.domain, m.actor, m.deed, m.object, m.place, m.time, m.manner].join(" ");

/**
 * How similar two meanings are, on the scale of STS-B.
 *
 * 5 the same; 4 one circumstance differs or is left out; 3 two or three do, or only the object is replaced by a near relative;
 * 2 the same deed done to the same object by another actor, or to a near relative in other circumstances by the same actor;
 * 1 only the domain is the same; 0 nothing is.
 */
export function grade(a: Meaning, b: Meaning): number {
  if (a.domain !== b.domain) return 0;
  if (a.deed !== b.deed) return 1;
  const sameActor = a.actor === b.actor;
  const sameObject = a.object === b.object;
  const otherCircumstances = MINOR_SLOTS.filter((slot) => a[slot] !== b[slot]).length;
  if (sameActor && sameObject) return Math.max(3, 5 - otherCircumstances);
  if (sameActor) return otherCircumstances === 0 ? 3 : 2;
  return sameObject ? 2 : 1;
}

/** The circumstances in words, "" if the meaning or the frame has none. */
function circumstances(meaning: Meaning, frame: Frame): Record<MinorSlot | "adverb", string> {
  const times = meaning.time === null ? [] : TIMES[meaning.time]!;
  const manner = meaning.manner === null ? { adverb: "", phrase: "" } : MANNERS[meaning.manner]!;
  return {
    place: meaning.place === null ? "" : DOMAINS[meaning.domain]!.places[meaning.place]!,
    time: times[frame.timeWording % times.length] ?? "",
    manner: frame.mannerAs === "phrase" ? manner.phrase : "",
    adverb: frame.mannerAs === "adverb" ? manner.adverb : "",
  };
}

/** Whether the meaning has the circumstances that the frame brings to the front and the sentence is short enough. */
export function frameFits(meaning: Meaning, frame: Frame): boolean {
  const { fronted, construction } = frame;
  if (fronted !== null && (meaning[fronted] === null || !construction.takesFront)) return false;
  if (construction.focus !== undefined && meaning[construction.focus] === null) return false;
  return words(realise(meaning, frame)).length <= MAX_TOKENS;
}

/** The sentence for a meaning in a frame that fits it: capitalised, with a full stop. */
export function realise(meaning: Meaning, frame: Frame): string {
  const { actors, deeds, relative } = DOMAINS[meaning.domain]!;
  const { past, participle, objects } = deeds[meaning.deed]!;
  const { wrapping, construction, fronted, order } = frame;
  const said = circumstances(meaning, frame);
  const clause = construction.clause({
    actor: actors[meaning.actor]!,
    relative,
    past,
    participle,
    object: objects[meaning.object]!,
    adverb: said.adverb,
    focus: construction.focus ? said[construction.focus] : "",
    rest: order
      .filter((slot) => slot !== fronted && slot !== construction.focus)
      .map((slot) => said[slot])
      .join(" "),
  });
  const comma = wrapping.before === "" ? "," : "";
  const front = fronted === null || said[fronted] === "" ? "" : `${said[fronted]}${comma}`;
  const text = `${wrapping.before} ${front} ${clause}`.replace(/\s+/g, " ").trim();
  return `${text[0]!.toUpperCase()}${text.slice(1)}${wrapping.behind}.`;
}
