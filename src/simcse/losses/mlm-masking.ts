/**
 * Masking for masked language modelling (Devlin et al. 2019): 15 % of a sentence's tokens are chosen. Of those, 80 % are replaced by
 * [MASK], 10 % by a random token, and 10 % are unchanged. Special tokens are never chosen.
 *
 * It is counter-based like the dropout masks: what happens to a token depends only on seed, step, the sentence's place in the batch and the
 * token's place in the sentence. So a chunk, a rerun and a resumed run mask the same tokens.
 */
import { OptionError } from "../../errors.ts";
import { stream } from "../../nn/random.ts";

/** How words are masked. */
export interface MlmOptions {
  /** Share of the tokens that are chosen; 0.15 in BERT. */
  readonly probability: number;
  readonly maskId: number;
  readonly vocabularySize: number;
  /** Tokens that are never chosen: [CLS], [SEP], [PAD], [MASK], [UNK]. */
  readonly specialIds: ReadonlySet<number>;
}

/** A sentence with masked words, and the original tokens. */
export interface MaskedSentence {
  /** The sentence with its chosen tokens replaced. */
  readonly ids: Uint32Array;
  /** The places of the chosen tokens, ascending. */
  readonly positions: Uint32Array;
  /** The original token at each of them. */
  readonly labels: Uint32Array;
}

/** Share of the chosen tokens that become [MASK], and the cumulative share that become [MASK] or a random token. */
const maskedPart = 0.8;
const replacedUpTo = 0.9;

/** Draws for one token: whether it is chosen, what happens to it, and which token replaces it. */
const drawsPerToken = 3;

/** Throws `OptionError` for a probability of 0, which masks nothing, or above 1. */
export function checkMaskingProbability(probability: number): void {
  if (probability > 0 && probability <= 1) return;
  throw new OptionError(
    `\`mlmProbability\` ${probability} ${probability === 0 ? "masks nothing" : "is not possible"}.`,
    "Give a probability above 0 and up to 1, such as 0.15.",
  );
}

/** Makes the masking function of a run. Throws `OptionError` for a probability of 0, which masks nothing, or above 1, and for a mask outside the vocabulary. */
export function mlmMasking(
  seed: number,
  { probability, maskId, vocabularySize, specialIds }: MlmOptions,
): (ids: ArrayLike<number>, step: number, sentence: number) => MaskedSentence {
  checkMaskingProbability(probability);
  if (!(maskId >= 0 && maskId < vocabularySize)) {
    throw new OptionError(
      `The mask token ${maskId} is not in a vocabulary of ${vocabularySize} tokens.`,
      "Use a tokenizer that has a [MASK] or <mask> token.",
    );
  }
  return (given, step, sentence) => {
    const draw = stream(seed, `mlm ${step} ${sentence}`);
    const fraction = (position: number, which: number) => draw(drawsPerToken * position + which) / 2 ** 32;
    const ids = Uint32Array.from(given);
    const chosen = [...ids.keys()].filter((position) => !specialIds.has(ids[position]!) && fraction(position, 0) < probability);
    const labels = Uint32Array.from(chosen, (position) => ids[position]!);
    for (const position of chosen) {
      const fate = fraction(position, 1);
      if (fate < maskedPart) ids[position] = maskId;
      else if (fate < replacedUpTo) ids[position] = Math.floor(fraction(position, 2) * vocabularySize);
    }
    return { ids, positions: Uint32Array.from(chosen), labels };
  };
}
