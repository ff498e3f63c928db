/**
 * A plan made real: every buffer, pipeline and bind group is made once, and a step writes its inputs and one uniform block, replays the
 * dispatches in one compute pass and submits once. A step creates nothing and reads nothing back.
 */
import { CapacityError, OptionError, ShapeError } from "../errors.ts";
import type { ArithmeticUnit } from "../gpu/ceilings.ts";
import { type BufferWindow, bindingAlignment, type Device } from "../gpu/device.ts";
import { Timestamps } from "../gpu/timestamps.ts";
import { stepWords, trafficOf } from "../kernels/language/kernel.ts";
import { bytesPerElement, elementCount, type Kernel, type LiveSize, type Tensor, type Value } from "../kernels/language/operation.ts";
import { windowsOf } from "../kernels/language/windows.ts";
import type { Tuning } from "./choices.ts";
import { neededNodes, type Plan, plan } from "./plan.ts";
import { Tape } from "./tape.ts";

export interface CompileOptions {
  /** How nodes choose among their variants: measured (`Autotuner`) or given (`Choices`). Absent: each operation's own choice. */
  readonly tuning?: Tuning | undefined;
  /** Refuse a plan that allocates more bytes than this, parameters included. */
  readonly maxBytes?: number;
}

/** What a step is given. */
export interface StepInput {
  /** Tensors of the tape's inputs, row-major; a live input holds at least its live rows. An input left out keeps its last content. */
  readonly inputs?: Readonly<Record<string, Uint32Array | Float32Array | Uint16Array>>;
  /** Live sizes of the tape's extents. */
  readonly live?: Readonly<Record<string, number>>;
  readonly scalars?: Readonly<Record<string, number>>;
  /** Seeds of the random streams; a step number is part of every dropout mask. */
  readonly seed?: number;
  readonly step?: number;
}

interface Dispatch {
  readonly kernel: Kernel;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
}

/** What one dispatch of a profiled step took and did. */
export interface DispatchProfile {
  /** The operation that it belongs to, its line in the printed plan, and its kernel. */
  readonly operation: string;
  readonly node: number;
  readonly kernel: string;
  /** Nanoseconds on the GPU's clock, from the first dispatch of the step. */
  readonly begin: number;
  readonly end: number;
  /** Floating-point operations where the kernel counts them, else 0; and bytes of the tensors it binds, each once. */
  readonly flop: number;
  readonly bytes: number;
  /** What its arithmetic runs on. */
  readonly unit: ArithmeticUnit;
  readonly workgroups: readonly [number, number, number];
}

/**
 * Records, plans and builds a program. `record` gets an empty tape and returns the values to read afterwards, by name.
 * Throws `CapacityError` when the device or `maxBytes` is too small for it, `ShapeError` when values do not fit.
 */
export async function compile<Outputs extends Record<string, Value>>(
  device: Device,
  record: (tape: Tape) => Outputs,
  options: CompileOptions = {},
): Promise<Program<Outputs>> {
  const tape = new Tape();
  const outputs = record(tape);
  const choose = await options.tuning?.prepare(neededNodes(tape, Object.values(outputs)));
  return Program.build(device, plan(tape, outputs, device.capabilities, choose), outputs, options);
}

export class Program<Outputs extends Record<string, Value> = Record<string, Value>> {
  readonly #stepBlock = new ArrayBuffer(stepWords * 4);
  readonly #words = new Uint32Array(this.#stepBlock);
  readonly #floats = new Float32Array(this.#stepBlock);

  private constructor(
    readonly device: Device,
    readonly plan: Plan,
    readonly outputs: Outputs,
    readonly buffers: readonly GPUBuffer[],
    readonly uniforms: GPUBuffer,
    readonly staging: ReadonlyMap<Value, GPUBuffer>,
    readonly dispatches: readonly Dispatch[],
  ) {
    for (const { word, capacity } of plan.tape.extents.values()) this.#words[word] = capacity;
  }

