/** RMSNorm's parameter. */
import type { Value } from "../kernels/language/operation.ts";
import { rmsNorm } from "../kernels/rms-norm.ts";
import { Parameter } from "./parameters/parameter.ts";

/** RMSNorm over the last dimension (Zhang & Sennrich 2019), with `weight` f32 [width], which begins at one. */
export class RmsNorm {
  readonly weight: Parameter;
  readonly #epsilon: number;

  constructor(width: number, epsilon: number) {
    this.weight = new Parameter([width], { constant: 1 });
    this.#epsilon = epsilon;
  }

  /** [rows, width] from [rows, width]. */
  forward(x: Value): Value {
    return rmsNorm(x, this.weight, this.#epsilon);
  }
}
