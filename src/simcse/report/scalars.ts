/** Entries of the training log as TensorBoard shows them. */
import type { ScalarEvent } from "../../io/formats/tensorboard.ts";
import type { HistoryEntry } from "./history.ts";

/** Where an entry stands; not curves of their own. */
const places = new Set(["step", "epoch"]);

/**
 * The numbers of a log entry under the tags that transformers gives them: `eval_x` becomes `eval/x`, all else `train/x`. `wallTime` is in seconds
 * since 1970.
 */
export function scalarsOf(entry: HistoryEntry, wallTime: number): ScalarEvent {
  const values = Object.entries(entry)
    .filter(([name]) => !places.has(name))
    .map(([name, value]) => [name.startsWith("eval_") ? `eval/${name.slice("eval_".length)}` : `train/${name}`, value] as const);
  return { wallTime, step: entry.step, values: Object.fromEntries(values) };
}
