/** An encoder with SimCSE's heads, and its memory. */
import "../../disposal.ts";
import type { Tuning } from "../../autograd/choices.ts";
import type { Device } from "../../gpu/device.ts";
import type { FloatType } from "../../kernels/language/operation.ts";
import type { MaskedHead, Transformer, TransformerConfig } from "../../nn/architectures/architecture.ts";
import { architectureOf } from "../../nn/architectures/architectures.ts";
import { Linear } from "../../nn/linear.ts";
import { adapterNames, isAdapter, type LoraOptions, mergeAdapter } from "../../nn/lora.ts";
import { namedPieces, type Piece } from "../../nn/parameters/parameter.ts";
import type { LayoutOptions } from "../../nn/parameters/parameter-layout.ts";
import { ParameterStore } from "../../nn/parameters/parameter-store.ts";
import { checkingTuning } from "../../tuning/tuning.ts";
import { headDimension, SentenceHead, type SentenceHeadConfig } from "./sentence-head.ts";
import { adaptersOf, type TrainedParts, trainedBy, trainedParts } from "./trained-parts.ts";

/** The fields that SimCSE adds to a model's `config.json` under `simcse`, so that the pooler is never guessed. */
export interface SimCseConfig {
  /** The pooler of the embeddings. */
  readonly pooler_type: string;
  /** Sentences are truncated to this many tokens, special tokens included. */
  readonly max_seq_length: number;
}

/** What a model is allocated with. */
export interface ModelOptions {
  /** Also allocate gradients and optimiser state. */
  readonly training: boolean;
  /** The parts that are not trained, see `TrainedParts`; none if absent. */
  readonly freeze?: readonly string[];
  /** Low-rank adapters, which are trained instead of the encoder's weights; none if absent. */
  readonly lora?: LoraOptions | null;
  /** Keep the matrices as f16: as a copy if they are trained (mixed precision), otherwise only as f16; false if absent. */
  readonly halves?: boolean;
  /** Whether there is an MLP on the [CLS] token. */
  readonly mlp: boolean;
  /** The modules after the transformer of a sentence-transformers folder, if they are not one of the poolers; null if absent. */
  readonly head?: SentenceHeadConfig | null;
  /** Whether there is the head of a masked language model; false if absent. */
  readonly mlm?: boolean;
  /** How the model's programs choose their kernels; if absent, each operation's own choice, among the variants with correct results. */
  readonly tuning?: Tuning | undefined;
}

/**
 * The modules. Their tensors are named as in a SimCSE training checkpoint of the architecture: `bert.…`, `mlp.dense.…` and
 * `cls.predictions.…` for a BERT. So the encoder and the head for masked words are properties under the architecture's names.
 */
export class Modules {
  // Only declared, because the order of properties is that of the parameters in memory, and the encoder comes first.
  declare readonly mlp?: { readonly dense: Linear };
  declare readonly sentenceHead?: SentenceHead;
  readonly #transformer: Transformer;
  readonly #maskedHead: MaskedHead | null;

