/** Refuses values that are no numbers: read from a file as texts, "10" would come before "9". */
import { DataError } from "../../../errors.ts";
import { show } from "../../../show.ts";

/** Throws `DataError` for a value that is neither a number nor true or false, which count as 1 and 0. */
export function checkNumbers(values: ArrayLike<unknown>): void {
  if (ArrayBuffer.isView(values)) return;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (typeof value === "number" || typeof value === "boolean") continue;
    throw new DataError(`Value ${i} is ${show(value)}, which is no number.`, "Give numbers: `Number(text)` makes one of a text.");
  }
}
