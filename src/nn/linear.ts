/** y = x·Wᵀ + b, with the weight as [out, in], or without b. */

import { floatOf, type Value } from "../kernels/language/operation.ts";
import { matmul } from "../kernels/matmul/matmul.ts";
import { type AdapterTensors, type LoraOptions, LowRankAdapter } from "./lora.ts";
import { Parameter } from "./parameters/parameter.ts";

/** What a `Linear` has besides its weight. */
export interface LinearOptions {
  /** b; true if absent. */
  readonly bias?: boolean;
  /** A low-rank adapter; none if absent or null. */
  readonly lora?: LoraOptions | null;
}

/**
 * x·Wᵀ + b, with `weight` f32 [outFeatures, inFeatures] and `bias` f32 [outFeatures] if it has one. Weights begin with a normal distribution of
 * standard deviation `initializerRange`, and b at zero.
 */
export class Linear {
  readonly weight: Parameter;
  readonly bias?: Parameter;
  readonly lora_A?: AdapterTensors["lora_A"];
  readonly lora_B?: AdapterTensors["lora_B"];
  readonly #adapter: LowRankAdapter | null;

  constructor(inFeatures: number, outFeatures: number, initializerRange: number, { bias = true, lora = null }: LinearOptions = {}) {
    this.weight = new Parameter([outFeatures, inFeatures], { normal: initializerRange });
    if (bias) this.bias = new Parameter([outFeatures], { constant: 0 });
    this.#adapter = lora && new LowRankAdapter(inFeatures, outFeatures, [0], lora);
    Object.assign(this, this.#adapter?.tensorsOf(0));
  }

  /** [rows, out] from [rows, in], stored with the dtype of `x`. In training an adapter has dropout, by the batch's token table. */
  forward(x: Value, tokens?: Value): Value {
    const y = matmul(x, this.weight.stored(floatOf(x)), "nt", this.bias && { bias: this.bias });
    return this.#adapter?.forward(y, x, tokens) ?? y;
  }
}
