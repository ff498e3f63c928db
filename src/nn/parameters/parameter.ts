/**
 * Parameters of a model, and the walk that finds them.
 *
 * A module is a plain class whose property names are the checkpoint's: `encoder.layer[0].attention.self.query.weight` is both the tensor's
 * name and the path to it. A parameter can stand for several named tensors of the checkpoint, called pieces (query, key and value weights
 * are one matrix here). So the walk collects pieces, while memory belongs to whole parameters.
 */
import { ShapeError } from "../../errors.ts";
import type { BufferWindow } from "../../gpu/device.ts";
import { checkShape, elementCount, type FloatType, floatOf, type Persistent } from "../../kernels/language/operation.ts";

/** How a parameter is initialised. */
export type Initial = { readonly normal: number } | { readonly constant: number };

/** Where a parameter is, and the tensors that belong to it. */
export interface Places {
  readonly own: Persistent;
  /** Its f16 copy. */
  readonly half: Persistent | undefined;
  readonly gradient: Persistent | undefined;
}

/** A tensor in an arena: f32, or f16 if it is a frozen matrix in mixed precision. `ParameterLayout` assigns its place, `ParameterStore` its memory. */
export class Parameter implements Persistent {
  name = "parameter";
  #places: Places | null = null;

  constructor(
    readonly shape: readonly number[],
    readonly initial: Initial,
    /** Whether it has weight decay: matrices do, biases and norm weights do not. */
    readonly decays: boolean = shape.length > 1,
  ) {
    checkShape("A parameter", shape);
  }

  get dtype(): FloatType {
    return this.#places === null ? "f32" : floatOf(this.#places.own);
  }

  /** Assigns its place in an arena. */
  place(places: Places): void {
    this.#places = places;
  }

  /** Throws `ShapeError` before memory is allocated. */
  get window(): BufferWindow {
    if (this.#places === null) {
      throw new ShapeError(`The parameter ${this.name} has no memory yet.`, "Allocate its model with ParameterStore.allocate first.");
    }
    return this.#places.own.window;
  }

  get partOf(): Persistent["partOf"] {
    return this.#places?.own.partOf;
  }

  get gradient(): Persistent | undefined {
    return this.#places?.gradient;
  }

  get half(): Persistent | undefined {
    return this.#places?.half;
  }

  /** What a product with a matrix of this dtype reads: the parameter or its f16 copy. Throws `ShapeError` if there are no halves. */
  stored(dtype: FloatType): Persistent {
    const stored = dtype === this.dtype || dtype === "f32" ? this : this.half;
    if (stored === undefined) {
      throw new ShapeError(`The parameter ${this.name} is not kept as halves.`, "Allocate its model with halves: true.");
    }
    return stored;
  }

  /** All of it as one piece. */
  get whole(): Piece {
    return new Piece(this, 0, this.shape);
  }

  /** `count` rows from row `first` on, as one tensor of the checkpoint. */
  rows(first: number, count: number): Piece {
    const width = elementCount(this.shape.slice(1));
    return new Piece(this, first * width, [count, ...this.shape.slice(1)]);
  }
}

/** A tensor of the checkpoint: a range of a parameter's elements. */
export class Piece {
  constructor(
    readonly parameter: Parameter,
    /** In elements. */
    readonly offset: number,
    readonly shape: readonly number[],
  ) {}
}

/** Every tensor of a module by its checkpoint name, in the order of the properties. */
export function namedPieces(module: object, prefix = ""): Map<string, Piece> {
  const pieces = new Map<string, Piece>();
  for (const [key, child] of Object.entries(module)) {
    if (child instanceof Parameter) pieces.set(prefix + key, child.whole);
    else if (child instanceof Piece) pieces.set(prefix + key, child);
    else if (typeof child === "object" && child !== null)
      for (const [name, piece] of namedPieces(child, `${prefix}${key}.`)) pieces.set(name, piece);
  }
  return pieces;
}
