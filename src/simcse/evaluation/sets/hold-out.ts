/**
 * Holds out a part of the examples for evaluation, chosen by a hash of their first text. The part does not depend on the order, and a first
 * text is never on both sides.
 */
import { DataError, OptionError } from "../../../errors.ts";
import { checkExample, type Example } from "../../../io/examples.ts";
import { stream } from "../../../nn/random.ts";

/** Examples in two parts. */
export interface HoldOut {
  readonly training: readonly Example[];
  readonly held: readonly Example[];
  /** Held-out examples with another text that also occurs in the training part. */
  readonly overlapping: number;
}

/** The start value of hashes: the split does not depend on a run's seed. */
const splitSeed = 1;

/**
 * Holds out about `share` of the examples; those with the same first text stay together. Throws OptionError for a share that is not between
 * 0 and 1, and DataError for an example without texts, and if one of the parts would be empty.
 */
export function holdOut(examples: readonly Example[], share: number): HoldOut {
  if (!(share > 0 && share < 1))
    throw new OptionError(`A part of ${share} cannot be kept back.`, "Give a number between 0 and 1, such as 0.1.");
  for (const [at, example] of examples.entries()) checkExample(example, at + 1);
  const isHeld = ({ texts }: Example) => stream(splitSeed, texts[0]!)(0) / 2 ** 32 < share;
  const training = examples.filter((example) => !isHeld(example));
  const held = examples.filter(isHeld);
  if (training.length === 0 || held.length === 0) {
    throw new DataError(
      `Of ${examples.length} examples none is ${held.length === 0 ? "kept back" : "left to train on"} with a part of ${share}.`,
      "Give more examples or another part; or evaluate on a file of its own.",
    );
  }
  const trained = new Set(training.flatMap(({ texts }) => texts));
  return { training, held, overlapping: held.filter(({ texts }) => texts.some((text) => trained.has(text))).length };
}
