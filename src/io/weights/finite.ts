/** Checks that weights are finite: one NaN in a model makes every vector NaN. */
import { FormatError } from "../../errors.ts";
import { quoted } from "../../show.ts";

/** Throws FormatError, naming the element, unless all of a tensor's `values`, which begin at its element `offset`, are finite. */
export function checkFinite({ path }: { readonly path: string }, tensor: string, values: Float32Array, offset = 0): void {
  // 0 times a finite number is 0, and NaN otherwise: one multiplication and one addition per element.
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * 0;
  if (sum === 0) return;
  const at = values.findIndex((value) => !Number.isFinite(value));
  throw new FormatError(
    `${path}: element ${offset + at} of tensor ${quoted(tensor)} is ${values[at]}, expected a finite number`,
    "Get the file again, or save the model from a step before its weights diverged.",
  );
}
