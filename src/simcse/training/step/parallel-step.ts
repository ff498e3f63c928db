/**
 * A training step that several devices share (data parallel). Each has the whole model and embeds its part of the batch. The embeddings are
 * gathered, so the loss is that of the whole batch with all its negatives, and each device propagates the gradient of its own embeddings. The
 * gradients are added in the order of the devices (`gradient-exchange.ts`), and each device makes the same update. So on devices of one
 * kind, parameters and moments are the same everywhere to the last bit.
 *
 * A step changes nothing that lasts until the gradients are added. If a device is lost, the others therefore begin the step again and share
 * its part. Only the loss of the first device, whose model the caller has, ends the run.
 */
import "../../../disposal.ts";
import type { Plan } from "../../../autograd/plan.ts";
import type { Cut, DispatchProfile, Program } from "../../../autograd/program.ts";
import { segmentEnds } from "../../../autograd/segments.ts";
import type { Device } from "../../../gpu/device.ts";
import type { ArenaTensor } from "../../../nn/parameters/arena-tensor.ts";
import { allEnded, allOrNone } from "../../all-ended.ts";
import type { SimCseModel } from "../../model/model.ts";
import { GradientExchange, type Member } from "./gradient-exchange.ts";
import { type Exchange, isRun, type ProgramRun, type StepPlace } from "./step-programs.ts";
import type { TokenizedExample, TrainingStepOptions } from "./step-recording.ts";
import { bytesBetween, type CompiledStep, exchangeSegments, type StepMetrics, TrainingStep } from "./training-step.ts";

export interface ParallelOptions {
  /** The devices besides the model's own. */
  readonly others: readonly Device[];
  /** Called when a device was lost and `left` others go on. */
  readonly onLoss?: ((device: Device, left: number) => void) | undefined;
}

/** A training step compiled for several devices. */
export class ParallelStep implements CompiledStep {
  readonly #onLoss: ParallelOptions["onLoss"];
  #replicas: readonly Replica[];
  /** Null once only one device is left. */
  #gradients: GradientExchange | null = null;

  private constructor(replicas: readonly Replica[], { onLoss }: ParallelOptions) {
    this.#replicas = replicas;
    this.#onLoss = onLoss;
  }

  /**
   * Copies the model to the other devices and builds the programs. Throws `CapacityError` when a device is too small, and `DeviceError` when
   * the limits of the devices do not fit together.
   */
  static async create(model: SimCseModel, options: TrainingStepOptions, parallel: ParallelOptions): Promise<ParallelStep> {
    const shared = { ...options, devices: parallel.others.length + 1 };
    const making = [
      Replica.create(model, shared),
      ...parallel.others.map(async (device) => Replica.create(await model.copyTo(device), shared, { ownsModel: true })),
    ];
    const step = new ParallelStep(await allOrNone(making, (replica) => replica.close()), parallel);
    try {
      await step.#connect();
      return step;
    } catch (error) {
      step.close();
      throw error;
    }
  }

