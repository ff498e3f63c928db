/** LayerNorm's parameters: weight (formerly called gamma) and bias (formerly beta). */

import type { Value } from "../kernels/language/operation.ts";
import { layerNorm, residualLayerNorm, type TokenDropout } from "../kernels/layer-norm.ts";
import { Parameter } from "./parameters/parameter.ts";

/** LayerNorm over the last dimension (Ba et al. 2016), with `weight` and `bias` f32 [width]. */
export class LayerNorm {
  readonly weight: Parameter;
  readonly bias: Parameter;
  readonly #epsilon: number;

  constructor(width: number, epsilon: number) {
    this.weight = new Parameter([width], { constant: 1 });
    this.bias = new Parameter([width], { constant: 0 });
    this.#epsilon = epsilon;
  }

  /** [rows, width] from [rows, width]; `after` is a dropout of the result. */
  forward(x: Value, after?: TokenDropout): Value {
    return layerNorm(x, this.weight, this.bias, this.#epsilon, after);
  }

  /** The norm of dropout(x) + residual. */
  forwardResidual(x: Value, residual: Value, options: TokenDropout): Value {
    return residualLayerNorm(x, residual, this.weight, this.bias, { epsilon: this.#epsilon, ...options });
  }
}
