/** What a training run says of its precision at the start: where `--fp16` gains no time, and where it would gain much. */
import type { Capabilities } from "../../src/gpu/capabilities.ts";
import { matrixUnits } from "../../src/kernels/language/matrix-units.ts";

/** The note for a device of this name; null where there is nothing to say. */
export function precisionNote(name: string, capabilities: Capabilities, fp16: boolean): string | null {
  if (fp16 && !capabilities.features.has("shader-f16")) {
    return `${name} has no shader-f16: f16 values are packed in words and multiplied as f32, which saves memory but no time`;
  }
  if (!fp16 && matrixUnits(capabilities) !== null) {
    return `${name} has matrix units, which f32 leaves idle: with --fp16 a step is up to four times as fast and takes less memory`;
  }
  return null;
}
