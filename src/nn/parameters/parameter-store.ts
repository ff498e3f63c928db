/** The memory of a model on a device: the tensors of its layout, written, read and freed. Outlives every plan. */
import { CapacityError, ShapeError } from "../../errors.ts";
import type { BufferWindow, Device } from "../../gpu/device.ts";
import { elementCount } from "../../kernels/language/operation.ts";
import { initialLossScale, initialOptimizerState } from "../../kernels/optimizer/optimizer-state.ts";
import { normal } from "../random.ts";
import type { Parameter, Piece } from "./parameter.ts";
import { type LayoutOptions, ParameterLayout } from "./parameter-layout.ts";

/** The mean of the gradients, or of their squares. */
export type Moment = "first" | "second";

export type StoreOptions = Omit<LayoutOptions, "limits">;

export class ParameterStore {
  private constructor(
    readonly device: Device,
    readonly layout: ParameterLayout,
  ) {}

  /** Gives every parameter of `module` memory, zeroed. Throws `CapacityError` when one is too large for the device, or all together are. */
  static async allocate(device: Device, module: object, options: StoreOptions): Promise<ParameterStore> {
    const layout = new ParameterLayout(module, { ...options, limits: device.capabilities.limits });
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
    device.gpu.pushErrorScope("out-of-memory");
    for (const tensor of layout.tensors) tensor.buffer = device.createBuffer(tensor.name, tensor.bytes, usage);
    const store = new ParameterStore(device, layout);
    if ((await device.gpu.popErrorScope()) !== null) {
      store.close();
      throw new CapacityError(
        `${device.name} has no room for the ${layout.bytes} bytes of the model's parameters${options.training ? ", gradients and moments" : ""}.`,
        "Use a smaller model.",
      );
    }
    if (layout.optimizer) store.resetOptimizer();
    return store;
  }

  /** Every tensor of the checkpoint, by its name. */
  get pieces(): ReadonlyMap<string, Piece> {
    return this.layout.pieces;
  }

  /** Bytes allocated on the device. */
  get bytes(): number {
    return this.layout.bytes;
  }

  /** Sets the optimiser's state to that before the first step. Moments are zero in a new store. */
  resetOptimizer(): void {
    const { optimizer, keepsHalves } = this.layout;
    const state = initialOptimizerState({ lossScale: keepsHalves ? initialLossScale : 1 });
    this.device.gpu.queue.writeBuffer(optimizer!.window.buffer, 0, state);
  }

  /** Sets every parameter to its initial values. The same seed gives the same model on every machine. */
  initialize(seed: number): void {
    for (const parameter of this.layout.parameters) this.initializeParameter(parameter, seed);
  }

  initializeParameter({ initial, shape, name, window }: Parameter, seed: number): void {
    const count = elementCount(shape);
    const values = "normal" in initial ? normal(seed, name, count, initial.normal) : new Float32Array(count).fill(initial.constant);
    this.device.gpu.queue.writeBuffer(window.buffer, window.offset, values as GPUAllowSharedBufferSource);
  }

  /** Writes elements of a named tensor, from `offset` (in elements) on. */
  write(name: string, data: Float32Array, offset = 0): void {
    const piece = this.#piece(name);
    if (offset + data.length > elementCount(piece.shape)) {
      throw new ShapeError(
        `${name} has ${elementCount(piece.shape)} elements; ${offset + data.length} were given.`,
        "Check the tensor's shape.",
      );
    }
    const { buffer, offset: start } = piece.parameter.window;
    this.device.gpu.queue.writeBuffer(buffer, start + (piece.offset + offset) * 4, data as GPUAllowSharedBufferSource);
  }

  /** Reads a named tensor back, row-major. */
  async read(name: string): Promise<Float32Array> {
    const piece = this.#piece(name);
    const { buffer, offset } = piece.parameter.window;
    return new Float32Array(await this.device.read({ buffer, offset: offset + piece.offset * 4, size: elementCount(piece.shape) * 4 }));
  }

  /** Reads one of AdamW's moments of a named tensor. */
  async readMoment(name: string, which: Moment): Promise<Float32Array> {
    return new Float32Array(await this.device.read(this.#momentOf(name, which)));
  }

  /** Writes elements of one of AdamW's moments of a named tensor, from `offset` (in elements) on. */
  writeMoment(name: string, which: Moment, data: Float32Array, offset = 0): void {
    const { buffer, offset: start } = this.#momentOf(name, which);
    this.device.gpu.queue.writeBuffer(buffer, start + offset * 4, data as GPUAllowSharedBufferSource);
  }

  /** Where a moment lies: in its arena, at the place that the parameter has in its own. */
  #momentOf(name: string, which: Moment): BufferWindow {
    const { parameter, offset, shape } = this.#piece(name);
    const own = parameter.window;
    const arena = this.layout.arenas.find(({ parameters }) => parameters.buffer === own.buffer);
    if (!arena?.training) throw new ShapeError("The model's parameters have no moments.", "Allocate the model for training.");
    return { buffer: arena.training[which].window.buffer, offset: own.offset + offset * 4, size: elementCount(shape) * 4 };
  }

  /** Frees the memory; programs that use it must not run again. */
  close(): void {
    for (const { buffer } of this.layout.tensors) buffer?.destroy();
  }

  #piece(name: string): Piece {
    const piece = this.pieces.get(name);
    if (piece === undefined) throw new ShapeError(`The model has no tensor ${name}.`, "Check the name against the checkpoint's.");
    return piece;
  }
}
