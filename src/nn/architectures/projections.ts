/** Query, key and value as one matrix; most checkpoints have three. */
import { floatOf, type Value } from "../../kernels/language/operation.ts";
import { matmul } from "../../kernels/matmul/matmul.ts";
import { type AdapterTensors, type LoraOptions, LowRankAdapter } from "../lora.ts";
import { Parameter, type Piece } from "../parameters/parameter.ts";

/** One of query, key and value: its weight and bias, and its adapter's tensors if it has one. */
export interface Projection extends Partial<AdapterTensors> {
  readonly weight: Piece;
  readonly bias: Piece;
}

/** Their names, in the order of their places in one matrix. */
const names = ["query", "key", "value"] as const;

/** The three linear layers, whose outputs lie side by side. */
export class Projections {
  readonly query: Projection;
  readonly key: Projection;
  readonly value: Projection;
  readonly #weight: Parameter;
  readonly #bias: Parameter;
  readonly #adapter: LowRankAdapter | null;

  constructor(width: number, initializerRange: number, lora: LoraOptions | null) {
    this.#weight = new Parameter([3 * width, width], { normal: initializerRange });
    this.#bias = new Parameter([3 * width], { constant: 0 });
    const adapted = names.flatMap((name, index) => (lora?.targets.includes(name) ? [index] : []));
    this.#adapter = lora && adapted.length > 0 ? new LowRankAdapter(width, width, adapted, lora) : null;
    const part = (index: number): Projection => ({
      weight: this.#weight.rows(index * width, width),
      bias: this.#bias.rows(index * width, width),
      ...this.#adapter?.tensorsOf(index),
    });
    this.query = part(0);
    this.key = part(1);
    this.value = part(2);
  }

  /** [rows, 3 · width] from [rows, width]. In training an adapter has dropout, by the batch's token table. */
  forward(x: Value, tokens: Value | undefined): Value {
    const qkv = matmul(x, this.#weight.stored(floatOf(x)), "nt", { bias: this.#bias });
    return this.#adapter?.forward(qkv, x, tokens) ?? qkv;
  }
}