  constructor(
    config: TransformerConfig,
    { mlp, head = null, mlm = false, ...parts }: Pick<ModelOptions, "mlp" | "head" | "mlm" | "freeze" | "lora">,
  ) {
    const { encoder, create, maskedHead } = architectureOf(config);
    this.#transformer = create(config, (layer) => adaptersOf(trainedParts(parts), layer));
    Object.assign(this, { [encoder]: this.#transformer });
    if (mlp) this.mlp = { dense: new Linear(config.hidden_size, config.hidden_size, config.initializer_range) };
    if (head) this.sentenceHead = new SentenceHead(head);
    this.#maskedHead = mlm ? maskedHead.create(config) : null;
    if (this.#maskedHead !== null) Object.assign(this, placed(this.#maskedHead, maskedHead.path));
  }

  /** The encoder. */
  get transformer(): Transformer {
    return this.#transformer;
  }

  /** The head of a masked language model; null if the model has none. */
  get maskedHead(): MaskedHead | null {
    return this.#maskedHead;
  }
}

/** A module as a property of a property, and so on along a path. */
function placed(module: object, path: readonly string[]): object {
  return path.reduceRight((inner, name) => ({ [name]: inner }), module);
}

/** Which parameters have gradients, as a layout wants to know it. Throws `OptionError` for parts that the model does not have. */
export function trainingOf(
  modules: Modules,
  config: TransformerConfig,
  options: Pick<ModelOptions, "training" | "freeze" | "lora">,
): LayoutOptions["training"] {
  return options.training && trainedBy(trainedParts(options), [...namedPieces(modules).keys()], config);
}

/** Every tensor of a model by its name in a training checkpoint. */
export function modelTensors(config: TransformerConfig, options: Pick<ModelOptions, "mlp" | "head">): ReadonlyMap<string, Piece> {
  return namedPieces(new Modules(config, options));
}

/** A SimCSE model on a device: the encoder, its heads, and the memory of their parameters. */
export class SimCseModel {
  /** Reads tensors, by name, that are more exact in their file than on the device. */
  readonly #originals = new Map<string, () => Promise<Float32Array>>();

  private constructor(
    readonly device: Device,
    readonly config: TransformerConfig,
    readonly modules: Modules,
    readonly store: ParameterStore,
    readonly tuning: Tuning,
    /** What is trained; null in a model that only encodes. */
    readonly trained: TrainedParts | null,
    readonly options: ModelOptions,
  ) {}

  /**
   * A model whose parameters are zero; initialise or load them. Throws `CapacityError` when the device has no room, and `OptionError` for
   * parts to freeze that the model does not have.
   */
  static async allocate(device: Device, config: TransformerConfig, options: ModelOptions): Promise<SimCseModel> {
    const { halves = false, tuning = await checkingTuning(device) } = options;
    const modules = new Modules(config, options);
    const store = await ParameterStore.allocate(device, modules, { training: trainingOf(modules, config, options), halves });
    return new SimCseModel(device, config, modules, store, tuning, options.training ? trainedParts(options) : null, options);
  }

  /**
   * This model on another device, with the same parameters and, for training, the same moments and optimiser state. Throws `CapacityError`
   * when that device has no room, and `DeviceError` when its limits make the parameters lie differently.
   */
  async copyTo(device: Device): Promise<SimCseModel> {
    // A device of the same kind uses the same kernels, and so computes the same bits.
    const tuning = device.name === this.device.name ? this.tuning : undefined;
    const copy = await SimCseModel.allocate(device, this.config, { ...this.options, tuning });
    try {
      await copy.store.copyAcross(this.store);
      return copy;
    } catch (error) {
      copy.close();
      throw error;
    }
  }

  /** How activations are stored when the model encodes. A model that is trained encodes with its f32 weights. */
  get dtype(): FloatType {
    return this.trained === null && this.store.layout.keepsHalves ? "f16" : "f32";
  }

  get mlp(): Linear | null {
    return this.modules.mlp?.dense ?? null;
  }

  /** The length of the model's vectors. */
  get dimension(): number {
    const { sentenceHead } = this.modules;
    return sentenceHead ? headDimension("The model", sentenceHead.config, this.config.hidden_size) : this.config.hidden_size;
  }

  /** The tensors of the model without adapters, which it is saved with. */
  get baseTensors(): ReadonlyMap<string, Piece> {
    return new Map([...this.store.pieces].filter(([name]) => !isAdapter(name)));
  }

  /** Whether a weight has an adapter. */
  hasAdapter(name: string): boolean {
    return name.endsWith("weight") && this.store.pieces.has(adapterNames(name).down);
  }

  /** Says where a tensor can be read that the device keeps rounded to f16. Saving and training then lose nothing. */
  keepOriginal(name: string, read: () => Promise<Float32Array>): void {
    this.#originals.set(name, read);
  }

  /**
   * Reads a tensor, row-major, from its file if the device has it only rounded. A weight that has an adapter includes it: W + alpha/rank ·
   * B·A.
   */
  async readMerged(name: string): Promise<Float32Array> {
    const original = this.#originals.get(name);
    if (original) return original();
    const weight = await this.store.read(name);
    if (!this.hasAdapter(name)) return weight;
    const { down, up } = adapterNames(name);
    return mergeAdapter(weight, { down: await this.store.read(down), up: await this.store.read(up), ...this.trained!.lora! });
  }

  /**
   * Copies the tensors that another model of the same device also has; adapters become part of their weights. Returns the names of those
   * that it lacks.
   */
  async copyFrom(other: SimCseModel): Promise<string[]> {
    const shared = other.baseTensors;
    const isRead = (name: string) => other.hasAdapter(name) || other.#originals.has(name);
    await this.store.copyFrom(other.store, (name) => shared.has(name) && !isRead(name));
    const own = [...this.store.pieces.keys()];
    for (const name of own) if (shared.has(name) && isRead(name)) this.store.write(name, await other.readMerged(name));
    return own.filter((name) => !shared.has(name));
  }

  /** Frees the parameters. Programs of the model fail at their next step. */
  close(): void {
    this.store.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
