/**
 * The training step of unsupervised SimCSE as one program: the batch's sentences twice under different dropout masks, the contrastive loss, its
 * gradients and AdamW. In mixed precision where the model keeps its matrices as halves. The same in Node and in a browser; reading files, evaluating and saving are the trainer's.
 */
import { type Plan, plan } from "../autograd/plan.ts";
import { compile, type Program } from "../autograd/program.ts";
import { Tape } from "../autograd/tape.ts";
import { CapacityError } from "../errors.ts";
import type { Capabilities } from "../gpu/capabilities.ts";
import { recordHistory } from "../kernels/history.ts";
import type { Persistent, Value } from "../kernels/operation.ts";
import { optimizerField } from "../kernels/optimizer-state.ts";
import { type AdamWOptions, adamWDefaults, adamWStep } from "../nn/adamw.ts";
import { ArenaTensor } from "../nn/arena-tensor.ts";
import type { BertConfig } from "../nn/bert-config.ts";
import { ParameterLayout } from "../nn/parameter-layout.ts";
import { type BatchCapacity, BatchPacker, declareBatch, tableSizes } from "./batch.ts";
import { contrastiveLoss } from "./contrastive-loss.ts";
import { type ModelOptions, Modules, type SimCseModel } from "./model.ts";
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
    readonly optimizer: Persistent,
    readonly staging: GPUBuffer,
    readonly capacity: BatchCapacity,
  ) {
    this.#packer = new BatchPacker(capacity);
  }

  /** Builds the program. Throws `CapacityError` when the device is too small for the batch. */
  static async create(model: SimCseModel, options: TrainingStepOptions): Promise<TrainingStep> {
    const { config, modules, store, device } = model;
    const history = historyTensor();
    history.buffer = device.createBuffer(history.name, history.bytes, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
    const capacity = batchCapacity(config, options);
    const program = await compile(device, (tape) => record(tape, { modules, layout: store.layout, history, capacity }, options));
    const staging = device.createBuffer("history staging", history.bytes, GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ);
    return new TrainingStep(program, options, history, store.layout.optimizer!, staging, capacity);
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

  /** The loss scale of mixed precision, and how many steps overflowed. Waits for the GPU. */
  async scaling(): Promise<{ loss_scale: number; skipped_steps: number }> {
    const state = new Float32Array(await this.program.device.read(this.optimizer.window));
    return { loss_scale: state[optimizerField.lossScale]!, skipped_steps: state[optimizerField.skipped]! };
  }

  close(): void {
    this.program.close();
    this.history.window.buffer.destroy();
    this.staging.destroy();
  }
}

/** A row of loss and gradient norm for each of the last steps. */
const historyTensor = () => new ArenaTensor("history", "f32", [historyLength, 2]);

function batchCapacity(config: BertConfig, { batchSize, maxSeqLength }: TrainingStepOptions): BatchCapacity {
  return {
    sentences: views * batchSize,
    tokens: views * batchSize * maxSeqLength,
    longest: maxSeqLength,
    ...tableSizes(config),
  };
}

interface Recording {
  readonly modules: Modules;
  readonly layout: ParameterLayout;
  readonly history: Persistent;
  readonly capacity: BatchCapacity;
}

function record(tape: Tape, { modules, layout, history, capacity }: Recording, options: TrainingStepOptions): { loss: Value } {
  const { batchSize, pooler, temperature, optimizer = adamWDefaults, gradientCheckpointing: recompute = false } = options;
  const batch = declareBatch(tape, capacity, { training: true });
  layout.updateHalves(tape);
  const hidden = modules.bert.forward(batch, { training: true, dtype: layout.keepsHalves ? "f16" : "f32", recompute });
  const embeddings = poolSentences(pooler, hidden, batch, modules.mlp?.dense ?? null);
  const loss = contrastiveLoss(embeddings, { temperature, examples: tape.extent("examples", batchSize) });
  const norm = adamWStep(tape, loss, layout, optimizer);
  recordHistory([loss, norm], history);
  return { loss };
}

/** What a step would run and take on a device, with nothing allocated: the plan, and the bytes of parameters and optimiser state beside it. */
export function planTrainingStep(
  config: BertConfig,
  { mlp, halves = false }: Omit<ModelOptions, "training">,
  options: TrainingStepOptions,
  capabilities: Capabilities,
): { readonly plan: Plan; readonly persistentBytes: number } {
  const modules = new Modules(config, mlp);
  const layout = new ParameterLayout(modules, { training: true, halves, largestArena: capabilities.limits.maxStorageBufferBindingSize });
  const tape = new Tape();
  const outputs = record(tape, { modules, layout, history: historyTensor(), capacity: batchCapacity(config, options) }, options);
  return { plan: plan(tape, outputs, capabilities), persistentBytes: layout.bytes };
}
