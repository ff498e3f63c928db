/** y = x·Wᵀ + b, with the weight as [out, in]. */

import { floatOf, type Value } from "../kernels/language/operation.ts";
import { matmul } from "../kernels/matmul/matmul.ts";
import { Parameter } from "./parameters/parameter.ts";

/** x·Wᵀ + b, with `weight` f32 [outFeatures, inFeatures] and `bias` f32 [outFeatures]. */
export class Linear {
  readonly weight: Parameter;
  readonly bias: Parameter;

  constructor(inFeatures: number, outFeatures: number, initializerRange: number) {
    this.weight = new Parameter([outFeatures, inFeatures], { normal: initializerRange });
    this.bias = new Parameter([outFeatures], { constant: 0 });
  }

  /** [rows, out] from [rows, in], stored with the dtype of `x`. */
  forward(x: Value): Value {
    return matmul(x, this.weight.stored(floatOf(x)), "nt", { bias: this.bias });
  }
}
