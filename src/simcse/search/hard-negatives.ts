/**
 * Mines hard negatives for pairs: for each anchor, the texts that a model ranks high although they do not belong to it (as in ANCE and
 * sentence-transformers). Every text is encoded once and ranked by the index's exact search.
 *
 * The texts with the highest ranks are often correct but not labelled, which makes them false negatives. `skip`, `margin` and `maxScore`
 * leave such texts out.
 */
import { DataError, OptionError } from "../../errors.ts";
import type { Device } from "../../gpu/device.ts";
import { checkOptions, type OptionNames } from "../../options.ts";
import { embedSides, type SideEncoders } from "../evaluation/embed-distinct.ts";
import { cosine } from "../evaluation/metrics/cosine.ts";
import { rankTexts } from "./rank-texts.ts";
import { mostResults } from "./vector-index.ts";

/** How hard negatives are found and chosen. */
export interface HardNegativeOptions extends SideEncoders {
  /** Where texts are ranked. */
  readonly device: Device;
  /** Texts to choose from, besides the pairs' second texts. */
  readonly corpus?: Iterable<string> | undefined;
  /** Negatives for each pair; 1 if absent. */
  readonly negatives?: number;
  /** How many of the best candidates to skip; 0 if absent. */
  readonly skip?: number;
  /** How many candidates to consider after those; 50 if absent. */
  readonly depth?: number;
  /** A negative's cosine is at least this much below the positive's; 0.05 if absent. */
  readonly margin?: number;
  /** A negative's cosine is at most this; 1 if absent. */
  readonly maxScore?: number;
  readonly signal?: AbortSignal | undefined;
}

/** A pair with a hard negative, and the anchor's cosines with both. */
export interface MinedTriplet {
  readonly anchor: string;
  readonly positive: string;
  readonly negative: string;
  readonly positiveCosine: number;
  readonly negativeCosine: number;
}

/** The result of mining. */
export interface MinedNegatives {
  /** In the order of the pairs; the hardest negative of a pair first. */
  readonly triplets: readonly MinedTriplet[];
  /** Pairs without a remaining candidate. */
  readonly without: number;
}

/**
 * Mines hard negatives for `pairs` of an anchor and a text that belongs to it. Never chooses the anchor itself, or a text that any pair has
 * for the same anchor.
 *
 * @throws DataError for no pairs, OptionError for a number that is not possible, ShapeError for embeddings of the wrong size, CapacityError for a
 *   device that is too small, the signal's reason once it is aborted.
 */
export async function mineHardNegatives(
  pairs: readonly (readonly [anchor: string, positive: string])[],
  options: HardNegativeOptions,
): Promise<MinedNegatives> {
  const { device, corpus = [], negatives = 1, skip = 0, depth = 50, margin = 0.05, maxScore = 1, signal } = options;
  checkOptions("mineHardNegatives", options, hardNegativeOptions);
  checkRange({ negatives, skip, depth, margin, maxScore });
  if (pairs.length === 0) throw new DataError("There are no pairs to find negatives for.", "Give at least one pair of texts.");

  const positives = new Map<string, Set<string>>();
  for (const [anchor, positive] of pairs) {
    const known = positives.get(anchor);
    if (known) known.add(positive);
    else positives.set(anchor, new Set([positive]));
  }
  const candidates = [...new Set([...pairs.map(([, positive]) => positive), ...corpus])];
  const anchors = [...positives.keys()];
  const vectors = await embedSides(anchors, candidates, options);
  signal?.throwIfAborted();
  // The search also finds an anchor's own texts; they are left out.
  const own = anchors.reduce((most, anchor) => Math.max(most, positives.get(anchor)!.size + 1), 0);
  const found = await rankTexts(anchors, candidates, { device, vectors, topK: skip + depth + own });
  const ranked = new Map(anchors.map((anchor, i) => [anchor, found[i]!.map(({ row, score }) => ({ text: candidates[row]!, score }))]));

  const triplets: MinedTriplet[] = [];
  let without = 0;
  for (const [anchor, positive] of pairs) {
    const positiveCosine = cosine(vectors.queries.get(anchor)!, vectors.documents.get(positive)!);
    const highest = Math.min(maxScore, positiveCosine - margin);
    const hard = ranked
      .get(anchor)!
      .filter(({ text }) => text !== anchor && !positives.get(anchor)!.has(text))
      .slice(skip, skip + depth)
      .filter(({ score }) => score <= highest)
      .slice(0, negatives);
    if (hard.length === 0) without++;
    for (const { text, score } of hard) triplets.push({ anchor, positive, negative: text, positiveCosine, negativeCosine: score });
  }
  return { triplets, without };
}

const hardNegativeOptions: OptionNames<HardNegativeOptions> = {
  encode: true,
  encodeQueries: true,
  encodeDocuments: true,
  device: true,
  corpus: true,
  negatives: true,
  skip: true,
  depth: true,
  margin: true,
  maxScore: true,
  signal: true,
};

function checkRange({
  negatives,
  skip,
  depth,
  margin,
  maxScore,
}: Required<Pick<HardNegativeOptions, "negatives" | "skip" | "depth" | "margin" | "maxScore">>): void {
  const whole = (name: string, value: number, least: number) => {
    if (Number.isInteger(value) && value >= least) return;
    throw new OptionError(`\`${name}\` is ${value}.`, `Give a whole number of at least ${least}.`);
  };
  whole("negatives", negatives, 1);
  whole("skip", skip, 0);
  whole("depth", depth, negatives);
  if (skip + depth > mostResults)
    throw new OptionError(`\`skip\` and \`depth\` reach to rank ${skip + depth}.`, `Look no further than rank ${mostResults}.`);
  for (const [name, value] of Object.entries({ margin, maxScore })) {
    if (!Number.isFinite(value))
      throw new OptionError(`\`${name}\` is ${value}.`, "Give a difference or a value of cosines, such as 0.05.");
  }
}
