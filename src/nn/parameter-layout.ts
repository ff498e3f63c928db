/**
 * Where a model's parameters lie, before there is any memory: its parameters, and for training their gradients and AdamW's moments, in flat arenas, so
 * that the optimiser and the gradient norm each take one dispatch an arena. A layout is enough to record and plan a step; `ParameterStore` gives it memory.
 *
 * Parameters that decay and those that do not are in arenas of their own; an arena is no larger than the device may bind at once.
 */
import { CapacityError } from "../errors.ts";
import { castInto } from "../kernels/cast.ts";
import { elementCount, type FloatType, type Recorder } from "../kernels/operation.ts";
import { optimizerStateShape } from "../kernels/optimizer-state.ts";
import { ArenaTensor } from "./arena-tensor.ts";
import { namedPieces, type Parameter, type Piece } from "./parameter.ts";

/** Where each parameter starts in its arena, in bytes: twice the offset alignment of every device, so that its halves are aligned too. */
const alignment = 512;

/** The tensors of an arena, each [elements]. */
export interface Arena {
  readonly decays: boolean;
  readonly parameters: ArenaTensor;
  /** The parameters as halves, for products in mixed precision; null in a store that keeps none, and for what no product reads. */
  readonly half: ArenaTensor | null;
  /** For training; absent in a model that only encodes. */
  readonly training: { readonly gradient: ArenaTensor; readonly first: ArenaTensor; readonly second: ArenaTensor } | null;
}

export interface LayoutOptions {
  /** Also gradients and moments: four times the memory. */
  readonly training: boolean;
  /** Also keep all matrices as halves, for mixed precision; false if absent. */
  readonly halves?: boolean;
  /** Bytes that the device binds at once (maxStorageBufferBindingSize). */
  readonly largestArena: number;
}

export class ParameterLayout {
  readonly pieces: ReadonlyMap<string, Piece>;
  readonly parameters: readonly Parameter[];
  readonly arenas: readonly Arena[];
  /** The optimiser's state, see `optimizer-state.ts`; null in a model that only encodes. */
  readonly optimizer: ArenaTensor | null;
  readonly keepsHalves: boolean;

  /** Gives every parameter of `module` its place. Throws `CapacityError` when one is too large for the device. */
  constructor(module: object, { training, halves = false, largestArena }: LayoutOptions) {
    this.pieces = namedPieces(module);
    this.parameters = [...new Set([...this.pieces.values()].map(({ parameter }) => parameter))];
    for (const [name, { parameter }] of this.pieces) parameter.name = name;
    this.keepsHalves = halves;
    this.optimizer = training ? new ArenaTensor("optimiser state", "f32", optimizerStateShape) : null;
    this.arenas = [true, false].flatMap((decays) =>
      packArenas(
        this.parameters.filter((parameter) => parameter.decays === decays),
        largestArena,
      ).map((members, i) =>
        layOutArena(members, `${decays ? "weights" : "biases and norms"} ${i}`, { decays, training, halves: halves && decays }),
      ),
    );
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

  /** Bytes of all tensors. */
  get bytes(): number {
    return this.tensors.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Records that the halves become what the parameters are: at the beginning of a step whose products read them. */
  updateHalves(tape: Recorder): void {
    for (const { parameters, half } of this.arenas) if (half) castInto(tape, parameters, half);
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

function layOutArena(
  members: readonly Parameter[],
  label: string,
  { decays, training, halves }: { decays: boolean; training: boolean; halves: boolean },
): Arena {
  const elements = members.reduce((sum, parameter) => sum + alignedBytes(parameter), 0) / 4;
  const flat = (kind: string, dtype: FloatType = "f32") => new ArenaTensor(`${kind} of ${label}`, dtype, [elements]);
  const arena: Arena = {
    decays,
    parameters: flat("parameters"),
    half: halves ? flat("halves", "f16") : null,
    training: training ? { gradient: flat("gradient"), first: flat("first moment"), second: flat("second moment") } : null,
  };
  let offset = 0;
  for (const parameter of members) {
    const { name, shape } = parameter;
    parameter.lie({
      own: arena.parameters.part(name, offset, shape),
      half: arena.half?.part(`${name} in halves`, offset, shape),
      gradient: arena.training?.gradient.part(`gradient of ${name}`, offset, shape),
    });
    offset += alignedBytes(parameter) / 4;
  }
  return arena;
}
