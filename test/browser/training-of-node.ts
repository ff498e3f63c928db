/** The page's training of "Under the hood", compared with the same in Node. */
import { expect } from "vitest";
import { openDevice } from "../../src/gpu/node.ts";
import { trainDemo } from "../../web/under-the-hood/demo-training.ts";
import type { Outcome } from "../../web/under-the-hood/outcome.ts";
import type { Profile } from "../../web/under-the-hood/parameters.ts";

/** Small enough for a software adapter; the score is of pairs from all grades. */
const training = { steps: 4, batchSize: 8 };
export const scoredPairs = 24;

/** Both sum in f32, in other orders; nothing else differs before the first update. A loss of order one has some 50 such sums behind it. */
const firstLossTolerance = 1e-5;
/**
 * AdamW's first updates are as large as the learning rate whatever the size of a gradient, also where it is nothing but rounding (an attention's key
 * bias): parameters diverge by more than roundings, in directions that hardly affect the loss.
 */
const laterLossTolerance = 1e-4;
/** Cosines that differ by a rounding may swap ranks: a swap of two neighbours among n moves Spearman by 12 / (n³ − n), and two of them may. */
const scoreTolerance = (2 * 12) / (scoredPairs ** 3 - scoredPairs);

/** The page's address for that training. */
export const trainingQuery = (profile: Profile, pairs: number): string =>
  `?run=training&profile=${profile}&steps=${training.steps}&batch=${training.batchSize}&pairs=${pairs}`;

/** Expects of what the page published that it has taken the steps that Node takes. */
export async function expectTrainingOfNode(result: Outcome, profile: Profile, pairs: number): Promise<void> {
  await using device = await openDevice({ profile });
  const inNode = await trainDemo(device, { ...training, pairs });
  expect(result).toMatchObject({ run: "training", steps: training.steps });
  if (result.run !== "training") return;

  expect(result.log.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
  result.log.forEach(({ loss, gradient_norm }, i) => {
    const tolerance = i === 0 ? firstLossTolerance : laterLossTolerance;
    const expected = inNode.log[i]!;
    expect(Math.abs(loss / expected.loss - 1), `loss of step ${i + 1}: ${loss}, in Node ${expected.loss}`).toBeLessThan(tolerance);
    expect(Math.abs(gradient_norm! / expected.gradient_norm! - 1), `gradient norm of step ${i + 1}`).toBeLessThan(laterLossTolerance);
  });
  expect(result.log.at(-1)!.loss).toBeLessThan(result.log[0]!.loss);

  expect(result.scores.map(({ step }) => step)).toEqual(inNode.scores.map(({ step }) => step));
  result.scores.forEach(({ spearman }, i) => {
    expect(Math.abs(spearman - inNode.scores[i]!.spearman)).toBeLessThanOrEqual(scoreTolerance);
  });
}