  /** Prepares the exchange of gradients between the devices that there are. */
  async #connect(): Promise<void> {
    this.#gradients?.close();
    this.#gradients = null;
    for (const replica of this.#replicas) replica.cuts = [];
    if (this.#replicas.length === 1) return;
    const { step, completing, device } = this.#first;
    const segments = exchangeSegments(step.steps, completing, device.capabilities.limits);
    const exchange = await GradientExchange.create(this.#replicas, segments.flat());
    this.#gradients = exchange;
    for (const [rank, replica] of this.#replicas.entries()) {
      const ends = segmentEnds(replica.completing, replica.tensors, segments);
      replica.cuts = segments.map((blocks, i) => ({ after: ends[i]!, reached: () => exchange.send(rank, blocks) }));
    }
  }

  /** The models that are trained, the caller's first. */
  get models(): readonly SimCseModel[] {
    return this.#replicas.map(({ model }) => model);
  }

  get onDevices(): readonly TrainingStep[] {
    return this.#replicas.map(({ step }) => step);
  }

  get programs(): ReadonlyMap<string, Program> {
    return this.#first.step.programs;
  }

  get bytes(): number {
    const { step, completing, device } = this.#first;
    return step.bytes + bytesBetween(this.#replicas.length, step.steps, completing, device.capabilities.limits);
  }

  /** Makes update number `update`, like `TrainingStep.run`. Waits for the devices, because they exchange embeddings and gradients. */
  async run(examples: readonly TokenizedExample[], update: number, learningRate: number): Promise<void> {
    await this.#share(examples, { update, learningRate }, (program, { input, part }, cuts) => program.run(input, part, cuts));
  }

  /** Like `run`, with each kernel of the first device timed. */
  async profile(examples: readonly TokenizedExample[], update: number, learningRate: number): Promise<DispatchProfile[]> {
    const dispatches: DispatchProfile[] = [];
    await this.#share(examples, { update, learningRate }, async (program, { input, part }, cuts) => {
      if (program.device === this.#first.model.device) dispatches.push(...(await program.profile(input, part)));
      else program.run(input, part, cuts);
    });
    return dispatches;
  }

  metrics(first: number, last: number): Promise<StepMetrics[]> {
    return this.#first.step.metrics(first, last);
  }

  scaling(): Promise<{ loss_scale: number; skipped_steps: number }> {
    return this.#first.step.scaling();
  }

  /** Frees its memory, and the copies of the model; the caller's model and the devices stay. */
  close(): void {
    this.#gradients?.close();
    for (const replica of this.#replicas) replica.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  get #first(): Replica {
    return this.#replicas[0]!;
  }

  /** Runs a step on all devices, and again on the others if one is lost before the gradients were added. */
  async #share(examples: readonly TokenizedExample[], place: StepPlace, run: RunProgram): Promise<void> {
    for (let isDone = false; !isDone; ) {
      const replicas = this.#replicas;
      const parts = replicas.map(({ step }, rank) => step.sequence(examples, place, { rank, of: replicas.length })[Symbol.iterator]());
      try {
        for (let exchanges: readonly Exchange[] | null = []; exchanges !== null; ) {
          const reached = await allEnded(replicas.map((replica, rank) => replica.advance(parts[rank]!, run)));
          exchanges = reached[0] === null ? null : (reached as Exchange[]);
          if (exchanges === null) continue;
          if (exchanges[0] !== "add") await gather(replicas, exchanges as Gather[]);
          else {
            await this.#gradients?.add();
            isDone = true;
          }
        }
      } catch (error) {
        await this.#gradients?.discard();
        if (!(await this.#dropLost())) throw error;
      }
    }
  }

  /** Drops the devices that are lost. False if there is none, or if it is the first one. */
  async #dropLost(): Promise<boolean> {
    const lost = await Promise.all(this.#replicas.map(({ model }) => model.device.isLost()));
    if (lost[0] || !lost.includes(true)) return false;
    const dropped = this.#replicas.filter((_, i) => lost[i]);
    this.#replicas = this.#replicas.filter((_, i) => !lost[i]);
    for (const replica of dropped) {
      replica.close();
      this.#onLoss?.(replica.model.device, this.#replicas.length);
    }
    await this.#connect();
    return true;
  }
}

/** Runs a program of a step, or times it; `cuts` is where gradients are complete. */
type RunProgram = (program: Program, run: ProgramRun, cuts: readonly Cut[]) => void | Promise<void>;

/** The model on one of the devices, its step, and staging memory for the embeddings that it gives to others. */
class Replica implements Member {
  /** Where the run that completes the gradients is cut, to send those that are complete. */
  cuts: readonly Cut[] = [];

  private constructor(
    readonly model: SimCseModel,
    readonly step: TrainingStep,
    readonly staging: ReadonlyMap<ArenaTensor, GPUBuffer>,
    readonly ownsModel: boolean,
  ) {}

  /** Closes a model of its own if it cannot be built. */
  static async create(model: SimCseModel, options: TrainingStepOptions, { ownsModel = false } = {}): Promise<Replica> {
    const { device } = model;
    let step: TrainingStep | null = null;
    try {
      step = await TrainingStep.create(model, options);
      const { gathered } = step.steps;
      const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ;
      const staging = await device.allocate(
        "exchanging embeddings",
        gathered.map(({ name, bytes }) => ({ label: `${name}, staging`, bytes, usage })),
      );
      return new Replica(model, step, new Map(gathered.map((tensor, i) => [tensor, staging[i]!])), ownsModel);
    } catch (error) {
      step?.close();
      if (ownsModel) model.close();
      throw error;
    }
  }

  get device(): Device {
    return this.model.device;
  }

  /** What it adds to those of others. */
  get tensors(): readonly ArenaTensor[] {
    return this.step.steps.added;
  }

  get completing(): Plan {
    return this.step.programs.get(this.step.steps.completing)!.plan;
  }

  /** Runs programs up to the next exchange; returns null at the end of the step. */
  async advance(part: Iterator<ProgramRun | Exchange>, run: RunProgram): Promise<Exchange | null> {
    for (;;) {
      const { value, done } = part.next();
      if (done) return null;
      if (!isRun(value)) return value;
      await run(this.step.programs.get(value.program)!, value, value.completes ? this.cuts : []);
    }
  }

  close(): void {
    this.step.close();
    for (const buffer of this.staging.values()) buffer.destroy();
    if (this.ownsModel) this.model.close();
  }
}

/** Rows of a tensor that a device has computed. */
type Gather = Exclude<Exchange, "add">;

/** Gives each device the rows of all, as they are mapped. */
async function gather(replicas: readonly Replica[], reached: readonly Gather[]): Promise<void> {
  const windows = reached.map(({ gather: { window, shape }, rows: [first, end] }) => {
    const row = window.size / shape[0]!;
    return { ...window, offset: window.offset + first * row, size: (end - first) * row };
  });
  await allEnded(
    replicas.map(async ({ device, staging }, rank) => {
      const { offset, size } = windows[rank]!;
      if (size === 0 || replicas.length === 1) return;
      const buffer = staging.get(reached[rank]!.gather)!;
      const copied = device.submit((encoder) => encoder.copyBufferToBuffer(windows[rank]!.buffer, offset, buffer, 0, size));
      const bytes = await device.mapStaged(buffer, size, copied);
      try {
        for (const [i, { device: other }] of replicas.entries()) {
          if (i !== rank) other.gpu.queue.writeBuffer(windows[i]!.buffer, offset, bytes, 0, size);
        }
      } finally {
        buffer.unmap();
      }
    }),
  );
}
