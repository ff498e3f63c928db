/**
 * An open WebGPU device: buffers, cached pipelines, reading back, and a count of everything it created, so that a test can show that
 * a step creates nothing. Knows nothing of tensors, and is the same in Node and in a browser; `openDevice` of `node.ts` and
 * `browser.ts` differ only in where the `GPU` object comes from.
 */
import { CapacityError, DeviceError } from "../errors.ts";
import { type Capabilities, readCapabilities } from "./capabilities.ts";
import { bindGroupLayoutEntries, type ShaderDeclaration, shaderCode } from "./shader.ts";

export interface DeviceOptions {
  /** `full` asks for every feature and limit that some kernel can use; `core` for none, as the weakest WebGPU device would give. */
  readonly profile?: "full" | "core";
  readonly powerPreference?: GPUPowerPreference;
  /** Bind at most this many bytes of a tensor at once, as a smaller device would; the device's own limit, if absent. */
  readonly largestBinding?: number;
}

/** How many of each thing the device has created or done since it was opened. */
export interface DeviceCounters {
  buffers: number;
  bufferBytes: number;
  bindGroups: number;
  pipelines: number;
  submits: number;
  readbacks: number;
}

export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** Offsets of bindings are multiples of this on every device, in bytes. */
export const bindingAlignment = 256;

/** A window of a buffer; offset and size in bytes. */
export interface BufferWindow {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly size: number;
}

const usefulFeatures = ["subgroups", "shader-f16", "timestamp-query", "chromium-experimental-subgroup-matrix"];
const usefulLimits = [
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
] as const;

/** What an environment adds to a device. */
export interface DeviceEnvironment {
  /** Runs when the device is closed. */
  readonly onClose?: () => void;
  /** How to wait for work of an adapter that runs on this machine's own cores. */
  readonly waitForSoftware?: Wait;
}

interface DeviceSettings extends DeviceEnvironment {
  readonly largestBinding?: number | undefined;
}

type Wait = <T>(work: Promise<T>) => Promise<T>;

/** Opens a device on `gpu`. Throws `DeviceError` when there is no adapter or it refuses. */
export async function openDeviceOn(gpu: GPU, options: DeviceOptions = {}, environment: DeviceEnvironment = {}): Promise<Device> {
  const refusal = (message: string, cause?: unknown) =>
    new DeviceError(
      message,
      "Update the graphics driver and, in a browser, turn on hardware acceleration; in Node, `npx simcse setup` finds or installs a software one.",
      { cause },
    );
  const adapter = await gpu
    .requestAdapter(options.powerPreference ? { powerPreference: options.powerPreference } : {})
    .catch((cause: Error) => {
      throw refusal(`No WebGPU adapter could be opened: ${cause.message}`, cause);
    });
  if (adapter === null) throw refusal("No WebGPU adapter was found.");
  const full = (options.profile ?? "full") === "full";
  const requiredFeatures = full ? usefulFeatures.filter((name) => adapter.features.has(name)) : [];
  const requiredLimits = full ? Object.fromEntries(usefulLimits.map((name) => [name, adapter.limits[name]])) : {};
  try {
    const device = await adapter.requestDevice({ requiredFeatures: requiredFeatures as GPUFeatureName[], requiredLimits });
    return new Device(device, adapter.info, { ...environment, largestBinding: options.largestBinding });
  } catch (cause) {
    throw new DeviceError(
      `The adapter ${adapterName(adapter.info)} refused to open a device.`,
      "Update its driver, or choose another adapter.",
      {
        cause,
      },
    );
  }
}

function adapterName(info: GPUAdapterInfo): string {
  return info.description || info.device || [info.vendor, info.architecture].filter(Boolean).join(" ") || "unnamed adapter";
}

export class Device {
  readonly capabilities: Capabilities;
  /** What the adapter calls itself. */
  readonly name: string;
  readonly counters: DeviceCounters = { buffers: 0, bufferBytes: 0, bindGroups: 0, pipelines: 0, submits: 0, readbacks: 0 };
  /** Resolves when the device is gone: `destroyed` after `close`, else a driver reset or an unplugged GPU. */
  readonly lost: Promise<GPUDeviceLostInfo>;
  readonly #pipelines = new Map<string, Promise<Pipeline>>();
  readonly #onClose: (() => void) | undefined;
  readonly #wait: Wait;
  #failure: string | null = null;
  #closed = false;

