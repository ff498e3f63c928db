/**
 * The program that turns batches of token ids into vectors, for batches up to one capacity. `Encoder` has one for each size that its callers need.
 */
import type { Profiler } from "../../autograd/profiler.ts";
import { compile, type Program } from "../../autograd/program.ts";
import type { Tape } from "../../autograd/tape.ts";
import type { TokenIds } from "../../io/tokenizer/threads.ts";
import type { Value } from "../../kernels/language/operation.ts";
import { normalize } from "../../kernels/normalize.ts";
import { type BatchCapacity, BatchPacker, declareBatch, declarePooledSentences, tableSizes, withoutPrompt } from "../model/batch.ts";
import type { SimCseModel } from "../model/model.ts";
import { type EncodingPooler, poolSentences, rowsReadBy } from "../model/poolers.ts";

/** What a program is compiled for. */
export interface EncoderProgramSize {
  /** Whether vectors are scaled to unit length. */
  readonly normalize: boolean;
  /** The most sentences of a batch. */
  readonly sentences: number;
  /** The most tokens of a sentence. */
  readonly longest: number;
  /** The most tokens of a batch; `batch-size.ts` chooses it. */
  readonly tokens: number;
}

/** A text's tokens, as the model reads them. */
export interface TokenizedText {
  /** Token ids, special tokens included. */
  readonly ids: TokenIds;
  /** The number of leading tokens that are [CLS] and a prompt; some models leave them out of the vector. 0 if there is no prompt. */
  readonly promptTokens: number;
}

/** The places of sentences, those with the most tokens first. */
export function longestFirst(sentences: readonly TokenizedText[]): number[] {
  return [...sentences.keys()].sort((a, b) => sentences[b]!.ids.length - sentences[a]!.ids.length || a - b);
}

/** Batches that the device may have at once: it computes one while the vectors of the other are read and the next is packed. */
const mostInFlight = 2;

export class EncoderProgram {
  readonly #packer: BatchPacker;
  /** Reads of batches in flight. They never reject. */
  readonly #reading = new Set<Promise<unknown>>();

  private constructor(
    readonly program: Program<{ embeddings: Value }>,
    readonly size: EncoderProgramSize,
    readonly capacity: BatchCapacity,
    /** Whether the tokens of a prompt are left out of pooling. */
    readonly leavesOutPrompt: boolean,
  ) {
    this.#packer = new BatchPacker(capacity, { indices: false });
  }

  /** Throws `CapacityError` when the device is too small. */
  static async compile(model: SimCseModel, pooler: EncodingPooler, size: EncoderProgramSize): Promise<EncoderProgram> {
    const { sentences, longest, tokens } = size;
    const { config, modules, mlp, device, tuning } = model;
    const capacity: BatchCapacity = { sentences, tokens, longest, ...tableSizes(config) };
    const leavesOutPrompt = pooler === "sentence_transformers" && !modules.sentenceHead!.config.includePrompt;
    const record = (tape: Tape) => {
      const batch = declareBatch(tape, capacity, { indices: false });
      const rows = pooler === "sentence_transformers" ? modules.sentenceHead!.rows : rowsReadBy(pooler);
      const hidden = modules.transformer.forward(batch, { training: false, dtype: model.dtype, rows });
      const vectors =
        pooler === "sentence_transformers"
          ? modules.sentenceHead!.forward(hidden.at(-1)!, batch, leavesOutPrompt ? declarePooledSentences(tape, capacity) : batch.sentences)
          : poolSentences(pooler, hidden, batch, mlp);
      return { embeddings: size.normalize ? normalize(vectors) : vectors };
    };
    return new EncoderProgram(await compile(device, record, { tuning }), size, capacity, leavesOutPrompt);
  }

  /** Whether the next sentence, of `length` tokens, fits into a batch that already has `sentences` and `tokens`. */
  hasRoom(sentences: number, tokens: number, length: number): boolean {
    return sentences < this.capacity.sentences && tokens + length <= this.capacity.tokens;
  }

  /** Waits until the device has room for another batch. */
  async room(): Promise<void> {
    while (this.#reading.size >= mostInFlight) await Promise.race(this.#reading);
  }

  /** Submits a batch. Resolves to a function that waits for its vectors, f32 [sentences, dimension]. */
  async submit(batch: readonly TokenizedText[], profiler?: Profiler | null): Promise<() => Promise<Float32Array>> {
    const packed = this.#packer.pack(batch.map(({ ids }) => ({ ids, key: 0 })));
    const { sentences } = packed.inputs;
    const promptTokens = batch.map((text) => text.promptTokens);
    const pooled = this.leavesOutPrompt ? { "pooled sentences": withoutPrompt(sentences as Uint32Array, promptTokens) } : {};
    const input = { ...packed, inputs: { ...packed.inputs, ...pooled } };
    if (profiler) await profiler.run(this.program, input);
    else this.program.run(input);
    const vectors = this.program.read("embeddings", { rows: batch.length });
    const read: Promise<unknown> = vectors.catch(() => {}).then(() => this.#reading.delete(read));
    this.#reading.add(read);
    return () => vectors;
  }

  /** Frees the program's memory once all its vectors are read. */
  async retire(): Promise<void> {
    await Promise.all(this.#reading);
    this.close();
  }

  close(): void {
    this.program.close();
  }
}
