/** LayerNorm's parameters: weight (formerly called gamma) and bias (formerly beta). */

import { fill } from "../kernels/fill.ts";
import type { Operand, Value } from "../kernels/language/operation.ts";
import { layerNorm, residualLayerNorm, type TokenDropout } from "../kernels/layer-norm.ts";
import { Parameter } from "./parameters/parameter.ts";

/** LayerNorm over the last dimension (Ba et al. 2016), with `weight` f32 [width], and `bias` f32 [width] if it has one. */
export class LayerNorm {
  readonly weight: Parameter;
  readonly bias?: Parameter;
  readonly #epsilon: number;

  constructor(width: number, epsilon: number, { bias = true }: { readonly bias?: boolean } = {}) {
    this.weight = new Parameter([width], { constant: 1 });
    if (bias) this.bias = new Parameter([width], { constant: 0 });
    this.#epsilon = epsilon;
  }

  /** [rows, width] from [rows, width]; `after` is a dropout of the result. */
  forward(x: Value, after?: TokenDropout): Value {
    return layerNorm(x, this.weight, this.#shift(x), this.#epsilon, after);
  }

  /** The norm of dropout(x) + residual. */
  forwardResidual(x: Value, residual: Value, options: TokenDropout): Value {
    return residualLayerNorm(x, residual, this.weight, this.#shift(x), { epsilon: this.#epsilon, ...options });
  }

  /** The bias, or zeros. */
  #shift({ tape }: Value): Operand {
    return this.bias ?? fill(tape, this.weight.shape, 0);
  }
}
