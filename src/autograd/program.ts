/**
 * A plan made real. Every buffer, pipeline and bind group is created once. A step writes its inputs and one uniform block, replays the
 * dispatches in one compute pass and submits once; only copies into textures come between passes. It creates nothing and reads nothing
 * back.
 *
 * Each submit has its own error scope. If the device finds an error in a step, only this program fails.
 */
import "../disposal.ts";
import { CapacityError, OptionError, ShapeError, type SimcseError } from "../errors.ts";
import type { ArithmeticUnit } from "../gpu/ceilings.ts";
import type { Device } from "../gpu/device.ts";
import { Lifetime } from "../gpu/lifetime.ts";
import { Timestamps } from "../gpu/timestamps.ts";
import { readsScalar, trafficOf } from "../kernels/language/kernel.ts";
import {
  bytesPerElement,
  capacity,
  type DType,
  formatShape,
  type LiveSize,
  rowWidth,
  Value,
  type Workgroups,
} from "../kernels/language/operation.ts";
import { checkOptions, type OptionNames } from "../options.ts";
import type { Tuning } from "./choices.ts";
import { buildDispatches, copyOperands, type Dispatch, encodeSized, type StepSizes, stepSizes } from "./dispatches.ts";
import { type Plan, plan, plannedNodes } from "./plan.ts";
import { ProgramMemory, refused } from "./program-memory.ts";
import { arrayOf, type InputWrite, type NeededInputs, type StepInput, StepInputs } from "./step-input.ts";
import { Tape } from "./tape.ts";

/** Options of `compile`. */
export interface CompileOptions {
  /** How nodes choose among their variants: measured (`Autotuner`) or given (`Choices`). If absent, each operation chooses. */
  readonly tuning?: Tuning | undefined;
  /** Refuse a plan that allocates more bytes than this, parameters included. */
  readonly maxBytes?: number;
}

const compileOptions: OptionNames<CompileOptions> = { tuning: true, maxBytes: true };

/** The whole program, or the part before or after its tape's pause. */
export type ProgramPart = "whole" | "before pause" | "after pause";

/** Where the run of a program is cut. What is submitted at the cut comes before the rest of the run. */
export interface Cut {
  /** The number of the program's dispatches before it. */
  readonly after: number;
  /** Called when they are submitted. */
  readonly reached: () => void;
}

/** The work of one dispatch. */
export interface DispatchWork {
  /** The operation it belongs to, its line in the printed plan, and its kernel. */
  readonly operation: string;
  readonly node: number;
  readonly kernel: string;
  /** Floating-point operations where the kernel counts them, else 0; and the least bytes that it reads and writes. */
  readonly flop: number;
  readonly bytes: number;
  /** The kind of arithmetic, which decides its ceiling. */
  readonly unit: ArithmeticUnit;
  readonly workgroups: Workgroups;
}

/** How long one dispatch of a profiled step took, and how much work it did. */
export interface DispatchProfile extends DispatchWork {
  /** Nanoseconds on the GPU's clock, from the first dispatch of the step. Copies of its operands into textures are included. */
  readonly begin: number;
  readonly end: number;
}

/** The array type that an output is read as. f32 is assumed where TypeScript does not know the output's dtype. */
export type OutputArray<Output extends { readonly dtype: DType }> = Output["dtype"] extends "u32" ? Uint32Array : Float32Array;

/**
 * Records, plans and builds a program. `record` gets an empty tape and returns the values to read afterwards, by name. Throws
 * `CapacityError` when the device or `maxBytes` is too small, `ShapeError` when shapes do not match, and `DeviceError` when the device
 * refuses a kernel.
 */
export async function compile<Outputs extends Record<string, Value>>(
  device: Device,
  record: (tape: Tape) => Outputs,
  options: CompileOptions = {},
): Promise<Program<Outputs>> {
  checkOptions("compile", options, compileOptions);
  const tape = new Tape();
  const outputs = record(tape);
  checkOutputs(tape, outputs);
  const choose = await options.tuning?.prepare(plannedNodes(tape, Object.values(outputs), device.capabilities));
  return Program.build(device, plan(tape, outputs, device.capabilities, choose), outputs, options);
}

function checkOutputs(tape: Tape, outputs: Record<string, Value>): void {
  for (const [name, output] of Object.entries(outputs)) {
    if (output instanceof Value && output.tape === tape) continue;
    throw new OptionError(
      `The output ${name} is no value of the program's tape.`,
      "Return values that were recorded on the tape that is passed in.",
    );
  }
}

