/** y = x·Wᵀ + b, with the weight as [out, in], or without b. */

import { floatOf, type Value } from "../kernels/language/operation.ts";
import { matmul } from "../kernels/matmul/matmul.ts";
import { type AdapterTensors, type LoraOptions, LowRankAdapter } from "./lora.ts";
import { Parameter } from "./parameters/parameter.ts";

/**
 * x·Wᵀ + b, with `weight` f32 [outFeatures, inFeatures] and `bias` f32 [outFeatures] if it has one; and a low-rank adapter if `lora` is
 * given.
 */
export class Linear {
  readonly weight: Parameter;
  readonly bias?: Parameter;
  readonly lora_A?: AdapterTensors["lora_A"];
  readonly lora_B?: AdapterTensors["lora_B"];
  readonly #adapter: LowRankAdapter | null;

  constructor(inFeatures: number, outFeatures: number, initializerRange: number, lora: LoraOptions | null = null, hasBias = true) {
    this.weight = new Parameter([outFeatures, inFeatures], { normal: initializerRange });
    if (hasBias) this.bias = new Parameter([outFeatures], { constant: 0 });
    this.#adapter = lora && new LowRankAdapter(inFeatures, outFeatures, [0], lora);
    Object.assign(this, this.#adapter?.tensorsOf(0));
  }

  /** [rows, out] from [rows, in], stored with the dtype of `x`. In training an adapter has dropout, by the batch's token table. */
  forward(x: Value, tokens?: Value): Value {
    const y = matmul(x, this.weight.stored(floatOf(x)), "nt", this.bias && { bias: this.bias });
    return this.#adapter?.forward(y, x, tokens) ?? y;
  }
}
