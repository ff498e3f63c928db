/** Which evaluation of a run is that of the model it saved. */
import type { HistoryEntry, TrainingReport } from "./history.ts";

/** The evaluation of the saved model: the best one if the best weights are kept, else the last; null if nothing was evaluated. */
export function keptEvaluation({
  history,
  best,
  arguments: given,
}: Pick<TrainingReport, "history" | "best" | "arguments">): HistoryEntry | null {
  const evaluations = history.filter((entry) => Object.keys(entry).some((name) => name.startsWith("eval_")));
  const kept = best && given.load_best_model_at_end === true ? evaluations.findLast(({ step }) => step === best.step) : undefined;
  return kept ?? evaluations.at(-1) ?? null;
}
