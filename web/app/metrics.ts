/** The scores by their plain names, and how they are written. */
import { formatDecimal } from "./format.ts";

interface MetricText {
  readonly title: string;
  readonly hint: string;
  readonly format: (value: number) => string;
  readonly largest: number;
}

const percent = (value: number) => `${(value * 100).toFixed(1)}%`;
const hundredths = (value: number) => formatDecimal(value * 100, 1);

export const metricTexts: Readonly<Record<string, MetricText>> = {
  "accuracy@1": { title: "Right answer first", hint: "of the held-out questions (accuracy@1)", format: percent, largest: 1 },
  "mrr@10": { title: "How high it ranks", hint: "100 is always first (MRR@10)", format: hundredths, largest: 1 },
  spearman: { title: "Agrees with the scores", hint: "100 is the same order (Spearman)", format: hundredths, largest: 1 },
  ap: { title: "Tells alike from not", hint: "100 is always (average precision)", format: hundredths, largest: 1 },
};
