/**
 * The training step of SimCSE: the batch's sentences under different dropout masks, the contrastive loss, its gradients and AdamW. It uses
 * mixed precision if the model keeps its matrices as f16. It is the same in Node and in a browser; reading files, evaluating and saving are
 * not part of it.
 */
import "../../../disposal.ts";
import { type Choices, choicesOf } from "../../../autograd/choices.ts";
import { type Plan, plan } from "../../../autograd/plan.ts";
import type { Profilable } from "../../../autograd/profiler.ts";
import { compile, type DispatchProfile, type Program } from "../../../autograd/program.ts";
import { segmentsOf, type TensorRange } from "../../../autograd/segments.ts";
import { Tape } from "../../../autograd/tape.ts";
import { CapacityError } from "../../../errors.ts";
import type { Capabilities, Limits } from "../../../gpu/capabilities.ts";
import type { Device } from "../../../gpu/device.ts";
import { Lifetime } from "../../../gpu/lifetime.ts";
import { Readback } from "../../../gpu/readback.ts";
import { optimizerField } from "../../../kernels/optimizer/optimizer-state.ts";
import type { TransformerConfig } from "../../../nn/architectures/architecture.ts";
import type { ArenaTensor } from "../../../nn/parameters/arena-tensor.ts";
import { type ParameterCounts, ParameterLayout } from "../../../nn/parameters/parameter-layout.ts";
import { type ModelOptions, Modules, type SimCseModel, trainingOf } from "../../model/model.ts";
import { blocksOf, exchangeBytes } from "./gradient-exchange.ts";
import { stepPrograms } from "./step-form.ts";
import { type Exchange, isRun, type ProgramRun, type Share, type StepPlace, type StepPrograms, wholeShare } from "./step-programs.ts";
import { historyLength, historyTensor, type TokenizedExample, type TrainingStepOptions } from "./step-recording.ts";

/** The numbers of one step. */
export interface StepMetrics {
  readonly loss: number;
  /** Norm of all gradients together, before clipping. */
  readonly gradientNorm: number;
  /** The masked language modelling loss before weighting, if there is one. */
  readonly mlmLoss?: number;
}

/** A training step as a run needs it, on one device or on several. */
export interface CompiledStep extends Profilable<[examples: readonly TokenizedExample[], update: number, learningRate: number]> {
  /** The step's programs by name, on the first device; a name says which part of the step it is. */
  readonly programs: ReadonlyMap<string, Program>;
  /** The step on each of the devices, the first one's first. */
  readonly onDevices: readonly TrainingStep[];
  /** Bytes on each device of the programs and the memory they share, without the parameters. */
  readonly bytes: number;
  metrics(first: number, last: number): Promise<StepMetrics[]>;
  scaling(): Promise<{ loss_scale: number; skipped_steps: number }>;
  [Symbol.dispose](): void;
}

/** The kernels that a step was compiled with. */
export function choicesOfStep({ programs }: CompiledStep): Choices {
  return choicesOf({ steps: [...programs.values()].flatMap(({ plan }) => plan.steps) });
}

/** A training step compiled for a model and a batch size. */
export class TrainingStep implements CompiledStep {
  readonly #lifetime = new Lifetime("The training step", "Create it again.");
  readonly #metrics: Readback;

  private constructor(
    readonly device: Device,
    /** The step's programs by name; a name says which part of the step it is. */
    readonly programs: ReadonlyMap<string, Program>,
    readonly options: TrainingStepOptions,
    readonly history: ArenaTensor,
    readonly optimizer: ArenaTensor,
    readonly steps: StepPrograms,
    metrics: Readback,
  ) {
    this.#metrics = metrics;
  }

  /** Builds the programs. Throws `CapacityError` when the device is too small for the batch. */
  static async create(model: SimCseModel, options: TrainingStepOptions): Promise<TrainingStep> {
    const { config, modules, store, device, tuning } = model;
    const history = historyTensor(options);
    const steps = stepPrograms({ config, modules, layout: store.layout, history }, options);
    const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
    const tensors = [history, ...steps.tensors];
    const [staging, ...buffers] = await device.allocate("the training step", [
      { label: "history staging", bytes: history.bytes, usage: COPY_DST | MAP_READ },
      ...tensors.map(({ name, bytes }) => ({ label: name, bytes, usage: STORAGE | COPY_SRC | COPY_DST })),
    ]);
    tensors.forEach((tensor, i) => {
      tensor.buffer = buffers[i]!;
    });
    const programs = new Map<string, Program>();
    const metrics = new Readback(device, staging!, history.window);
    const step = new TrainingStep(device, programs, options, history, store.layout.optimizer!, steps, metrics);
    try {
      for (const [name, record] of Object.entries(steps.records)) programs.set(name, await compile(device, record, { tuning }));
      return step;
    } catch (error) {
      step.close();
      throw error;
    }
  }

  get onDevices(): readonly TrainingStep[] {
    return [this];
  }

  /** The program that needs the most memory; the only one if the batch runs at once. */
  get program(): Program {
    return largest([...this.programs.values()], ({ plan }) => plan);
  }

  /** Bytes of the programs and the memory they share, without the parameters. */
  get bytes(): number {
    return sum([...this.programs.values()].map(({ plan }) => plan.bytes.total)) + sum(this.steps.tensors.map(({ bytes }) => bytes));
  }

  /**
   * Submits update number `update` (from 1) on tokenised examples; returns before the GPU is done. Two views of a sentence count as two
   * sentences, so their masks differ.
   */
  run(examples: readonly TokenizedExample[], update: number, learningRate: number): void {
    for (const next of this.sequence(examples, { update, learningRate }, wholeShare)) {
      if (isRun(next)) this.programs.get(next.program)!.run(next.input, next.part);
    }
  }

