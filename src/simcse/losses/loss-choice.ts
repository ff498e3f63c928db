/** The losses of embeddings by name, and the choice of one by the examples. A new loss gets a line in the table. */
import { DataError, OptionError } from "../../errors.ts";
import { contrastive } from "./contrastive.ts";
import { cosent } from "./cosent.ts";
import { cosine } from "./cosine.ts";
import { distill } from "./distill.ts";
import { infoNce } from "./infonce.ts";
import type { Loss, LossTarget } from "./loss.ts";
import { matryoshka } from "./matryoshka.ts";

/** The settings of a run that losses read. */
export interface LossSettings {
  readonly loss: LossName | null;
  readonly temperature: number;
  readonly hardNegativeWeight: number;
  readonly labelSmoothing: number;
  readonly symmetric: boolean;
  readonly similarityWeight: number;
  readonly matryoshkaDims: readonly number[] | null;
}

/** What examples contain: the number of sentences, and their target. */
export interface ExampleShape {
  readonly views: number;
  readonly target: LossTarget | null;
  /** Length of an embedding. */
  readonly dimension: number;
}

/** In the order in which they are tried if none is named. */
const losses = {
  infonce: infoNce,
  cosent: () => cosent,
  cosine: () => cosine,
  contrastive: () => contrastive,
  distill: ({ similarityWeight }: LossSettings, { dimension }: ExampleShape) => distill({ dimension, similarityWeight }),
} satisfies Readonly<Record<string, (settings: LossSettings, examples: ExampleShape) => Loss>>;

/** A loss of embeddings. */
export type LossName = keyof typeof losses;

/** The names of all losses. */
export const lossNames = Object.keys(losses) as readonly LossName[];

/**
 * The loss that the settings name, or else the first that fits the examples; with `matryoshkaDims`, at each of these lengths. Throws
 * `OptionError` if the settings do not fit the examples or the model, and `DataError` if no loss fits.
 */
export function chooseLoss(settings: LossSettings, examples: ExampleShape): Loss {
  const loss = settings.loss === null ? defaultLoss(settings, examples) : losses[settings.loss](settings, examples);
  if (!fits(loss, examples)) {
    throw new OptionError(
      `The \`loss\` ${loss.name} takes ${shapeText(loss)}; the examples have ${shapeText(shapeOf(examples))}.`,
      "Leave `loss` out, or give examples that fit it.",
    );
  }
  checkTarget(loss, examples);
  if (settings.matryoshkaDims === null) return loss;
  checkLengths(settings.matryoshkaDims, examples.dimension);
  return matryoshka(loss, settings.matryoshkaDims);
}

/**
 * Throws `OptionError` unless the lengths differ, none is longer than the vectors, and the vectors' own is among them: the rest would stay
 * untrained.
 */
function checkLengths(lengths: readonly number[], dimension: number): void {
  const tooLong = lengths.find((size) => size > dimension);
  if (tooLong !== undefined) {
    throw new OptionError(
      `\`matryoshkaDims\` names ${tooLong} numbers; the model's vectors have ${dimension}.`,
      "Give lengths up to that of the vectors.",
    );
  }
  const twice = lengths.find((size, i) => lengths.indexOf(size) !== i);
  if (twice !== undefined) {
    throw new OptionError(`\`matryoshkaDims\` names ${twice} numbers twice, which would only count them double.`, "Give each length once.");
  }
  if (lengths.includes(dimension)) return;
  throw new OptionError(
    `\`matryoshkaDims\` leaves out ${dimension}, the length of whole vectors: their numbers after the first ${Math.max(...lengths)} would stay untrained.`,
    `Add ${dimension}.`,
  );
}

/** Throws `OptionError` for vectors of another length than the model's, or scores outside the loss's range, and `DataError` for scores that teach nothing. */
function checkTarget({ name, target, needsDifferences = false }: Loss, examples: ExampleShape): void {
  if (target === null || examples.target === null) return;
  if (target.width !== examples.target.width) {
    throw new OptionError(
      `The examples' vectors have ${examples.target.width} numbers; the model's have ${target.width}.`,
      "Train a model of that hidden_size, or cut the vectors (by their principal components, say).",
    );
  }
  const [least, most] = examples.target.range ?? [0, 0];
  const [lowest, highest] = target.range ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  if (needsDifferences && examples.target.range !== undefined && least === most) {
    throw new DataError(
      `Every example has the ${examples.target.kind} ${least}: the \`loss\` ${name} learns only from differences between them.`,
      "Give examples with other values too, or leave the value out: pairs without one belong together (infonce).",
    );
  }
  if (least >= lowest && most <= highest) return;
  throw new OptionError(
    `The \`loss\` ${name} takes scores from ${lowest} to ${highest}; the examples have ${least} to ${most}.`,
    "Scale the scores, or use the loss cosent, for which only their order counts.",
  );
}

function defaultLoss(settings: LossSettings, examples: ExampleShape): Loss {
  const fitting = lossNames.map((name) => losses[name](settings, examples)).filter((loss) => fits(loss, examples));
  // A label is also a score, but it has a loss of its own.
  const found = fitting.find(({ target }) => target?.kind === examples.target?.kind) ?? fitting[0];
  if (found) return found;
  throw new DataError(
    `No loss takes ${shapeText(shapeOf(examples))}: there are ${lossNames.join(", ")}.`,
    "Give sentences, pairs, pairs with a hard negative, a score or a label, or texts with a vector.",
  );
}

function fits({ views, target }: Loss, examples: ExampleShape): boolean {
  const kind = examples.target?.kind;
  return views.includes(examples.views) && (target?.kind === kind || (target?.kind === "score" && kind === "label"));
}

const shapeOf = ({ views, target }: ExampleShape) => ({ views: [views], target });

function shapeText({ views, target }: Pick<Loss, "views" | "target">): string {
  return `${views.join(" or ")} sentence${views.join() === "1" ? "" : "s"} an example${target ? ` and a ${target.kind}` : ""}`;
}
