/** Checks that weights are finite: one NaN in a model makes every vector NaN. */
import { FormatError } from "../../errors.ts";
import { firstNonFinite } from "../../finite.ts";
import { quoted } from "../../show.ts";

/** Throws FormatError, naming the element, unless all of a tensor's `values`, which begin at its element `offset`, are finite. */
export function checkFinite({ path }: { readonly path: string }, tensor: string, values: Float32Array, offset = 0): void {
  const at = firstNonFinite(values);
  if (at === -1) return;
  throw new FormatError(
    `${path}: element ${offset + at} of tensor ${quoted(tensor)} is ${values[at]}, expected a finite number`,
    "Get the file again, or save the model from a step before its weights diverged.",
  );
}
