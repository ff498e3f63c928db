/** The losses of embeddings by their names, and the one that examples ask for. A new loss gets a line in the table. */
import { DataError, OptionError } from "../../errors.ts";
import { infoNce } from "./infonce.ts";
import type { Loss, LossTarget } from "./loss.ts";

export type LossName = "infonce";

/** The settings of a run that losses read. */
export interface LossSettings {
  readonly loss: LossName | null;
  readonly temperature: number;
  readonly hardNegativeWeight: number;
  readonly labelSmoothing: number;
}

const losses: { readonly [Name in LossName]: (settings: LossSettings) => Loss } = { infonce: infoNce };

/** The names of all losses. */
export const lossNames = Object.keys(losses) as readonly LossName[];

/** What examples have: so many sentences, and what they say beside them. */
export interface ExampleShape {
  readonly views: number;
  readonly target: LossTarget | null;
}

/** The loss that the settings name, or else the first that fits the examples. Throws `OptionError` or `DataError` where none does. */
export function chooseLoss(settings: LossSettings, examples: ExampleShape): Loss {
  if (settings.loss !== null) {
    const loss = losses[settings.loss](settings);
    if (fits(loss, examples)) return loss;
    throw new OptionError(
      `\`loss\` ${settings.loss} takes ${shapeText(loss)}; the examples have ${shapeText({ views: [examples.views], target: examples.target })}.`,
      "Leave `loss` out, or give examples that fit it.",
    );
  }
  const found = lossNames.map((name) => losses[name](settings)).find((loss) => fits(loss, examples));
  if (found) return found;
  throw new DataError(
    `No loss takes ${shapeText({ views: [examples.views], target: examples.target })}: there ${lossNames.length === 1 ? "is" : "are"} ${lossNames.join(", ")}.`,
    "Give sentences, pairs, or pairs with a hard negative.",
  );
}

function fits({ views, target }: Loss, examples: ExampleShape): boolean {
  return views.includes(examples.views) && target?.kind === examples.target?.kind;
}

function shapeText({ views, target }: Pick<Loss, "views" | "target">): string {
  return `${views.join(" or ")} sentence${views.join() === "1" ? "" : "s"} an example${target ? ` and a ${target.kind}` : ""}`;
}
