/**
 * The toy corpus: training sentences and graded held-out pairs, drawn from the grammar by a fixed seed.
 *
 * Training on it can teach which words matter. Frames are long, consist of few common words, and are shared by unrelated sentences, so a model
 * in which all words have the same weight takes them for the meaning. Telling thousands of sentences apart requires the words that differ
 * between them, which are those of the slots, and the grades depend only on the slots.
 * Nothing about a pair, its grade or its meaning is in the training text.
 */
import {
  drawFrame,
  drawMeaning,
  type Frame,
  frameFits,
  grade,
  type Meaning,
  MINOR_SLOTS,
  type MinorSlot,
  meaningKey,
  realise,
} from "./grammar.ts";
import { mulberry32, type Random } from "./random.ts";

/** The seed of the project's corpus. */
const CORPUS_SEED = 42;

const TRAINING_SENTENCES = 7000;
const PAIRS_PER_GRADE = 70;
/**
 * How often both sentences of a pair have the same frame: equally often for every grade, so that frames reveal nothing about the grade.
 * (Not for grade 5, where the two sentences would be identical.)
 */
const SAME_FRAME_SHARE = 0.25;

/** Two sentences and how similar they are, from 0 (unrelated) to 5 (the same), as in STS-B. */
export interface GradedPair {
  readonly a: string;
  readonly b: string;
  readonly score: number;
}

/** How the second meaning of a pair is made from the first; it is redrawn until the grade of the two is the score. */
interface Recipe {
  readonly score: number;
  partner(meaning: Meaning, random: Random): Meaning;
}

const RECIPES: readonly Recipe[] = [
  { score: 5, partner: (meaning) => meaning },
  { score: 4, partner: (meaning, random) => withOtherCircumstances(meaning, 1, random) },
  {
    score: 3,
    partner: (meaning, random) => (random.chance(0.5) ? withOtherCircumstances(meaning, 2, random) : withOtherObject(meaning, random)),
  },
  {
    score: 2,
    partner: (meaning, random) => ({ ...drawMeaning(random, meaning.domain), deed: meaning.deed, object: meaning.object }),
  },
  { score: 1, partner: (meaning, random) => perhapsAlongside(meaning, drawMeaning(random, meaning.domain), random) },
  { score: 0, partner: (meaning, random) => perhapsAlongside(meaning, drawMeaning(random), random) },
];

/** The meaning with this many circumstances redrawn; one may be left out or stay the same. */
function withOtherCircumstances(meaning: Meaning, count: number, random: Random): Meaning {
  const drawn = drawMeaning(random, meaning.domain);
  const changed: Partial<Record<MinorSlot, number | null>> = {};
  while (Object.keys(changed).length < count) {
    const slot = random.pick(MINOR_SLOTS);
    changed[slot] = drawn[slot];
  }
  return { ...meaning, ...changed };
}

/** The meaning with its object replaced by a near relative. */
const withOtherObject = (meaning: Meaning, random: Random): Meaning => ({ ...meaning, object: drawMeaning(random, meaning.domain).object });

/** Half the time unchanged, half the time in the circumstances of the meaning: a near miss, because the deed differs. */
const perhapsAlongside = ({ time, manner, domain, place }: Meaning, other: Meaning, random: Random): Meaning =>
  random.chance(0.5) ? other : { ...other, time, manner, place: domain === other.domain ? place : other.place };

/** The first drawn value that is accepted. */
function drawUntil<T>(draw: () => T, accept: (value: T) => boolean): T {
  for (;;) {
    const value = draw();
    if (accept(value)) return value;
  }
}

/** A frame that has no part in common with another. */
const otherFrame = (frame: Frame, random: Random): Frame =>
  drawUntil(
    () => drawFrame(random),
    (other) =>
      other.wrapping !== frame.wrapping &&
      other.construction !== frame.construction &&
      other.mannerAs !== frame.mannerAs &&
      other.timeWording !== frame.timeWording,
  );

/** Pairs of every grade, and the meanings they use up. */
function drawPairs(random: Random): { pairs: GradedPair[]; meanings: Set<string> } {
  const pairs: GradedPair[] = [];
  const meanings = new Set<string>();
  const taken = new Set<string>();
  for (const { score, partner } of RECIPES) {
    for (let made = 0; made < PAIRS_PER_GRADE; ) {
      const first = drawMeaning(random);
      const second = drawUntil(
        () => partner(first, random),
        (candidate) => grade(first, candidate) === score,
      );
      const frame = drawFrame(random);
      const frameOfSecond = score < 5 && random.chance(SAME_FRAME_SHARE) ? frame : otherFrame(frame, random);
      if (!frameFits(first, frame) || !frameFits(second, frameOfSecond)) continue;
      const a = realise(first, frame);
      const b = realise(second, frameOfSecond);
      if (taken.has(a) || taken.has(b)) continue;
      taken.add(a).add(b);
      meanings.add(meaningKey(first)).add(meaningKey(second));
      pairs.push({ a, b, score });
      made++;
    }
  }
  return { pairs, meanings };
}

/** A sentence with the meaning and the frame it was made of. */
interface Drawn {
  readonly meaning: Meaning;
  readonly frame: Frame;
  readonly sentence: string;
}

/** Sentences with different meanings, none of them held out. */
function drawTraining(random: Random, heldOut: ReadonlySet<string>): Drawn[] {
  const drawn: Drawn[] = [];
  const taken = new Set(heldOut);
  while (drawn.length < TRAINING_SENTENCES) {
    const meaning = drawMeaning(random);
    const frame = drawFrame(random);
    if (taken.has(meaningKey(meaning)) || !frameFits(meaning, frame)) continue;
    taken.add(meaningKey(meaning));
    drawn.push({ meaning, frame, sentence: realise(meaning, frame) });
  }
  return drawn;
}

/** Each part of the corpus has its own stream, so that a change to one part does not change the others. */
const streams = (seed: number): { pairs: Random; training: Random } => ({
  pairs: mulberry32(seed),
  training: mulberry32(seed + 1),
});

const drawAll = (seed: number): { pairs: GradedPair[]; training: Drawn[] } => {
  const random = streams(seed);
  const { pairs, meanings } = drawPairs(random.pairs);
  return { pairs, training: drawTraining(random.training, meanings) };
};

/**
 * Pairs without training sentences, the same number for each grade, the highest grade first.
 *
 * @param seed an unsigned 32-bit integer
 */
export const heldOutPairs = (seed = CORPUS_SEED): GradedPair[] => drawPairs(streams(seed).pairs).pairs;

/**
 * The training sentences: all with different meanings, and none with the meaning of a sentence of {@link heldOutPairs} of the same seed.
 *
 * @param seed an unsigned 32-bit integer
 */
export const trainingSentences = (seed = CORPUS_SEED): string[] => drawAll(seed).training.map(({ sentence }) => sentence);
