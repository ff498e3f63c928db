/**
 * Assigns each parameter its place before any memory is allocated. Parameters, and for training their gradients and AdamW's moments, are in
 * flat arenas, so that the optimiser and the gradient norm take one dispatch for several of them. A layout is enough to record and plan a step;
 * `ParameterStore` allocates its memory.
 *
 * Parameters with and without weight decay are in separate arenas, and so are trained and frozen ones. A parameter is trained if its arena
 * has gradients and moments; nothing else records it. An arena is no larger than the device's largest binding. A larger parameter has its
 * own arena, made of several spans.
 */
import { CapacityError } from "../../errors.ts";
import type { Limits } from "../../gpu/capabilities.ts";
import { castInto } from "../../kernels/cast.ts";
import { bytesPerElement, elementCount, type FloatType, type Persistent, type Recorder } from "../../kernels/language/operation.ts";
import { optimizerStateShape } from "../../kernels/optimizer/optimizer-state.ts";
import { ArenaTensor } from "./arena-tensor.ts";
import { namedPieces, type Parameter, type Piece } from "./parameter.ts";

/** Alignment of each parameter in its arena, in bytes: twice the offset alignment of every device, so that its f16 copy is aligned too. */
const alignment = 512;

/** Tensors with the same layout, each [elements]. */
export interface ArenaKind<Tensor> {
  readonly decays: boolean;
  readonly parameters: Tensor;
  /**
   * A copy of the parameters as f16, for products in mixed precision; null in a store that keeps no halves, for parameters that no product
   * reads, and for frozen matrices, which are themselves f16.
   */
  readonly half: Tensor | null;
  /** For training; null if the parameters are frozen. */
  readonly training: { readonly gradient: Tensor; readonly first: Tensor; readonly second: Tensor } | null;
}

/**
 * Parameters of one kind, flat in one tensor, with their gradients and moments in tensors of the same layout. The optimiser updates them in
 * one dispatch.
 */
export interface Arena extends ArenaKind<ArenaTensor> {
  /** The parts of an arena that a device can bind at once: one, except for a parameter that is too large. */
  readonly spans: readonly Span[];
}

/** A part of an arena that a device can bind at once. */
export type Span = ArenaKind<Persistent>;

/** How many numbers parameters are. */
export interface ParameterCounts {
  readonly trained: number;
  readonly all: number;
}

/** What a layout provides memory for. */
export interface LayoutOptions {
  /** Also gradients and moments: four times the memory. If it is a function, only for the parameters whose names it accepts. */
  readonly training: boolean | ((name: string) => boolean);
  /** Keep all matrices as f16, for mixed precision: as a copy if they are trained, otherwise only as f16; false if absent. */
  readonly halves?: boolean;
  /** The device's limits. */
  readonly limits: Limits;
}

/** Where a model's parameters are in memory. The layout itself needs no memory, so a plan can be made before anything is allocated. */
export class ParameterLayout {
  readonly pieces: ReadonlyMap<string, Piece>;
  readonly parameters: readonly Parameter[];
  /** Those that have gradients. */
  readonly trained: readonly Parameter[];
  readonly arenas: readonly Arena[];
  /** The optimiser's state, see `optimizer-state.ts`; null in a model that only encodes. */
  readonly optimizer: ArenaTensor | null;
  readonly keepsHalves: boolean;
  /**
   * Whether parameters were written since their f16 copies were made. A training step then converts them before it begins; the optimizer
   * keeps both in step.
   */
  halvesAreStale = true;

  /** Assigns every parameter of `module` its place. Throws `CapacityError` when one is too large for the device. */
  constructor(module: object, { training, halves = false, limits }: LayoutOptions) {
    this.pieces = namedPieces(module);
    this.parameters = [...new Set([...this.pieces.values()].map(({ parameter }) => parameter))];
    for (const [name, { parameter }] of this.pieces) parameter.name = name;
    this.keepsHalves = halves;
    this.optimizer = training ? new ArenaTensor("optimiser state", "f32", optimizerStateShape) : null;
    const isTrained = typeof training === "function" ? training : () => training;
    this.trained = this.parameters.filter(({ name }) => isTrained(name));
    const kinds = [true, false].flatMap((trained) => [true, false].map((decays) => ({ trained, decays, halves: halves && decays })));
    this.arenas = kinds.flatMap((kind) => {
      const members = this.parameters.filter(({ name, decays }) => isTrained(name) === kind.trained && decays === kind.decays);
      return packArenas(members, limits).map((some, i) => layOutArena(some, i, kind, limits));
    });
  }

  /** All arenas, as parts that one dispatch handles. */
  get spans(): readonly Span[] {
    return this.arenas.flatMap(({ spans }) => spans);
  }

