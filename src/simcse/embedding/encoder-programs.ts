/**
 * The programs of an encoder, one for each size of batch that its calls need. Which one a call gets depends on the call alone, so a text's
 * vector does not depend on earlier calls.
 */
import type { Plan } from "../../autograd/plan.ts";
import { CapacityError, ClosedError } from "../../errors.ts";
import { longestSentence } from "../../nn/architectures/architectures.ts";
import type { SimCseModel } from "../model/model.ts";
import type { EncodingPooler } from "../model/poolers.ts";
import { type BatchSize, largeBatch, usualBatch, usualSentences } from "./batch-size.ts";
import type { EncoderSettings } from "./encoder-options.ts";
import { EncoderProgram, type EncoderProgramSize, type TokenizedText } from "./encoder-program.ts";

/** Calls with as many tokens as this many usual batches use large ones, if the device has some. */
const usualBatches = 4;

/** Programs kept at once. Each holds the memory of a batch, so the least recently used one is dropped. */
const mostPrograms = 4;

export class EncoderPrograms {
  /** The program of a usual batch, which is compiled first, in memory and kernels. */
  readonly plan: Plan;
  readonly #usual: BatchSize;
  /** Null where the device has no use for large batches, or too little memory. */
  #large: BatchSize | null;
  /** The most recently used one is last. */
  #programs: EncoderProgram[];
  #closed = false;

  private constructor(
    readonly model: SimCseModel,
    readonly pooler: EncodingPooler,
    /** The most tokens of a sentence in a usual batch. */
    readonly longest: number,
    first: EncoderProgram,
    large: BatchSize | null,
  ) {
    this.plan = first.program.plan;
    this.#usual = first.capacity;
    this.#large = large;
    this.#programs = [first];
  }

  /** Compiles the program of a usual batch. Throws `CapacityError` when the device is too small. */
  static async create(
    model: SimCseModel,
    { pooler, maxLength, batchSize, normalize }: Pick<EncoderSettings, "pooler" | "maxLength" | "batchSize" | "normalize">,
  ): Promise<EncoderPrograms> {
    const usual = usualBatch(batchSize ?? usualSentences, maxLength);
    const first = await EncoderProgram.compile(model, pooler, { normalize, longest: maxLength, ...usual });
    const large = batchSize === null ? largeBatch(first.program.plan, usual.tokens, model.device.capabilities) : null;
    return new EncoderPrograms(model, pooler, maxLength, first, large);
  }

  /** The most sentences of a batch. */
  get mostSentences(): number {
    return this.#large?.sentences ?? this.#usual.sentences;
  }

  checkOpen(): void {
    if (this.#closed)
      throw new ClosedError(
        "The model is closed.",
        "Encode before close(), or load the model again; a call that was in progress when training began can be repeated.",
      );
  }

  /** The program for the sentences of a call, in batches of at most `batchSize` of them, or of any size if it is null. Calls take turns. */
  async programFor(
    sentences: readonly TokenizedText[],
    { normalize, batchSize }: { readonly normalize: boolean; readonly batchSize: number | null },
  ): Promise<EncoderProgram> {
    const [most, all] = sentences.reduce(([long, sum], { ids }) => [Math.max(long, ids.length), sum + ids.length], [0, 0]);
    // Sizes beyond the usual ones are rounded up to powers of two, so that many different sizes need few programs.
    const longest = Math.min(powerOfTwo(most, this.longest), longestSentence(this.model.config));
    const usual = usualBatch(batchSize === null ? this.#usual.sentences : powerOfTwo(batchSize, this.#usual.sentences), longest);
    const isLarge = batchSize === null && all >= usualBatches * usual.tokens;
    if (isLarge && this.#large !== null && longest <= this.#large.tokens) {
      try {
        return await this.#programOf({ normalize, longest, ...this.#large });
      } catch (error) {
        if (!(error instanceof CapacityError)) throw error;
        this.#large = null;
      }
    }
    return this.#programOf({ normalize, longest, ...usual });
  }

  async #programOf(size: EncoderProgramSize): Promise<EncoderProgram> {
    const known = this.#programs.find((program) => isSameSize(program.size, size));
    if (known === undefined && this.#programs.length >= mostPrograms) void this.#programs.shift()!.retire();
    const program = known ?? (await EncoderProgram.compile(this.model, this.pooler, size));
    if (this.#closed) program.close();
    this.checkOpen();
    this.#programs = [...this.#programs.filter((one) => one !== program), program];
    return program;
  }

  /** Frees the programs' memory. Later calls throw `ClosedError`. */
  close(): void {
    this.#closed = true;
    for (const program of this.#programs.splice(0)) program.close();
  }
}

const isSameSize = (a: EncoderProgramSize, b: EncoderProgramSize): boolean =>
  a.normalize === b.normalize && a.longest === b.longest && a.sentences === b.sentences && a.tokens === b.tokens;

/** `count` if it is at most `usual`, else the next power of two. */
function powerOfTwo(count: number, usual: number): number {
  return count <= usual ? usual : 2 ** Math.ceil(Math.log2(count));
}