  static async build<Outputs extends Record<string, Value>>(
    device: Device,
    plan: Plan,
    outputs: Outputs,
    { maxBytes = Number.POSITIVE_INFINITY }: CompileOptions,
  ) {
    const { bytes } = plan;
    if (bytes.total + bytes.persistent > maxBytes) {
      throw new CapacityError(
        `The plan needs ${bytes.total} bytes beside ${bytes.persistent} of parameters; ${maxBytes} are allowed.`,
        "Use a smaller batch, shorter sentences or a smaller model.",
      );
    }
    const { gpu } = device;
    gpu.pushErrorScope("out-of-memory");
    const { STORAGE, COPY_DST, COPY_SRC, UNIFORM, MAP_READ } = GPUBufferUsage;
    const buffers = plan.slots.map(({ label, bytes }) => device.createBuffer(label, bytes, STORAGE | COPY_DST | COPY_SRC));
    const uniforms = device.createBuffer("uniforms", bytes.uniforms, UNIFORM | COPY_DST);
    const staging = new Map(
      [...new Set<Value>(Object.values(outputs))].map(
        (value) => [value, device.createBuffer("staging", byteSize(value), COPY_DST | MAP_READ)] as const,
      ),
    );
    const outOfMemory = await gpu.popErrorScope();
    if (outOfMemory !== null) {
      for (const buffer of [...buffers, uniforms, ...staging.values()]) buffer.destroy();
      throw new CapacityError(
        `${device.name} has no room for the ${bytes.total} bytes of this plan beside ${bytes.persistent} of parameters: ${outOfMemory.message}`,
        "Use a smaller batch, shorter sentences or a smaller model.",
      );
    }
    const dispatches = await buildDispatches(device, plan, buffers, uniforms);
    return new Program(device, plan, outputs, buffers, uniforms, staging, dispatches);
  }

  /** Writes the step's inputs and uniforms, replays the program and submits it. Returns at once: the GPU works on. */
  run(input: StepInput = {}): void {
    this.#write(input);
    this.#submit();
  }

  /**
   * Runs a step with each dispatch in a pass of its own, between two timestamps. Computes what `run` computes, more slowly.
   * Throws `DeviceError` where the device has no timestamps.
   */
  async profile(input: StepInput = {}): Promise<DispatchProfile[]> {
    const live = this.#liveSize;
    const timestamps = new Timestamps(this.device, this.dispatches.length);
    this.#write(input);
    const encoder = this.device.gpu.createCommandEncoder();
    for (const [i, { pipeline, bindGroup, kernel }] of this.dispatches.entries()) {
      const pass = encoder.beginComputePass(timestamps.pass(i));
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(...kernel.workgroups(live));
      pass.end();
    }
    timestamps.resolve(encoder);
    this.device.submit(encoder.finish());
    const times = await timestamps.read();
    timestamps.close();
    const origins = this.plan.steps.flatMap(({ node: { operation }, lowering }, node) =>
      lowering.kernels.map(() => ({ operation: operation.name, node })),
    );
    return this.dispatches.map(({ kernel }, i) => ({
      ...origins[i]!,
      kernel: kernel.shader.label,
      ...times[i]!,
      flop: kernel.flop?.(live) ?? 0,
      bytes: trafficOf(kernel, live),
      unit: kernel.shader.enables.includes("chromium_experimental_subgroup_matrix") ? "matrix" : "f32",
      workgroups: kernel.workgroups(live),
    }));
  }

  #write({ inputs = {}, live = {}, scalars = {}, seed = 0, step = 0 }: StepInput): void {
    this.device.check();
    const { tape, place } = this.plan;
    for (const [name, data] of Object.entries(inputs)) {
      const value = tape.inputs.get(name);
      if (value === undefined) throw new OptionError(`The program has no input ${name}.`, `It has ${[...tape.inputs.keys()].join(", ")}.`);
      if (arrayOf[value.dtype] !== data.constructor) {
        throw new OptionError(
          `The input ${name} is ${value.dtype}, not a ${data.constructor.name}.`,
          `Give a ${arrayOf[value.dtype].name}.`,
        );
      }
      if (data.byteLength > byteSize(value)) {
        throw new CapacityError(
          `The input ${name} holds ${byteSize(value)} bytes, not ${data.byteLength}.`,
          "Compile the program for larger batches.",
        );
      }
      const where = place(value);
      if ("slot" in where) this.device.gpu.queue.writeBuffer(this.buffers[where.slot]!, 0, data as GPUAllowSharedBufferSource);
    }
    this.#words[0] = seed;
    this.#words[1] = step;
    for (const [name, value] of Object.entries(scalars)) {
      const scalar = tape.scalars.get(name);
      if (scalar === undefined)
        throw new OptionError(`The program has no scalar ${name}.`, `It has ${[...tape.scalars.keys()].join(", ")}.`);
      this.#floats[scalar.word] = value;
    }
    for (const [name, size] of Object.entries(live)) {
      const extent = tape.extents.get(name);
      if (extent === undefined)
        throw new OptionError(`The program has no extent ${name}.`, `It has ${[...tape.extents.keys()].join(", ")}.`);
      if (size > extent.capacity)
        throw new CapacityError(`${name} is at most ${extent.capacity}, not ${size}.`, "Compile the program for larger batches.");
      this.#words[extent.word] = size;
    }
    this.device.gpu.queue.writeBuffer(this.uniforms, 0, this.#stepBlock);
  }

