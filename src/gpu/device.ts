/**
 * An open WebGPU device: buffers, cached pipelines, reading back, and a count of everything it created, so that a test can show that a step
 * creates nothing. It knows nothing about tensors and is the same in Node and in a browser: `openDevice` of `node.ts` and `browser.ts`
 * differ only in where the `GPU` object comes from.
 *
 * An error belongs to the call that caused it (`error-scope.ts`), never to the device. Only a lost or closed device fails everything on it.
 */
import "../disposal.ts";
import { CapacityError, DeviceError, type SimcseError } from "../errors.ts";
import { adapterName } from "./adapter-name.ts";
import { type Capabilities, readCapabilities } from "./capabilities.ts";
import { inErrorScope, type Refusal } from "./error-scope.ts";
import { Lifetime } from "./lifetime.ts";
import { bindGroupLayoutEntries, type ShaderDeclaration, type ShaderTarget, shaderCode } from "./shader.ts";

/** Options of `openDevice` in every environment. */
export interface DeviceOptions {
  /** `full` requests every feature and limit that some kernel can use. `core` requests none, like the weakest WebGPU device. */
  readonly profile?: "full" | "core" | undefined;
  readonly powerPreference?: "low-power" | "high-performance" | undefined;
  /** Bind at most this many bytes of a tensor at once, like a smaller device; the device's own limit if absent. */
  readonly largestBinding?: number | undefined;
}

/** How many of each thing the device has created or done since it was opened. */
export interface DeviceCounters {
  buffers: number;
  /** Bytes of all buffers created, including those destroyed since. */
  bufferBytes: number;
  bindGroups: number;
  pipelines: number;
  submits: number;
  readbacks: number;
}

/** A compiled kernel and the layout of its bind group. */
export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** The offsets of bindings must be multiples of this many bytes on every device. */
export const bindingAlignment = 256;

/** Where the next binding may begin after as many bytes. */
export const alignedForBinding = (bytes: number): number => Math.ceil(bytes / bindingAlignment) * bindingAlignment;

/** A range of a buffer; offset and size in bytes. */
export interface BufferWindow {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly size: number;
}

/** The whole words of 32 bits that as many bytes take: buffers, copies and bindings consist of words. */
export const wholeWords = (bytes: number): number => Math.ceil(bytes / 4) * 4;

/** A buffer to create; `bytes` is rounded up to a multiple of 4. */
export interface BufferDeclaration {
  readonly label: string;
  readonly bytes: number;
  readonly usage: number;
}

const usefulFeatures = ["subgroups", "subgroup-size-control", "shader-f16", "timestamp-query", "chromium-experimental-subgroup-matrix"];
const usefulLimits = [
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxTextureDimension2D",
  "maxTextureArrayLayers",
] as const;

/** The parts of a device that differ between environments. */
export interface DeviceEnvironment {
  /** How to wait for work of the device; as promises do if absent. `software`: the adapter runs on this machine's CPU cores. */
  readonly waitFor?: ((gpu: GPUDevice, software: boolean) => Wait) | undefined;
  /** Calls what asks for the adapter. */
  readonly asking?: (<T>(ask: () => T) => T) | undefined;
}

/** Waits for work of a device. */
export type Wait = <T>(work: Promise<T>) => Promise<T>;

/** Does nothing meanwhile. */
export const waitPlainly: Wait = (work) => work;

/** Opens a device on `gpu`. Throws `DeviceError` when there is no adapter or it refuses. */
export async function openDeviceOn(gpu: GPU, options: DeviceOptions = {}, environment: DeviceEnvironment = {}): Promise<Device> {
  const refusal = (message: string, cause?: unknown) =>
    new DeviceError(
      message,
      "Update the graphics driver and, in a browser, turn on hardware acceleration; in Node, `npx simcse setup` finds or installs a software one.",
      { cause },
    );
  const { asking = (ask) => ask() } = environment;
  const { powerPreference } = options;
  const adapter = await asking(() => gpu.requestAdapter(powerPreference ? { powerPreference } : {})).catch((cause: Error) => {
    throw refusal(`No WebGPU adapter could be opened: ${cause.message}`, cause);
  });
  if (adapter === null) throw refusal("No WebGPU adapter was found.");
  const full = (options.profile ?? "full") === "full";
  const requiredFeatures = full ? usefulFeatures.filter((name) => adapter.features.has(name)) : [];
  const requiredLimits = full ? Object.fromEntries(usefulLimits.map((name) => [name, adapter.limits[name]])) : {};
  try {
    const device = await adapter.requestDevice({ requiredFeatures: requiredFeatures as GPUFeatureName[], requiredLimits });
    return new Device(device, await readCapabilities(gpu, device, adapter.info, options.largestBinding), adapter.info, environment);
  } catch (cause) {
    const message = `The adapter ${adapterName(adapter.info)} refused to open a device.`;
    throw new DeviceError(message, "Update its driver, or choose another adapter.", { cause });
  }
}

