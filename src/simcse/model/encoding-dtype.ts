/** In which dtype a model encodes that is loaded without saying so. */
import { OptionError } from "../../errors.ts";
import type { Capabilities } from "../../gpu/capabilities.ts";
import { matrixUnits } from "../../kernels/language/matrix-units.ts";
import type { FloatType } from "../../kernels/language/operation.ts";
import { checkChoice } from "../../options.ts";

/** The dtypes that a model can be loaded in. */
export const encodingDtypes = ["f16", "f32"] as const satisfies readonly FloatType[];

/**
 * The dtype of a model loaded with these options: f16 where a device has matrix units for it, unless the model is loaded for training, which
 * needs f32 weights. Throws `OptionError` for another dtype, and for f16 with `training`.
 */
export function encodingDtype(
  { dtype, training = false }: { readonly dtype?: FloatType | undefined; readonly training?: boolean },
  capabilities: Capabilities,
): FloatType {
  if (dtype === undefined) return !training && matrixUnits(capabilities) !== null ? "f16" : "f32";
  checkChoice("dtype", dtype, encodingDtypes);
  if (dtype === "f32" || !training) return dtype;
  throw new OptionError(
    "A model cannot be loaded for training in f16: its weights would be rounded.",
    "Leave out `dtype`, and train with `fp16` for mixed precision.",
  );
}
