/** y = x·Wᵀ + b, with the weight as [out, in]. */
import { matmul } from "../kernels/matmul.ts";
import type { Value } from "../kernels/operation.ts";
import { Parameter } from "./parameter.ts";

export class Linear {
  readonly weight: Parameter;
  readonly bias: Parameter;

  constructor(inFeatures: number, outFeatures: number, initializerRange: number) {
    this.weight = new Parameter([outFeatures, inFeatures], { normal: initializerRange });
    this.bias = new Parameter([outFeatures], { constant: 0 });
  }

  /** f32 [rows, out] from f32 [rows, in]. */
  forward(x: Value): Value {
    return matmul(x, this.weight, "nt", { bias: this.bias });
  }
}
