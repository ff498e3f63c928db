/** Entries of the training log in TensorBoard's form. */
import type { ScalarEvent } from "../../io/formats/tensorboard.ts";
import type { HistoryEntry } from "./history.ts";

/** An entry's position; not a curve. */
const places = new Set(["step", "epoch"]);

/**
 * The numbers of a log entry with the tags that transformers uses: `eval_x` becomes `eval/x`, everything else `train/x`. `wallTime` is in
 * seconds since 1970.
 */
export function scalarsOf(entry: HistoryEntry, wallTime: number): ScalarEvent {
  const values = Object.entries(entry)
    .filter(([name]) => !places.has(name))
    .map(([name, value]) => [name.startsWith("eval_") ? `eval/${name.slice("eval_".length)}` : `train/${name}`, value] as const);
  return { wallTime, step: entry.step, values: Object.fromEntries(values) };
}