  /** Like `run`, with each kernel timed. Waits for the GPU. Throws `DeviceError` if the device has no timestamps. */
  async profile(examples: readonly TokenizedExample[], update: number, learningRate: number): Promise<DispatchProfile[]> {
    const dispatches: DispatchProfile[] = [];
    for (const next of this.sequence(examples, { update, learningRate }, wholeShare)) {
      if (isRun(next)) dispatches.push(...(await this.programs.get(next.program)!.profile(next.input, next.part)));
    }
    return dispatches;
  }

  /** Throws `ClosedError` after `close`, and the error of a failed program as soon as it is known. */
  check(): void {
    this.#lifetime.check();
    for (const program of this.programs.values()) program.check();
  }

  /** What this device does for its share of a step that it makes with others. Throws like `run`. */
  sequence(examples: readonly TokenizedExample[], place: StepPlace, share: Share): Iterable<ProgramRun | Exchange> {
    this.check();
    const { batchSize, accumulation = 1 } = this.options;
    if (examples.length > batchSize * accumulation) {
      throw new CapacityError(
        `The step takes ${batchSize * accumulation} examples, not ${examples.length}.`,
        "Compile it for a larger batch.",
      );
    }
    return this.steps.sequence(this.device, examples, place, share);
  }

  /** Metrics of updates `first` to `last`, at most `historyLength` of them. Waits for the GPU. Throws the error of a failed step. */
  async metrics(first: number, last: number): Promise<StepMetrics[]> {
    this.check();
    const ring = new Float32Array(await this.#metrics.read());
    this.check();
    const columns = this.history.shape[1]!;
    return Array.from({ length: last - first + 1 }, (_, i) => {
      const row = ((first + i) % historyLength) * columns;
      const [loss, gradientNorm, mlmLoss] = ring.subarray(row, row + columns);
      return { loss: loss!, gradientNorm: gradientNorm!, ...(mlmLoss !== undefined && { mlmLoss }) };
    });
  }

  /** The loss scale of mixed precision, and how many steps overflowed. Waits for the GPU. */
  async scaling(): Promise<{ loss_scale: number; skipped_steps: number }> {
    this.check();
    const state = new Float32Array(await this.device.read(this.optimizer.window));
    return { loss_scale: state[optimizerField.lossScale]!, skipped_steps: state[optimizerField.skipped]! };
  }

  /** Frees its memory; the model stays. */
  close(): void {
    if (!this.#lifetime.end()) return;
    for (const program of this.programs.values()) program.close();
    for (const { window } of [this.history, ...this.steps.tensors]) window.buffer.destroy();
    this.#metrics.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** About as many parts of the gradients leave a device while the backward pass computes the next one. */
const segments = 8;

/** The blocks in which devices with these limits add gradients, in segments that `plan`, that of the completing program, completes one after the other. */
export function exchangeSegments({ added }: StepPrograms, plan: Plan, limits: Limits): TensorRange[][] {
  return segmentsOf(plan, added, segments).map((ranges) => blocksOf(ranges, limits));
}

/** Bytes through which each of several devices exchanges tensors. */
export function bytesBetween(devices: number, steps: StepPrograms, plan: Plan, limits: Limits): number {
  if (devices === 1) return 0;
  return exchangeBytes(exchangeSegments(steps, plan, limits).flat(), devices) + sum(steps.gathered.map(({ bytes }) => bytes));
}

/** What a step would run and allocate on a device. */
export interface StepPlan {
  /** The plan of each program, by its name. */
  readonly plans: Readonly<Record<string, Plan>>;
  /** The largest of them. */
  readonly plan: Plan;
  /** Bytes of all programs and of the memory that they share. */
  readonly bytes: number;
  /** Bytes of parameters, gradients and optimiser state. */
  readonly persistentBytes: number;
  /** Dispatches of all programs, each once. */
  readonly dispatches: number;
  readonly parameters: ParameterCounts;
}

/** Plans a step; nothing is allocated. Throws `OptionError` for parts to freeze that the model does not have. */
export function planTrainingStep(
  config: TransformerConfig,
  model: Omit<ModelOptions, "training" | "head" | "tuning">,
  options: TrainingStepOptions,
  capabilities: Capabilities,
): StepPlan {
  const modules = new Modules(config, model);
  const training = trainingOf(modules, config, { ...model, training: true });
  const layout = new ParameterLayout(modules, { training, halves: model.halves ?? false, limits: capabilities.limits });
  const steps = stepPrograms({ config, modules, layout, history: historyTensor(options) }, options);
  const byName = Object.entries(steps.records).map(([name, record]) => {
    const tape = new Tape();
    return [name, plan(tape, record(tape), capabilities)] as const;
  });
  const plans = byName.map(([, own]) => own);
  const completing = new Map(byName).get(steps.completing)!;
  const exchanged = bytesBetween(options.devices ?? 1, steps, completing, capabilities.limits);
  const shared = sum(steps.tensors.map((tensor) => tensor.bytes)) + exchanged;
  const bytes = sum(plans.map(({ bytes }) => bytes.total)) + shared;
  const dispatches = sum(plans.map(({ kernels }) => kernels.length));
  return {
    plans: Object.fromEntries(byName),
    plan: largest(plans, (own) => own),
    bytes,
    persistentBytes: layout.bytes,
    dispatches,
    parameters: layout.counts,
  };
}

function largest<T>(items: readonly T[], planOf: (item: T) => Plan): T {
  return items.reduce((most, item) => (planOf(item).bytes.total > planOf(most).bytes.total ? item : most));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
