/**
 * The training step of unsupervised SimCSE as one program: the batch's sentences twice under different dropout masks, the contrastive loss, its
 * gradients and AdamW. In mixed precision where the model keeps its matrices as halves. The same in Node and in a browser; reading files, evaluating and saving are the trainer's.
 */
import { compile, type Program } from "../autograd/program.ts";
import type { Tape } from "../autograd/tape.ts";
import { CapacityError } from "../errors.ts";
import { recordHistory } from "../kernels/history.ts";
import type { Persistent, Value } from "../kernels/operation.ts";
import { type AdamWOptions, adamWDefaults, adamWStep } from "../nn/adamw.ts";
import { type BatchCapacity, BatchPacker, declareBatch } from "./batch.ts";
import { contrastiveLoss } from "./contrastive-loss.ts";
import type { SimCseModel } from "./model.ts";
import { type PoolerType, poolSentences } from "./poolers.ts";

export interface TrainingStepOptions {
  /** Examples a batch; each is two sentences. */
  readonly batchSize: number;
  /** Tokens a sentence has at most. */
  readonly maxSeqLength: number;
  readonly pooler: PoolerType;
  readonly temperature: number;
  readonly optimizer?: AdamWOptions;
  /** Compute each layer again in the backward pass, and keep only its input; false if absent. */
  readonly gradientCheckpointing?: boolean;
  readonly seed: number;
}

/** What one step was. */
export interface StepMetrics {
  readonly loss: number;
  /** Of all gradients together, before clipping. */
  readonly gradientNorm: number;
}

/** Steps whose metrics are kept on the GPU until they are read. */
export const historyLength = 1024;

const views = 2;

export class TrainingStep {
  readonly #packer: BatchPacker;

  private constructor(
    readonly program: Program<{ loss: Value }>,
    readonly options: TrainingStepOptions,
    readonly history: Persistent,
    readonly staging: GPUBuffer,
    readonly capacity: BatchCapacity,
  ) {
    this.#packer = new BatchPacker(capacity);
  }

  /** Builds the program. Throws `CapacityError` when the device is too small for the batch. */
  static async create(model: SimCseModel, options: TrainingStepOptions): Promise<TrainingStep> {
    const { batchSize, maxSeqLength, pooler, temperature, optimizer = adamWDefaults, gradientCheckpointing: recompute = false } = options;
    const { config, modules, mlp, store, device, tuning } = model;
    const capacity: BatchCapacity = {
      sentences: views * batchSize,
      tokens: views * batchSize * maxSeqLength,
      longest: maxSeqLength,
      vocabulary: config.vocab_size,
      positions: config.max_position_embeddings,
    };
    const history = historyTensor(model);
    const record = (tape: Tape) => {
      const batch = declareBatch(tape, capacity, { training: true });
      store.updateHalves(tape);
      const hidden = modules.bert.forward(batch, { training: true, dtype: store.keepsHalves ? "f16" : "f32", recompute });
      const embeddings = poolSentences(pooler, hidden, batch, mlp);
      const loss = contrastiveLoss(embeddings, { temperature, examples: tape.extent("examples", batchSize) });
      const norm = adamWStep(tape, loss, store, optimizer);
      recordHistory([loss, norm], history);
      return { loss };
    };
    const program = await compile(device, record, { tuning });
    const staging = device.createBuffer("history staging", history.window.size, GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ);
    return new TrainingStep(program, options, history, staging, capacity);
  }

  /**
   * Submits update number `update` (from 1) on tokenised sentences; returns before the GPU is done. Two views of a sentence are two logical
   * sentences, so their masks differ.
   */
  run(batch: readonly (readonly number[])[], update: number, learningRate: number): void {
    const { batchSize, seed } = this.options;
    if (batch.length > batchSize)
      throw new CapacityError(`The step takes ${batchSize} examples, not ${batch.length}.`, "Compile it for a larger batch.");
    const sentences = batch.flatMap((ids, example) => Array.from({ length: views }, (_, view) => ({ ids, key: example * views + view })));
    const { inputs, live } = this.#packer.pack(sentences, { training: true });
    this.program.run({
      inputs,
      live: { ...live, examples: batch.length },
      scalars: { learningRate },
      seed,
      step: update,
    });
  }

  /** Metrics of updates `first` to `last`, at most `historyLength` of them. Waits for the GPU. */
  async metrics(first: number, last: number): Promise<StepMetrics[]> {
    const ring = new Float32Array(await this.program.device.readThrough(this.staging, this.history.window));
    return Array.from({ length: last - first + 1 }, (_, i) => {
      const row = ((first + i) % historyLength) * 2;
      return { loss: ring[row]!, gradientNorm: ring[row + 1]! };
    });
  }

  close(): void {
    this.program.close();
    this.history.window.buffer.destroy();
    this.staging.destroy();
  }
}

function historyTensor({ device }: SimCseModel): Persistent {
  const size = historyLength * 2 * 4;
  const buffer = device.createBuffer("history", size, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
  return { name: "history", dtype: "f32", shape: [historyLength, 2], window: { buffer, offset: 0, size } };
}
