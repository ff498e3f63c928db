/** Which metrics can say which model is best, and in which direction. A metric read the wrong way would keep the worst model. */
import { OptionError } from "../../errors.ts";

/** Metrics of which less is better, by the end of their names. */
const lessIsBetter = /(^|_)(alignment|uniformity|loss)$/;

/** Thresholds say where labels are told apart, not how well. */
const isThreshold = /(^|_)threshold$/;

/** Throws `OptionError` for a metric that measures no quality, and for one of which less is better if greater is said to be. */
export function checkMetric(metric: string, { greaterIsBetter }: { readonly greaterIsBetter: boolean }): void {
  if (isThreshold.test(metric)) {
    throw new OptionError(
      `The \`metric\` ${metric} is a threshold: neither a greater nor a smaller one is better.`,
      "Choose a metric that measures how well labels are told apart, such as average precision (ap).",
    );
  }
  if (!lessIsBetter.test(metric) || !greaterIsBetter) return;
  throw new OptionError(
    `Of the \`metric\` ${metric} less is better; with \`greaterIsBetter\` true, the worst model would count as the best.`,
    "Set `greaterIsBetter` to false, or choose another metric.",
  );
}
