/** Linear layers that read the same input, as one matrix; most checkpoints have each of them. */
import { floatOf, type Value } from "../../kernels/language/operation.ts";
import { matmul } from "../../kernels/matmul/matmul.ts";
import { type AdapterTensors, type LoraOptions, type LoraTarget, LowRankAdapter } from "../lora.ts";
import { Parameter, type Piece } from "../parameters/parameter.ts";

/** One of the layers: its weight, its bias if it has one, and its adapter's tensors if it has one. */
export interface Projection extends Partial<AdapterTensors> {
  readonly weight: Piece;
  readonly bias?: Piece;
}

/** What linear layers have in common. */
interface ProjectionOptions {
  readonly inFeatures: number;
  /** Of each. */
  readonly outFeatures: number;
  /** The standard deviation of fresh weights. */
  readonly initializerRange: number;
  readonly lora: LoraOptions | null;
  readonly hasBias?: boolean;
}

/** Linear layers whose outputs lie side by side: `parts` has one for each target. */
export class Projections<const Targets extends readonly LoraTarget[]> {
  readonly parts: { readonly [Place in keyof Targets]: Projection };
  readonly #weight: Parameter;
  readonly #bias: Parameter | undefined;
  readonly #adapter: LowRankAdapter | null;

  constructor(targets: Targets, { inFeatures, outFeatures, initializerRange, lora, hasBias = true }: ProjectionOptions) {
    const rows = targets.length * outFeatures;
    this.#weight = new Parameter([rows, inFeatures], { normal: initializerRange });
    this.#bias = hasBias ? new Parameter([rows], { constant: 0 }) : undefined;
    const adapted = targets.flatMap((target, place) => (lora?.targets.includes(target) ? [place] : []));
    this.#adapter = lora && adapted.length > 0 ? new LowRankAdapter(inFeatures, outFeatures, adapted, lora) : null;
    const part = (place: number): Projection => ({
      weight: this.#weight.rows(place * outFeatures, outFeatures),
      ...(this.#bias && { bias: this.#bias.rows(place * outFeatures, outFeatures) }),
      ...this.#adapter?.tensorsOf(place),
    });
    this.parts = targets.map((_, place) => part(place)) as { readonly [Place in keyof Targets]: Projection };
  }

  /** [rows, parts · outFeatures] from [rows, inFeatures]. In training an adapter has dropout, by the batch's token table. */
  forward(x: Value, tokens: Value | undefined): Value {
    const y = matmul(x, this.#weight.stored(floatOf(x)), "nt", this.#bias && { bias: this.#bias });
    return this.#adapter?.forward(y, x, tokens) ?? y;
  }
}
