/**
 * The memory of a model: its parameters, and for training their gradients and AdamW's moments, in flat arenas, so that the optimiser and the
 * gradient norm each take one dispatch an arena. Outlives every plan.
 *
 * Parameters that decay and those that do not are in arenas of their own; an arena is no larger than the device may bind at once.
 */
import { CapacityError, ShapeError } from "../errors.ts";
import type { Device } from "../gpu/device.ts";
import { castInto } from "../kernels/cast.ts";
import { bytesPerElement, elementCount, type FloatType, type Persistent, type Recorder } from "../kernels/operation.ts";
import { initialLossScale, initialOptimizerState, optimizerStateShape } from "../kernels/optimizer-state.ts";
import { namedPieces, type Parameter, type Piece } from "./parameter.ts";
import { normal } from "./random.ts";

/** Where each parameter starts in its arena, in bytes: twice the offset alignment of every device, so that its halves are aligned too. */
const alignment = 512;

/** The tensors of an arena, each [elements]. */
export interface Arena {
  readonly decays: boolean;
  readonly parameters: Persistent;
  /** The parameters as halves, for products in mixed precision; null in a store that keeps none, and for what no product reads. */
  readonly half: Persistent | null;
  /** For training; absent in a model that only encodes. */
  readonly training: { readonly gradient: Persistent; readonly first: Persistent; readonly second: Persistent } | null;
}

export interface StoreOptions {
  /** Also allocate gradients and moments: four times the memory. */
  readonly training: boolean;
  /** Also keep all matrices as halves, for mixed precision; false if absent. */
  readonly halves?: boolean;
}

export class ParameterStore {
  private constructor(
    readonly device: Device,
    readonly pieces: ReadonlyMap<string, Piece>,
    readonly parameters: readonly Parameter[],
    readonly arenas: readonly Arena[],
    /** The optimiser's state, see `optimizer-state.ts`; null in a model that only encodes. */
    readonly optimizer: Persistent | null,
    readonly keepsHalves: boolean,
    /** Bytes allocated on the device. */
    readonly bytes: number,
  ) {}

  /** Gives every parameter of `module` memory, zeroed. Throws `CapacityError` when one is too large for the device. */
  static async allocate(device: Device, module: object, { training, halves = false }: StoreOptions): Promise<ParameterStore> {
    const pieces = namedPieces(module);
    const parameters = [...new Set([...pieces.values()].map(({ parameter }) => parameter))];
    for (const [name, { parameter }] of pieces) parameter.name = name;
    const limit = device.gpu.limits.maxStorageBufferBindingSize;
    device.gpu.pushErrorScope("out-of-memory");
    const arenas = [true, false].flatMap((decays) =>
      packArenas(
        parameters.filter((parameter) => parameter.decays === decays),
        limit,
      ).map((members, i) =>
        buildArena(device, members, `${decays ? "weights" : "biases and norms"} ${i}`, decays, { training, halves: halves && decays }),
      ),
    );
    const optimizer = training ? allocateTensor(device, "optimiser state", "f32", optimizerStateShape) : null;
    const outOfMemory = await device.gpu.popErrorScope();
    const tensors = [...arenas.flatMap(tensorsOf), ...(optimizer ? [optimizer] : [])];
    const bytes = tensors.reduce((sum, { window }) => sum + window.size, 0);
    if (outOfMemory !== null) {
      throw new CapacityError(
        `${device.name} has no room for the ${bytes} bytes of the model's parameters${training ? ", gradients and moments" : ""}.`,
        "Use a smaller model.",
      );
    }
    const store = new ParameterStore(device, pieces, parameters, arenas, optimizer, halves, bytes);
    if (optimizer) store.resetOptimizer();
    return store;
  }

  /** Sets the optimiser's state to that before the first step. Moments are zero in a new store. */
  resetOptimizer(): void {
    const { buffer } = this.optimizer!.window;
    this.device.gpu.queue.writeBuffer(buffer, 0, initialOptimizerState({ lossScale: this.keepsHalves ? initialLossScale : 1 }));
  }

  /** Records that the halves become what the parameters are: at the beginning of a step whose products read them. */
  updateHalves(tape: Recorder): void {
    for (const { parameters, half } of this.arenas) if (half) castInto(tape, parameters, half);
  }

  /** Sets every parameter to its initial values. The same seed gives the same model on every machine. */
  initialize(seed: number): void {
    for (const parameter of this.parameters) this.initializeParameter(parameter, seed);
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

  /** Frees the memory; programs that use it must not run again. */
  close(): void {
    for (const { window } of this.arenas.flatMap(tensorsOf)) window.buffer.destroy();
    this.optimizer?.window.buffer.destroy();
  }

  #piece(name: string): Piece {
    const piece = this.pieces.get(name);
    if (piece === undefined) throw new ShapeError(`The model has no tensor ${name}.`, "Check the name against the checkpoint's.");
    return piece;
  }
}

const alignedBytes = ({ shape }: Parameter) => Math.ceil((elementCount(shape) * 4) / alignment) * alignment;

/** Parameters in order, as many in an arena as `limit` bytes hold. */
function packArenas(parameters: readonly Parameter[], limit: number): Parameter[][] {
  const arenas: Parameter[][] = [];
  let free = 0;
  for (const parameter of parameters) {
    const bytes = alignedBytes(parameter);
    if (bytes > limit) {
      throw new CapacityError(
        `${parameter.name} takes ${bytes} bytes; this device binds at most ${limit} at once (maxStorageBufferBindingSize).`,
        "Use a model with a smaller vocabulary, or another adapter.",
      );
    }
    if (arenas.length === 0 || bytes > free) {
      arenas.push([]);
      free = limit;
    }
    arenas.at(-1)!.push(parameter);
    free -= bytes;
  }
  return arenas;
}

function tensorsOf({ parameters, half, training }: Arena): Persistent[] {
  return [parameters, ...(half ? [half] : []), ...(training ? Object.values(training) : [])];
}

function allocateTensor(device: Device, name: string, dtype: FloatType, shape: readonly number[]): Persistent {
  const size = elementCount(shape) * bytesPerElement[dtype];
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
  return { name, dtype, shape, window: { buffer: device.createBuffer(name, size, usage), offset: 0, size } };
}

function buildArena(
  device: Device,
  members: readonly Parameter[],
  label: string,
  decays: boolean,
  { training, halves }: Required<StoreOptions>,
): Arena {
  const size = members.reduce((sum, parameter) => sum + alignedBytes(parameter), 0);
  const flat = (kind: string, dtype: FloatType = "f32") => allocateTensor(device, `${kind} of ${label}`, dtype, [size / 4]);
  const arena: Arena = {
    decays,
    parameters: flat("parameters"),
    half: halves ? flat("halves", "f16") : null,
    training: training ? { gradient: flat("gradient"), first: flat("first moment"), second: flat("second moment") } : null,
  };
  let offset = 0;
  for (const parameter of members) {
    const bytes = elementCount(parameter.shape) * 4;
    parameter.window = { buffer: arena.parameters.window.buffer, offset, size: bytes };
    parameter.half = arena.half
      ? {
          name: `${parameter.name} in halves`,
          dtype: "f16",
          shape: parameter.shape,
          window: { buffer: arena.half.window.buffer, offset: offset / 2, size: bytes / 2 },
        }
      : undefined;
    parameter.gradient = arena.training
      ? {
          name: `gradient of ${parameter.name}`,
          dtype: "f32",
          shape: parameter.shape,
          window: { buffer: arena.training.gradient.window.buffer, offset, size: bytes },
        }
      : undefined;
    offset += alignedBytes(parameter);
  }
  return arena;
}
