/** The memory of a model on a device: the tensors of its layout, written, read and freed. Outlives every plan. */
import "../../disposal.ts";
import { refused } from "../../autograd/program-memory.ts";
import { DeviceError, OptionError, ShapeError } from "../../errors.ts";
import { fromHalves, toHalves } from "../../float16.ts";
import { type BufferWindow, type Device, wholeWords } from "../../gpu/device.ts";
import { Lifetime } from "../../gpu/lifetime.ts";
import { bytesPerElement, elementCount, type FloatType } from "../../kernels/language/operation.ts";
import { initialLossScale, initialOptimizerState } from "../../kernels/optimizer/optimizer-state.ts";
import { normal } from "../random.ts";
import type { Parameter, Piece } from "./parameter.ts";
import { type LayoutOptions, ParameterLayout } from "./parameter-layout.ts";

/** The running mean of the gradients, or of their squares. */
export type Moment = "first" | "second";

/** The memory of a tensor, and how its elements are stored. */
interface Stored {
  readonly window: BufferWindow;
  readonly dtype: FloatType;
}

/** What a store allocates memory for. */
export type StoreOptions = Omit<LayoutOptions, "limits">;

/**
 * The memory of a model's parameters on one device, and for training also of their gradients and moments. It takes and gives f32, also for
 * parameters that are stored as f16.
 */
export class ParameterStore {
  readonly #lifetime = new Lifetime("The model", "Load it again.");

  private constructor(
    readonly device: Device,
    readonly layout: ParameterLayout,
  ) {}

  /**
   * Allocates every parameter of `module`, zeroed. Throws `CapacityError` when one parameter, or all together, are too large for the
   * device.
   */
  static async allocate(device: Device, module: object, options: StoreOptions): Promise<ParameterStore> {
    const layout = new ParameterLayout(module, { ...options, limits: device.capabilities.limits });
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
    const purpose = `the model's parameters${options.training ? ", gradients and moments" : ""}`;
    const buffers = await device.allocate(
      purpose,
      layout.tensors.map(({ name, bytes }) => ({ label: name, bytes, usage })),
    );
    layout.tensors.forEach((tensor, i) => {
      tensor.buffer = buffers[i]!;
    });
    const store = new ParameterStore(device, layout);
    if (layout.optimizer) store.resetOptimizer();
    return store;
  }

  /** Every tensor of the checkpoint by name. */
  get pieces(): ReadonlyMap<string, Piece> {
    return this.layout.pieces;
  }

  /** Bytes allocated on the device. */
  get bytes(): number {
    return this.layout.bytes;
  }

  /** Resets the optimiser's state and moments to the values before the first step. */
  resetOptimizer(): void {
    const { optimizer, keepsHalves, arenas } = this.layout;
    if (optimizer === null) throw untrainable();
    this.device.clear(arenas.flatMap(({ training }) => (training ? [training.first.window, training.second.window] : [])));
    this.#write({ window: optimizer.window, dtype: "f32" }, initialOptimizerState({ lossScale: keepsHalves ? initialLossScale : 1 }));
  }

  /** Sets every parameter to its initial values. The same seed gives the same model on every machine. */
  initialize(seed: number): void {
    for (const parameter of this.layout.parameters) this.initializeParameter(parameter, seed);
  }