/** An open WebGPU device. `openDevice` opens one. */
export class Device {
  /** The card and its driver, as far as the adapter tells them. */
  readonly name: string;
  readonly counters: DeviceCounters = { buffers: 0, bufferBytes: 0, bindGroups: 0, pipelines: 0, submits: 0, readbacks: 0 };
  /** Resolves when the device is gone: `destroyed` after `close`, else a driver reset or an unplugged GPU. */
  readonly lost: Promise<GPUDeviceLostInfo>;
  /**
   * Messages of the first few errors that no error scope caught. Everything in this package has a scope, so these come from other code that
   * uses `gpu`. A browser also shows them in its console.
   */
  readonly uncapturedErrors: string[] = [];
  readonly #onUncapturedError = ({ error }: GPUUncapturedErrorEvent): void => {
    if (this.uncapturedErrors.length < keptErrors) this.uncapturedErrors.push(error.message);
  };
  readonly #pipelines = new Map<string, Promise<Pipeline>>();
  readonly #wait: Wait;
  readonly #lifetime: Lifetime;
  #loss: DeviceError | null = null;

  constructor(
    /** WebGPU's own device. */
    readonly gpu: GPUDevice,
    /** What kernels and plans are chosen by. */
    readonly capabilities: Capabilities,
    /** WebGPU's description of the adapter. */
    readonly info: GPUAdapterInfo,
    { waitFor = () => waitPlainly }: DeviceEnvironment = {},
  ) {
    this.name = adapterName(info);
    this.lost = gpu.lost;
    this.#lifetime = new Lifetime(`The device ${this.name}`, "Open another one, and load models on it.");
    this.#wait = waitFor(gpu, capabilities.software);
    gpu.addEventListener("uncapturederror", this.#onUncapturedError);
    gpu.lost.then(({ message }) => {
      this.#loss = new DeviceError(
        `${this.name}: the device was lost: ${message}`,
        "Open another device, or update the driver; training goes on from its last checkpoint.",
      );
    });
  }

  /** Why the device cannot be used any more: it was closed (`ClosedError`) or lost (`DeviceError`). Null while it works. */
  get failure(): SimcseError | null {
    return this.#lifetime.isOpen ? this.#loss : this.#lifetime.error;
  }

  /**
   * Whether the device is lost, without having been closed, or is told to be within so many milliseconds. Yields at least once: Dawn resolves
   * `lost` after the failing call rejects.
   */
  async isLost(within = 0): Promise<boolean> {
    const pending = new Promise<"open">((resolve) => setTimeout(() => resolve("open"), within));
    return (await Promise.race([this.lost, pending])) !== "open" && this.#lifetime.isOpen;
  }

  /** Throws `failure` if there is one. */
  check(): void {
    const { failure } = this;
    if (failure !== null) throw failure;
  }

  /** A new buffer of zeros; `bytes` is rounded up to a multiple of 4. Throws `CapacityError` when it is more than a buffer of the device holds. */
  createBuffer(label: string, bytes: number, usage: number): GPUBuffer {
    this.check();
    const size = Math.max(4, wholeWords(bytes));
    if (size > this.gpu.limits.maxBufferSize) {
      throw new CapacityError(
        `${label} needs a buffer of ${size} bytes; ${this.name} allows ${this.gpu.limits.maxBufferSize} (maxBufferSize).`,
        "Use a smaller batch, shorter sentences or a smaller model.",
      );
    }
    this.counters.buffers++;
    this.counters.bufferBytes += size;
    return this.gpu.createBuffer({ label, size, usage });
  }

  /** A buffer to read bytes back through. Where there is no room for it, reading fails. */
  createStaging(bytes: number): GPUBuffer {
    const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ;
    return inErrorScope(this.gpu, () => this.createBuffer("readback", bytes, usage)).result;
  }

  /**
   * Creates several buffers of zeros, or none: when one fails, the others are destroyed. Throws `CapacityError` when the device has no
   * room; it names the memory by `purpose`, such as "the model's parameters".
   */
  async allocate(
    purpose: string,
    declarations: readonly BufferDeclaration[],
    remedy = "Use a smaller batch, shorter sentences or a smaller model, or close what is not needed.",
  ): Promise<GPUBuffer[]> {
    const buffers: GPUBuffer[] = [];
    try {
      const { refusal } = inErrorScope(this.gpu, () => {
        for (const { label, bytes, usage } of declarations) buffers.push(this.createBuffer(label, bytes, usage));
      });
      const refused = await refusal;
      this.check();
      if (refused === null) return buffers;
      const bytes = buffers.reduce((sum, { size }) => sum + size, 0);
      throw new CapacityError(`${this.name} has no room for the ${bytes} bytes of ${purpose}: ${refused.message}`, remedy);
    } catch (error) {
      for (const buffer of buffers) buffer.destroy();
      throw error;
    }
  }

  /** What the text of its shaders depends on. */
  get shaderTarget(): ShaderTarget {
    const { features, subgroupSize, asksForSubgroupSize } = this.capabilities;
    return { hasHalves: features.has("shader-f16"), askedLanes: asksForSubgroupSize ? subgroupSize : null };
  }

  /**
   * The compiled pipeline of a shader, from the cache if the same WGSL was compiled before. Throws `DeviceError` with the compiler's
   * message.
   */
  async pipeline(shader: ShaderDeclaration): Promise<Pipeline> {
    this.check();
    const code = shaderCode(shader, this.shaderTarget);
    let pipeline = this.#pipelines.get(code);
    if (pipeline === undefined) {
      pipeline = this.#compile(shader, code);
      this.#pipelines.set(code, pipeline);
      pipeline.catch(() => this.#pipelines.delete(code));
    }
    return pipeline;
  }

  async #compile(shader: ShaderDeclaration, code: string): Promise<Pipeline> {
    this.counters.pipelines++;
    const { gpu } = this;
    const { label } = shader;
    const { result, refusal } = inErrorScope(gpu, () => {
      const layout = gpu.createBindGroupLayout({ label, entries: bindGroupLayoutEntries(shader) });
      const module = gpu.createShaderModule({ label, code });
      return { layout, module, pipelineLayout: gpu.createPipelineLayout({ bindGroupLayouts: [layout] }) };
    });
    const { layout, module, pipelineLayout } = result;
    const compiled = gpu.createComputePipelineAsync({ label, layout: pipelineLayout, compute: { module } }).catch((cause: Error) => cause);
    const [pipeline, invalid] = await Promise.all([compiled, refusal]);
    if (!(pipeline instanceof Error)) return { pipeline, layout };
    this.check();
    throw new DeviceError(
      `${this.name} cannot compile the kernel ${label}: ${invalid?.message ?? pipeline.message}`,
      "This is a fault of the kernel or the driver: report it with the adapter's name.",
      { cause: pipeline },
    );
  }

  /** A bind group with its entries in the order of the shader's bindings. */
  createBindGroup(label: string, layout: GPUBindGroupLayout, resources: readonly (GPUBufferBinding | GPUTextureView)[]): GPUBindGroup {
    this.counters.bindGroups++;
    return this.gpu.createBindGroup({ label, layout, entries: resources.map((resource, binding) => ({ binding, resource })) });
  }

  /**
   * Submits the commands that `record` encodes, in their own error scope. Returns at once; the caller handles the error that the promise
   * resolves to. Throws when the device is closed or lost.
   */
  submit(record: (encoder: GPUCommandEncoder) => void): Promise<Refusal | null> {
    this.check();
    this.counters.submits++;
    return inErrorScope(this.gpu, () => {
      const encoder = this.gpu.createCommandEncoder();
      record(encoder);
      this.gpu.queue.submit([encoder.finish()]);
    }).refusal;
  }

  /** Writes numbers to a buffer, from a byte on. An odd number of halves has a zero after it, because a device is written by words. */
  write(buffer: GPUBuffer, offset: number, data: Float32Array | Uint32Array | Uint16Array): void {
    let words = data;
    if (data.byteLength % 4 !== 0) {
      words = new Uint16Array(data.length + 1);
      words.set(data);
    }
    this.gpu.queue.writeBuffer(buffer, offset, words as GPUAllowSharedBufferSource);
  }

  /** Fills ranges of buffers with zeros. */
  clear(windows: readonly BufferWindow[]): void {
    this.submit((encoder) => {
      for (const { buffer, offset, size } of windows) encoder.clearBuffer(buffer, offset, size);
    });
  }

  /**
   * Copies a range of a buffer to the host. Waits for all submitted work. Throws `DeviceError` when it is not a range of a living buffer.
   */
  async read(window: BufferWindow): Promise<ArrayBuffer> {
    const staging = this.createStaging(window.size);
    try {
      return await this.readThrough(staging, window);
    } finally {
      staging.destroy();
    }
  }

  /**
   * `read` through a staging buffer that the caller keeps. It must be at least as large as the range, and no other read may use it
   * meanwhile.
   */
  async readThrough(staging: GPUBuffer, { buffer, offset, size }: BufferWindow): Promise<ArrayBuffer> {
    const copied = this.submit((encoder) => encoder.copyBufferToBuffer(buffer, offset, staging, 0, wholeWords(size)));
    return this.readStaged(staging, size, copied);
  }

  /** Reads `size` bytes that submitted work copies into a staging buffer; `copied` is what became of the copy, if the caller does not check it. */
  async readStaged(staging: GPUBuffer, size: number, copied?: Promise<Refusal | null>): Promise<ArrayBuffer> {
    const bytes = (await this.mapStaged(staging, size, copied)).slice(0, size);
    staging.unmap();
    return bytes;
  }

  /** The memory itself in which `readStaged` finds its bytes, rounded up to whole words. The caller unmaps the buffer. Throws like `read`. */
  async mapStaged(staging: GPUBuffer, size: number, copied: Promise<Refusal | null> = Promise.resolve(null)): Promise<ArrayBuffer> {
    this.check();
    this.counters.readbacks++;
    const words = wholeWords(size);
    const { result, refusal } = inErrorScope(this.gpu, () => staging.mapAsync(GPUMapMode.READ, 0, words));
    const mapped = this.#wait(result).then(
      () => true,
      () => false,
    );
    const refused = (await copied) ?? (await refusal);
    if ((await mapped) && refused === null) return staging.getMappedRange(0, words);
    if (await mapped) staging.unmap();
    // Firefox fails the read of a lost device at once, and tells that it is lost soon after its work has ended.
    await Promise.race([this.lost, this.#wait(this.gpu.queue.onSubmittedWorkDone()).catch(() => {})]);
    await this.isLost(tellingMilliseconds);
    this.check();
    throw new DeviceError(
      `${this.name}: reading back failed: ${refused?.message ?? "the buffer was destroyed meanwhile"}`,
      "Close a program, model or buffer only when nothing is being read from it.",
    );
  }

  /** Waits for all submitted work. Throws when the device is closed or lost. */
  async finish(): Promise<void> {
    this.check();
    await this.#wait(this.gpu.queue.onSubmittedWorkDone()).catch(() => this.isLost());
    this.check();
  }

  /** Frees everything the device holds. An open device keeps a Node process alive. */
  close(): void {
    if (!this.#lifetime.end()) return;
    this.gpu.destroy();
    // Dawn holds its listeners for good, and this one holds the device: neither would ever be collected, nor the threads of its driver end.
    this.gpu.removeEventListener("uncapturederror", this.#onUncapturedError);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}

/** Firefox looks every 100 ms for what it has to tell. */
const tellingMilliseconds = 250;

/** How many uncaught error messages are kept: the first ones say what went wrong. */
const keptErrors = 16;
