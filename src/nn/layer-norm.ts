/** LayerNorm's parameters: weight (once called gamma) and bias (once beta). */

import type { Value } from "../kernels/language/operation.ts";
import { layerNorm, residualLayerNorm, type TokenDropout } from "../kernels/layer-norm.ts";
import { Parameter } from "./parameters/parameter.ts";

export class LayerNorm {
  readonly weight: Parameter;
  readonly bias: Parameter;
  readonly #epsilonilon: number;

  constructor(width: number, epsilon: number) {
    this.weight = new Parameter([width], { constant: 1 });
    this.bias = new Parameter([width], { constant: 0 });
    this.#epsilonilon = epsilon;
  }

  /** [rows, width] from the same; with `after`, under that dropout. */
  forward(x: Value, after?: TokenDropout): Value {
    return layerNorm(x, this.weight, this.bias, this.#epsilonilon, after);
  }

  /** The norm of dropout(x) + residual. */
  forwardResidual(x: Value, residual: Value, options: TokenDropout): Value {
    return residualLayerNorm(x, residual, this.weight, this.bias, { epsilon: this.#epsilonilon, ...options });
  }
}
