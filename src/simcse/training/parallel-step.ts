/**
 * A training step that several devices share (data parallel). Each has the whole model and embeds its part of the batch. The embeddings are
 * gathered, so the loss is that of the whole batch with all its negatives, and each device propagates the gradient of its own embeddings. The
 * gradients are added on the host in the order of the devices, and each device makes the same update. So on devices of one kind, parameters
 * and moments are the same everywhere to the last bit.
 *
 * A step changes nothing that lasts until the gradients are added. If a device is lost, the others therefore begin the step again and share
 * its part. Only the loss of the first device, whose model the caller has, ends the run.
 */
import type { DispatchProfile, Program } from "../../autograd/program.ts";
import type { Device } from "../../gpu/device.ts";
import { Readback } from "../../gpu/readback.ts";
import type { ArenaTensor } from "../../nn/parameters/arena-tensor.ts";
import type { SimCseModel } from "../model/model.ts";
import type { Exchange, ProgramRun, StepPlace } from "./step-programs.ts";
import type { TokenizedExample, TrainingStepOptions } from "./step-recording.ts";
import { type CompiledStep, exchangeBytes, type StepMetrics, TrainingStep } from "./training-step.ts";

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
    const made = await Promise.allSettled([
      Replica.create(model, shared),
      ...parallel.others.map(async (device) => Replica.create(await model.copyTo(device), shared, { ownsModel: true })),
    ]);
    const replicas = made.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    const failed = made.find((result) => result.status === "rejected");
    if (failed === undefined) return new ParallelStep(replicas, parallel);
    for (const replica of replicas) replica.close();
    throw failed.reason;
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
    return this.#first.step.bytes + exchangeBytes(this.#first.step.steps);
  }

  /** Makes update number `update`, like `TrainingStep.run`. Waits for the devices, because they exchange embeddings and gradients. */
  async run(examples: readonly TokenizedExample[], update: number, learningRate: number): Promise<void> {
    await this.#share(examples, { update, learningRate }, (program, { input, part }) => program.run(input, part));
  }

  /** Like `run`, with each kernel of the first device timed. */
  async profile(examples: readonly TokenizedExample[], update: number, learningRate: number): Promise<DispatchProfile[]> {
    const dispatches: DispatchProfile[] = [];
    await this.#share(examples, { update, learningRate }, async (program, { input, part }) => {
      if (program.device === this.#first.model.device) dispatches.push(...(await program.profile(input, part)));
      else program.run(input, part);
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
          const reached = await all(replicas.map((replica, rank) => replica.advance(parts[rank]!, run)));
          exchanges = reached[0] === null ? null : (reached as Exchange[]);
          if (exchanges === null) continue;
          await exchange(replicas, exchanges);
          isDone = "add" in exchanges[0]!;
        }
      } catch (error) {
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
    return true;
  }
}

/** Runs a program of a step, or times it. */
type RunProgram = (program: Program, run: ProgramRun) => void | Promise<void>;

/** The model on one of the devices, its step, and staging memory for what it exchanges. */
class Replica {
  private constructor(
    readonly model: SimCseModel,
    readonly step: TrainingStep,
    readonly readbacks: ReadonlyMap<ArenaTensor, Readback>,
    readonly ownsModel: boolean,
  ) {}

  /** Closes a model of its own if it cannot be built. */
  static async create(model: SimCseModel, options: TrainingStepOptions, { ownsModel = false } = {}): Promise<Replica> {
    const { device } = model;
    let step: TrainingStep | null = null;
    try {
      step = await TrainingStep.create(model, options);
      const { exchanged } = step.steps;
      const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ;
      const staging = await device.allocate(
        "exchanging gradients",
        exchanged.map(({ name, bytes }) => ({ label: `${name}, staging`, bytes, usage })),
      );
      const readbacks = exchanged.map((tensor, i) => [tensor, new Readback(device, staging[i]!, tensor.window)] as const);
      return new Replica(model, step, new Map(readbacks), ownsModel);
    } catch (error) {
      step?.close();
      if (ownsModel) model.close();
      throw error;
    }
  }

  /** Runs programs up to the next exchange; returns null at the end of the step. */
  async advance(part: Iterator<ProgramRun | Exchange>, run: RunProgram): Promise<Exchange | null> {
    for (;;) {
      const { value, done } = part.next();
      if (done) return null;
      if (!("program" in value)) return value;
      await run(this.step.programs.get(value.program)!, value);
    }
  }

  async read(tensor: ArenaTensor): Promise<Float32Array> {
    return new Float32Array(await this.readbacks.get(tensor)!.read());
  }

  write({ window }: ArenaTensor, data: Float32Array): void {
    this.model.device.gpu.queue.writeBuffer(window.buffer, window.offset, data as GPUAllowSharedBufferSource);
  }

  close(): void {
    this.step.close();
    for (const readback of this.readbacks.values()) readback.close();
    if (this.ownsModel) this.model.close();
  }
}

/** Makes an exchange that all devices have reached. */
async function exchange(replicas: readonly Replica[], reached: readonly Exchange[]): Promise<void> {
  const rows = reached.flatMap((one) => ("gather" in one ? [one] : []));
  if (rows.length > 0) return gather(replicas, rows);
  const tensors = reached.flatMap((one) => ("add" in one ? [one.add] : []));
  await all(
    tensors[0]!.map((_, i) =>
      add(
        replicas,
        tensors.map((own) => own[i]!),
      ),
    ),
  );
}

async function gather(replicas: readonly Replica[], reached: readonly Extract<Exchange, { gather: unknown }>[]): Promise<void> {
  const [
    {
      gather: { shape },
    },
  ] = reached as [(typeof reached)[0]];
  const width = shape[1]!;
  const parts = await all(replicas.map((replica, rank) => replica.read(reached[rank]!.gather)));
  const whole = new Float32Array(shape[0]! * width);
  for (const [
    rank,
    {
      rows: [first, end],
    },
  ] of reached.entries()) {
    whole.set(parts[rank]!.subarray(first * width, end * width), first * width);
  }
  for (const [rank, replica] of replicas.entries()) replica.write(reached[rank]!.gather, whole);
}

/** Adds tensors of the same shape, the first device's first. */
async function add(replicas: readonly Replica[], tensors: readonly ArenaTensor[]): Promise<void> {
  const [sum, ...others] = await all(replicas.map((replica, rank) => replica.read(tensors[rank]!)));
  for (const other of others) for (let i = 0; i < other.length; i++) sum![i]! += other[i]!;
  for (const [rank, replica] of replicas.entries()) replica.write(tensors[rank]!, sum!);
}

/** Waits until all have ended, so that nothing is still going on when one has failed. */
async function all<T>(work: readonly Promise<T>[]): Promise<T[]> {
  const ended = await Promise.allSettled(work);
  const failed = ended.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  return ended.map((result) => (result as PromiseFulfilledResult<T>).value);
}