/** A recorded program on a device, ready to run step after step. `compile` makes it; `close` frees its memory. */
export class Program<Outputs extends Record<string, Value> = Record<string, Value>> {
  /** One for each slot of the plan. */
  readonly buffers: readonly GPUBuffer[];
  readonly #inputs: StepInputs;
  readonly #memory: ProgramMemory;
  readonly #lifetime = new Lifetime("The program", "Compile it again.");
  /** The sizes of the last step. */
  #sizes: StepSizes | null = null;
  #failure: SimcseError | null = null;
  /** Resolves when the device has reported the errors of the last step. */
  #settled: Promise<void> = Promise.resolve();

  private constructor(
    readonly device: Device,
    readonly plan: Plan,
    /** The values that `read` can return, by name. */
    readonly outputs: Outputs,
    readonly dispatches: readonly Dispatch[],
    memory: ProgramMemory,
  ) {
    this.buffers = memory.slots;
    this.#memory = memory;
    this.#inputs = new StepInputs(plan.tape, neededInputs(plan));
  }

  /** Builds the program of a plan. Throws like `compile`; nothing stays allocated then. */
  static async build<Outputs extends Record<string, Value>>(
    device: Device,
    plan: Plan,
    outputs: Outputs,
    { maxBytes = Number.POSITIVE_INFINITY }: CompileOptions,
  ): Promise<Program<Outputs>> {
    const { bytes } = plan;
    if (bytes.total + bytes.persistent > maxBytes) {
      throw new CapacityError(
        `The plan needs ${bytes.total} bytes beside ${bytes.persistent} of parameters; ${maxBytes} are allowed.`,
        "Use a smaller batch, shorter sentences or a smaller model.",
      );
    }
    const memory = await ProgramMemory.allocate(device, plan);
    try {
      return new Program(device, plan, outputs, await buildDispatches(device, plan, memory), memory);
    } catch (error) {
      memory.destroy();
      throw error;
    }
  }

  /** The live sizes of the last step; the capacities before the first. */
  get live(): LiveSize {
    return this.#inputs.live;
  }