  readonly #liveSize: LiveSize = (dimension) => (typeof dimension === "number" ? dimension : this.#words[dimension.word]!);

  #submit(): void {
    const encoder = this.device.gpu.createCommandEncoder();
    const pass = encoder.beginComputePass();
    let current: GPUComputePipeline | null = null;
    for (const { pipeline, bindGroup, kernel } of this.dispatches) {
      const [x, y, z] = kernel.workgroups(this.#liveSize);
      if (x * y * z === 0) continue;
      if (pipeline !== current) pass.setPipeline(pipeline);
      current = pipeline;
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(x, y, z);
    }
    pass.end();
    this.device.submit(encoder.finish());
  }

  /**
   * Reads an output after the steps run so far, its whole capacity, row-major. Waits for the GPU. Of u32 it gives the bits: view its buffer as a
   * `Uint32Array`. Throws `ShapeError` for f16.
   */
  async read(name: keyof Outputs & string): Promise<Float32Array> {
    const value = this.outputs[name]!;
    if (value.dtype === "f16")
      throw new ShapeError(`The output ${name} is f16, which is not read.`, 'Give cast(value, "f32") as the output.');
    return new Float32Array(await this.device.readThrough(this.staging.get(value)!, windowOf(this.plan, this.buffers, value)));
  }

  /** Frees the program's own memory. */
  close(): void {
    for (const buffer of [...this.buffers, this.uniforms, ...this.staging.values()]) buffer.destroy();
  }
}

/** What holds a dtype on the host: halves as their bits. */
const arrayOf = { f32: Float32Array, f16: Uint16Array, u32: Uint32Array } as const;

function byteSize({ dtype, shape }: Tensor): number {
  return Math.ceil((elementCount(shape) * bytesPerElement[dtype]) / 4) * 4;
}

function windowOf({ place }: Plan, buffers: readonly GPUBuffer[], tensor: Tensor): BufferWindow {
  const where = place(tensor);
  return "persistent" in where ? where.persistent.window : { buffer: buffers[where.slot]!, offset: 0, size: byteSize(tensor) };
}

async function buildDispatches(device: Device, plan: Plan, buffers: readonly GPUBuffer[], uniforms: GPUBuffer): Promise<Dispatch[]> {
  const pipelines = await Promise.all(plan.kernels.map(({ shader }) => device.pipeline(shader)));
  let offset = stepWords * 4;
  return plan.kernels.map((kernel, i) => {
    const { shader, bindings, params } = kernel;
    const { pipeline, layout } = pipelines[i]!;
    const windows: BufferWindow[] = [{ buffer: uniforms, offset: 0, size: stepWords * 4 }];
    if (params.length > 0) {
      device.gpu.queue.writeBuffer(uniforms, offset, params as GPUAllowSharedBufferSource);
      windows.push({ buffer: uniforms, offset, size: Math.ceil(params.byteLength / 16) * 16 });
      offset += bindingAlignment;
    }
    for (const { tensor } of bindings) {
      windows.push(...windowsOf(windowOf(plan, buffers, tensor), device.capabilities.limits.maxStorageBufferBindingSize));
    }
    return { kernel, pipeline, bindGroup: device.createBindGroup(shader.label, layout, windows) };
  });
}
