/** LayerNorm's parameters: weight (once called gamma) and bias (once beta). */
import { layerNorm, residualLayerNorm } from "../kernels/layer-norm.ts";
import type { Value } from "../kernels/operation.ts";
import { Parameter } from "./parameter.ts";

export class LayerNorm {
  readonly weight: Parameter;
  readonly bias: Parameter;
  readonly #eps: number;

  constructor(width: number, eps: number) {
    this.weight = new Parameter([width], { constant: 1 });
    this.bias = new Parameter([width], { constant: 0 });
    this.#eps = eps;
  }

  /** f32 [rows, width] from the same. */
  forward(x: Value): Value {
    return layerNorm(x, this.weight, this.bias, this.#eps);
  }

  /** The norm of dropout(x) + residual; `tokens` is the batch's token table. */
  forwardResidual(x: Value, residual: Value, options: { dropout: number; tokens: Value }): Value {
    return residualLayerNorm(x, residual, this.weight, this.bias, { eps: this.#eps, ...options });
  }
}