  /** Sets one parameter to its initial values, which depend only on the seed and its name. */
  initializeParameter({ initial, shape, name, window, dtype }: Parameter, seed: number): void {
    const count = elementCount(shape);
    this.#write(
      { window, dtype },
      "normal" in initial ? normal(seed, name, count, initial.normal) : new Float32Array(count).fill(initial.constant),
    );
  }

  /**
   * Writes a named tensor, row-major; with an `offset` (in elements) only the elements of `data` from there on. Throws `ShapeError` when
   * there is no such tensor or the number of elements differs, and `OptionError` when `data` is not a `Float32Array`.
   */
  write(name: string, data: Float32Array, offset?: number): void {
    this.#write(this.#storedAs(name), data, { name, offset });
  }

  /**
   * Copies the tensors that another store of the same device also has, if `wanted` accepts their names. Throws `ShapeError` where a shape
   * differs, and `DeviceError` when the device refuses the copy.
   */
  async copyFrom(other: ParameterStore, wanted: (name: string) => boolean = () => true): Promise<void> {
    this.check();
    other.check();
    const shared = [...this.pieces.keys()].filter((name) => other.pieces.has(name) && wanted(name));
    const copies = shared.map((name) => {
      const [from, to] = [other.#storedAs(name), this.#storedAs(name)];
      const [theirs, own] = [from, to].map(({ window, dtype }) => window.size / bytesPerElement[dtype]);
      if (theirs === own) return { name, from, to, isSameType: from.dtype === to.dtype };
      throw new ShapeError(`${name} has ${theirs} elements in one model and ${own} in the other.`, "Copy between models of one config.");
    });
    const refusal = this.device.submit((encoder) => {
      for (const { from, to } of copies.filter(({ isSameType }) => isSameType)) {
        const { buffer, offset, size } = to.window;
        encoder.copyBufferToBuffer(from.window.buffer, from.window.offset, buffer, offset, wholeWords(size));
      }
    });
    this.layout.halvesAreStale = true;
    const found = await refusal;
    if (found !== null) throw refused(this.device, "a copy of the model's parameters", found);
    for (const { name } of copies.filter(({ isSameType }) => !isSameType)) this.write(name, await other.read(name));
  }

  /**
   * Copies parameters, moments and optimiser state of the same model on another device, through the host. Throws `DeviceError` if the
   * devices' limits make the parameters lie differently.
   */
  async copyAcross(other: ParameterStore): Promise<void> {
    this.check();
    other.check();
    const [own, theirs] = [this.layout.lasting, other.layout.lasting];
    if (own.length !== theirs.length || own.some(({ bytes }, i) => bytes !== theirs[i]!.bytes)) {
      const binding = ({ device }: ParameterStore) =>
        `${device.name} binds ${device.capabilities.limits.maxStorageBufferBindingSize} bytes`;
      throw new DeviceError(
        `${binding(other)} at once and ${binding(this)}: the parameters lie differently.`,
        "Put the device that binds less first, and open the others with its limit as `largestBinding`.",
      );
    }
    this.layout.halvesAreStale = true;
    for (const [i, { window }] of theirs.entries()) {
      this.device.gpu.queue.writeBuffer(own[i]!.window.buffer, 0, await other.device.read(window));
    }
  }

  /** Reads a named tensor back, row-major. */
  async read(name: string): Promise<Float32Array> {
    return this.#read(this.#storedAs(name));
  }

  /** Reads one of AdamW's moments of a named tensor. */
  async readMoment(name: string, which: Moment): Promise<Float32Array> {
    return this.#read(this.#momentOf(name, which));
  }

  /** Writes one of AdamW's moments of a named tensor, like `write`. */
  writeMoment(name: string, which: Moment, data: Float32Array, offset?: number): void {
    this.#write(this.#momentOf(name, which), data, { name: `The ${which} moment of ${name}`, offset });
  }

  #write({ window, dtype }: Stored, data: Float32Array, part?: { readonly name: string; readonly offset: number | undefined }): void {
    this.#lifetime.check();
    this.device.check();
    if (part) checkPart(part.name, data, part.offset, window.size / bytesPerElement[dtype]);
    const start = window.offset + (part?.offset ?? 0) * bytesPerElement[dtype];
    // The zero after an odd number of halves falls into the gap between parameters.
    this.device.write(window.buffer, start, dtype === "f16" ? toHalves(data) : data);
    this.layout.halvesAreStale = true;
  }

  async #read({ window, dtype }: Stored): Promise<Float32Array> {
    this.#lifetime.check();
    const bytes = await this.device.read(window);
    return dtype === "f32" ? new Float32Array(bytes) : fromHalves(new Uint16Array(bytes));
  }

  #storedAs(name: string): Stored {
    const { parameter, offset, shape } = this.#piece(name);
    const { buffer, offset: start } = parameter.window;
    const size = bytesPerElement[parameter.dtype];
    return { window: { buffer, offset: start + offset * size, size: elementCount(shape) * size }, dtype: parameter.dtype };
  }

  /** Where a moment is: at the same place in its arena as the parameter in its own. */
  #momentOf(name: string, which: Moment): Stored {
    const { window, dtype } = this.#storedAs(name);
    const arena = this.layout.arenas.find(({ parameters }) => parameters.buffer === window.buffer);
    if (!arena?.training) throw untrainable();
    return { window: { ...window, buffer: arena.training[which].window.buffer }, dtype };
  }

  /** Throws `ClosedError` after `close`. */
  check(): void {
    this.#lifetime.check();
  }

  /** Frees the memory. A program that uses it fails at its next step. */
  close(): void {
    if (!this.#lifetime.end()) return;
    for (const { buffer } of this.layout.tensors) buffer?.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #piece(name: string): Piece {
    const piece = this.pieces.get(name);
    if (piece === undefined) throw new ShapeError(`The model has no tensor ${name}.`, "Check the name against the checkpoint's.");
    return piece;
  }
}

const untrainable = () =>
  new ShapeError("The parameter has no gradient and moments.", "Allocate the model for training, and train this parameter.");

/** Throws unless `data` is a whole tensor of `elements`, or a part of it from `offset` on. */
function checkPart(name: string, data: Float32Array, offset: number | undefined, elements: number): void {
  if (!(data instanceof Float32Array))
    throw new OptionError(`${name} is f32, not a ${(data as object | null)?.constructor.name}.`, "Give a Float32Array.");
  if (offset === undefined ? data.length === elements : isPart(offset, data.length, elements)) return;
  const given = offset === undefined ? `${data.length}` : `${data.length} from ${offset} on`;
  throw new ShapeError(`${name} has ${elements} elements; ${given} were given.`, "Check the tensor's shape.");
}

const isPart = (offset: number, length: number, elements: number) => Number.isInteger(offset) && offset >= 0 && offset + length <= elements;