  /** Everything that needs memory. */
  get tensors(): readonly ArenaTensor[] {
    const ofArena = ({ parameters, half, training }: Arena) => [
      parameters,
      ...(half ? [half] : []),
      ...(training ? Object.values(training) : []),
    ];
    return [...this.arenas.flatMap(ofArena), ...(this.optimizer ? [this.optimizer] : [])];
  }

  /** What one step leaves to the next: gradients and halves are computed anew. */
  get lasting(): readonly ArenaTensor[] {
    const ofArena = ({ parameters, training }: Arena) => [parameters, ...(training ? [training.first, training.second] : [])];
    return [...this.arenas.flatMap(ofArena), ...(this.optimizer ? [this.optimizer] : [])];
  }

  /** How many numbers the parameters are, and how many of them are trained. */
  get counts(): ParameterCounts {
    const count = (parameters: readonly Parameter[]) => parameters.reduce((sum, { shape }) => sum + elementCount(shape), 0);
    return { trained: count(this.trained), all: count(this.parameters) };
  }

  /** Bytes of all tensors. */
  get bytes(): number {
    return this.tensors.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Whether trained parameters have f16 copies. */
  get hasCopies(): boolean {
    return this.arenas.some(({ half }) => half !== null);
  }

  /** Records the conversion of the parameters to their f16 copies. */
  updateHalves(tape: Recorder): void {
    for (const { parameters, half } of this.spans) if (half) castInto(tape, parameters, half);
  }
}

const alignedBytes = ({ shape }: Parameter) => Math.ceil((elementCount(shape) * 4) / alignment) * alignment;

/** Groups parameters in order, as many per arena as the device can bind at once, and at least one. */
function packArenas(parameters: readonly Parameter[], { maxBufferSize, maxStorageBufferBindingSize }: Limits): Parameter[][] {
  const arenas: Parameter[][] = [];
  let free = 0;
  for (const parameter of parameters) {
    const bytes = alignedBytes(parameter);
    if (bytes > maxBufferSize) {
      throw new CapacityError(
        `${parameter.name} takes ${bytes} bytes; a buffer of this device holds at most ${maxBufferSize} (maxBufferSize).`,
        "Use a model with a smaller vocabulary, or another adapter.",
      );
    }
    if (arenas.length === 0 || bytes > free) {
      arenas.push([]);
      free = maxStorageBufferBindingSize;
    }
    arenas.at(-1)!.push(parameter);
    free -= bytes;
  }
  return arenas;
}

function layOutArena(
  members: readonly Parameter[],
  index: number,
  { trained, decays, halves }: { readonly trained: boolean; readonly decays: boolean; readonly halves: boolean },
  { maxStorageBufferBindingSize }: Limits,
): Arena {
  const label = `${trained ? "" : "frozen "}${decays ? "weights" : "biases and norms"} ${index}`;
  const elements = members.reduce((sum, parameter) => sum + alignedBytes(parameter), 0) / 4;
  const flat = (kind: string, dtype: FloatType = "f32") => new ArenaTensor(`${kind} of ${label}`, dtype, [elements]);
  const arena: ArenaKind<ArenaTensor> = {
    decays,
    parameters: flat("parameters", halves && !trained ? "f16" : "f32"),
    half: halves && trained ? flat("halves", "f16") : null,
    training: trained ? { gradient: flat("gradient"), first: flat("first moment"), second: flat("second moment") } : null,
  };
  let offset = 0;
  for (const parameter of members) {
    const { name, shape } = parameter;
    parameter.place({
      own: arena.parameters.part(name, offset, shape),
      half: arena.half?.part(`${name} in halves`, offset, shape),
      gradient: arena.training?.gradient.part(`gradient of ${name}`, offset, shape),
    });
    offset += alignedBytes(parameter) / 4;
  }
  return { ...arena, spans: spansOf(arena, elements, Math.floor(maxStorageBufferBindingSize / alignment) * alignment) };
}

/** An arena of `elements` f32 values in spans of at most `bytes`. */
function spansOf(arena: ArenaKind<ArenaTensor>, elements: number, bytes: number): Span[] {
  const most = bytes / bytesPerElement.f32;
  if (elements <= most) return [arena];
  return Array.from({ length: Math.ceil(elements / most) }, (_, i) => {
    const part = (tensor: ArenaTensor) => tensor.part(`${tensor.name}, span ${i}`, i * most, [Math.min(most, elements - i * most)]);
    const { decays, parameters, half, training } = arena;
    return {
      decays,
      parameters: part(parameters),
      half: half && part(half),
      training: training && { gradient: part(training.gradient), first: part(training.first), second: part(training.second) },
    };
  });
}