  constructor(
    readonly gpu: GPUDevice,
    readonly info: GPUAdapterInfo,
    { onClose, waitForSoftware, largestBinding }: DeviceSettings = {},
  ) {
    this.capabilities = readCapabilities(gpu, info, largestBinding);
    this.name = adapterName(info);
    this.lost = gpu.lost;
    this.#onClose = onClose;
    this.#wait = this.capabilities.software && waitForSoftware ? waitForSoftware : (work) => work;
    gpu.addEventListener("uncapturederror", (event) => {
      this.#failure ??= event.error.message;
    });
    gpu.lost.then((reason) => {
      if (!this.#closed) this.#failure ??= `the device was lost: ${reason.message}`;
    });
  }

  /** Whether it is gone without having been closed. Waits a turn, since a loss is told after the error that it causes. */
  async isLost(): Promise<boolean> {
    const pending = new Promise<"open">((resolve) => setTimeout(() => resolve("open"), 0));
    return (await Promise.race([this.lost, pending])) !== "open" && !this.#closed;
  }

  /** Throws the first error the device reported outside of a call, or its loss, as a `DeviceError`. */
  check(): void {
    if (this.#failure !== null) {
      throw new DeviceError(
        `${this.name}: ${this.#failure}`,
        "Update the driver, or run on another adapter; a checkpoint can be resumed there.",
      );
    }
  }

  /** A new buffer of zeros; `bytes` is rounded up to a multiple of 4. Throws `CapacityError` when it is more than the device allows. */
  createBuffer(label: string, bytes: number, usage: GPUBufferUsageFlags): GPUBuffer {
    const size = Math.max(4, Math.ceil(bytes / 4) * 4);
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

  /** The compiled pipeline of a shader, from the cache when its WGSL was seen before. Throws `DeviceError` with the compiler's message. */
  pipeline(shader: ShaderDeclaration): Promise<Pipeline> {
    const code = shaderCode(shader, { hasHalves: this.capabilities.features.has("shader-f16") });
    let pipeline = this.#pipelines.get(code);
    if (pipeline === undefined) {
      pipeline = this.#compile(shader, code);
      this.#pipelines.set(code, pipeline);
    }
    return pipeline;
  }

  async #compile(shader: ShaderDeclaration, code: string): Promise<Pipeline> {
    this.counters.pipelines++;
    const { gpu } = this;
    const layout = gpu.createBindGroupLayout({ label: shader.label, entries: bindGroupLayoutEntries(shader) });
    gpu.pushErrorScope("validation");
    const module = gpu.createShaderModule({ label: shader.label, code });
    const invalid = gpu.popErrorScope();
    try {
      const pipeline = await gpu.createComputePipelineAsync({
        label: shader.label,
        layout: gpu.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module },
      });
      await invalid;
      return { pipeline, layout };
    } catch (cause) {
      const error = await invalid;
      throw new DeviceError(
        `${this.name} cannot compile the kernel ${shader.label}: ${error?.message ?? (cause as Error).message}`,
        "This is a fault of the kernel or the driver: report it with the adapter's name.",
        { cause },
      );
    }
  }

  /** A bind group whose entries stand in the order of the shader's bindings. */
  createBindGroup(label: string, layout: GPUBindGroupLayout, windows: readonly BufferWindow[]): GPUBindGroup {
    this.counters.bindGroups++;
    return this.gpu.createBindGroup({ label, layout, entries: windows.map((resource, binding) => ({ binding, resource })) });
  }

  submit(commands: GPUCommandBuffer): void {
    this.counters.submits++;
    this.gpu.queue.submit([commands]);
  }

  /** Fills windows of buffers with zeros. */
  clear(windows: readonly BufferWindow[]): void {
    const encoder = this.gpu.createCommandEncoder();
    for (const { buffer, offset, size } of windows) encoder.clearBuffer(buffer, offset, size);
    this.submit(encoder.finish());
  }

  /** Copies a window of a buffer to the CPU. Slow: waits for all submitted work. */
  async read({ buffer, offset, size }: BufferWindow): Promise<ArrayBuffer> {
    const staging = this.createBuffer("readback", size, GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ);
    const bytes = await this.readThrough(staging, { buffer, offset, size });
    staging.destroy();
    return bytes;
  }

  /** `read` through a staging buffer that the caller keeps; it must be at least as large as the window. */
  async readThrough(staging: GPUBuffer, { buffer, offset, size }: BufferWindow): Promise<ArrayBuffer> {
    this.counters.readbacks++;
    const encoder = this.gpu.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, offset, staging, 0, Math.ceil(size / 4) * 4);
    this.submit(encoder.finish());
    await this.#wait(staging.mapAsync(GPUMapMode.READ)).catch((cause) => {
      this.check();
      throw new DeviceError(`${this.name}: reading back failed.`, "The device was closed or lost while it was working.", { cause });
    });
    const bytes = staging.getMappedRange(0, Math.ceil(size / 4) * 4).slice(0, size);
    staging.unmap();
    this.check();
    return bytes;
  }

  /** Waits for all submitted work. */
  async finish(): Promise<void> {
    await this.#wait(this.gpu.queue.onSubmittedWorkDone());
    this.check();
  }

  /** Frees everything the device holds. An open device keeps a Node process alive. */
  close(): void {
    this.#closed = true;
    this.gpu.destroy();
    this.#onClose?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}