  /**
   * Writes the step's inputs and uniforms, replays the program and submits it. Returns at once while the GPU works. Throws `OptionError`
   * for an input that is missing, unknown or invalid, `CapacityError` for one that is too large, `ClosedError` after `close`, and the error
   * of an earlier step that failed.
   *
   * The `part` after the pause continues the step that began with the one before it, and takes no input of its own. `cuts`, in
   * ascending order, divide it into several submits.
   */
  run(input: StepInput = {}, part: ProgramPart = "whole", cuts: readonly Cut[] = []): void {
    this.check();
    const write = this.#take(input, part);
    const sizes = this.#sizesOf(this.live);
    const [first, end] = this.#rangeOf(part);
    let begin = first;
    for (const cut of [...cuts, null]) {
      const from = begin;
      begin = cut === null ? end : Math.max(from, cut.after);
      if (begin > from || (cut === null && from === first)) {
        this.#submit((encoder) => {
          if (from === first) write();
          encodeSized(encoder, this.dispatches, sizes, [from, begin]);
        });
      }
      cut?.reached();
    }
  }

  /**
   * Runs a step with each dispatch in its own pass between two timestamps. The results are those of `run`, but it is slower. Throws like
   * `run`, and `DeviceError` where the device has no timestamps.
   */
  async profile(input: StepInput = {}, part: ProgramPart = "whole"): Promise<DispatchProfile[]> {
    this.check();
    const dispatches = this.#dispatchesOf(part);
    const timestamps = new Timestamps(this.device, dispatches.length);
    try {
      const write = this.#take(input, part);
      const work = this.work(part);
      const { live } = this;
      this.#submit((encoder) => {
        write();
        for (const [i, { pipeline, bindGroup, copies }] of dispatches.entries()) {
          copyOperands(encoder, copies, live);
          const pass = encoder.beginComputePass(timestamps.pass(i));
          pass.setPipeline(pipeline);
          pass.setBindGroup(0, bindGroup);
          pass.dispatchWorkgroups(...work[i]!.workgroups);
          pass.end();
        }
        timestamps.resolve(encoder);
      });
      const times = await timestamps.read();
      await this.#settled;
      this.check();
      return work.map((own, i) => ({
        ...own,
        begin: dispatches[i]!.copies.length > 0 && i > 0 ? times[i - 1]!.end : times[i]!.begin,
        end: times[i]!.end,
      }));
    } finally {
      timestamps.close();
    }
  }

  /** The work of each dispatch in the last step; that at capacity before the first. */
  work(part: ProgramPart = "whole"): DispatchWork[] {
    const { live } = this;
    const origins = this.plan.steps.flatMap(({ node: { operation }, lowering }, node) =>
      lowering.kernels.map(() => ({ operation: operation.name, node })),
    );
    const first = part === "after pause" ? this.plan.pausedAt : 0;
    return this.#dispatchesOf(part).map(({ kernel }, i) => ({
      ...origins[first + i]!,
      kernel: kernel.shader.label,
      flop: kernel.flop?.(live) ?? 0,
      bytes: trafficOf(kernel, live),
      unit: kernel.shader.enables.includes("chromium_experimental_subgroup_matrix") ? "matrix" : "f32",
      workgroups: kernel.workgroups(live),
    }));
  }

  /** Takes the input of a step; returns how to write it. The part after the pause keeps what was written for the part before it. */
  #take(input: StepInput, part: ProgramPart): () => void {
    if (part === "after pause") return () => {};
    const writes = this.#inputs.take(input);
    return () => this.#write(writes);
  }

  /** The sizes of a step; those of the last one if no live size has changed. */
  #sizesOf(live: LiveSize): StepSizes {
    if (this.#sizes?.live !== live) this.#sizes = stepSizes(this.dispatches, live);
    return this.#sizes;
  }

  #dispatchesOf(part: ProgramPart): readonly Dispatch[] {
    return this.dispatches.slice(...this.#rangeOf(part));
  }

  /** The first of a part's dispatches, and the one after its last. */
  #rangeOf(part: ProgramPart): readonly [first: number, end: number] {
    const { pausedAt } = this.plan;
    return [part === "after pause" ? pausedAt : 0, part === "before pause" ? pausedAt : this.dispatches.length];
  }

  #write(writes: readonly InputWrite[]): void {
    for (const { value, data } of writes) {
      const where = this.plan.place(value);
      if ("slot" in where) this.device.write(this.buffers[where.slot]!, 0, data);
    }
    this.device.write(this.#memory.uniforms, 0, this.#inputs.block);
  }

  #submit(record: (encoder: GPUCommandEncoder) => void): void {
    this.#settled = this.device.submit(record).then((refusal) => {
      if (refusal !== null) this.#failure ??= refused(this.device, "a step of the program", refusal);
    });
  }

  /** Throws `ClosedError` after `close`, and the error of a failed step as soon as it is known. */
  check(): void {
    this.#lifetime.check();
    this.device.check();
    if (this.#failure !== null) throw this.#failure;
  }

  /** Waits for the steps run so far. Throws the error of one that failed. */
  async finish(): Promise<void> {
    this.check();
    await this.device.finish();
    await this.#settled;
    this.check();
  }

  /**
   * Reads an output after the steps run so far, row-major: of f32 a `Float32Array`, of u32 a `Uint32Array`. Its whole capacity, or only the
   * first `rows`. Waits for the GPU; reads at the same time are allowed. Throws `OptionError` for an unknown output and for more rows than it
   * has, `ShapeError` for f16, and like `finish`.
   */
  async read<Name extends keyof Outputs & string>(
    name: Name,
    options: { readonly rows?: number } = {},
  ): Promise<OutputArray<Outputs[Name]>> {
    this.check();
    if (!Object.hasOwn(this.outputs, name)) {
      const names = Object.keys(this.outputs);
      throw new OptionError(`The program has no output ${name}.`, names.length > 0 ? `It has ${names.join(", ")}.` : "It has none.");
    }
    const value = this.outputs[name]!;
    if (value.dtype === "f16")
      throw new ShapeError(`The output ${name} is f16, which is not read.`, 'Give cast(value, "f32") as the output.');
    const most = capacity(value.shape[0] ?? 1);
    const { rows = most } = options;
    if (!Number.isInteger(rows) || rows < 0 || rows > most)
      throw new OptionError(
        `The output ${name} ${formatShape(value.shape)} has no ${rows} rows.`,
        `Give a whole number from 0 to ${most}.`,
      );
    const settled = this.#settled;
    const bytes = await this.#memory.readbacks
      .get(value)!
      .read(rows * rowWidth(value.shape) * bytesPerElement[value.dtype])
      .catch((error: unknown) => {
        this.#lifetime.check();
        throw error;
      });
    await settled;
    this.check();
    return new arrayOf[value.dtype](bytes) as OutputArray<Outputs[Name]>;
  }

  /** Frees the program's own memory. Parameters belong to their store. */
  close(): void {
    if (this.#lifetime.end()) this.#memory.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** The tape's inputs and scalars that a kernel of the plan reads, or that are outputs. */
function neededInputs({ tape, steps, kernels, outputs }: Plan): NeededInputs {
  const baseOf = (value: Value): Value => (value.base === null ? value : baseOf(value.base));
  const read = new Set([...steps.flatMap(({ node }) => node.inputs), ...Object.values(outputs)].map(baseOf));
  return {
    inputs: [...tape.inputs.values()].filter((input) => read.has(input)),
    scalars: [...tape.scalars.values()].filter((scalar) => kernels.some((kernel) => readsScalar(kernel, scalar))),
  };
}
