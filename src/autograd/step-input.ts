/**
 * The input of a program's step. It is checked completely before any of it takes effect: nothing may be missing or unknown, and every
 * tensor must hold at least its live rows. Values that a step leaves out keep their last value.
 */
import { CapacityError, OptionError } from "../errors.ts";
import { stepWords } from "../kernels/language/kernel.ts";
import {
  byteSize,
  capacity,
  type DType,
  type Extent,
  formatShape,
  type LiveSize,
  type Scalar,
  type Shape,
  type Value,
} from "../kernels/language/operation.ts";
import { checkOptions, type OptionNames } from "../options.ts";
import type { Tape } from "./tape.ts";

/** The input of one step. */
export interface StepInput {
  /**
   * Tensors of the tape's inputs, row-major: an f32 as a `Float32Array`, a u32 as a `Uint32Array`, an f16 as its bits in a `Uint16Array`. Each holds at least
   * its live rows. An input that is left out keeps its last content.
   */
  readonly inputs?: Readonly<Record<string, Uint32Array | Float32Array | Uint16Array>>;
  /** Live sizes of the tape's extents: whole numbers up to the capacity. They start at the capacity. */
  readonly live?: Readonly<Record<string, number>>;
  /** Values of the tape's scalars. A scalar that is left out keeps its last value. */
  readonly scalars?: Readonly<Record<string, number>>;
  /** Seed of the random streams, a whole number; 0 if absent. */
  readonly seed?: number;
  /** The step's number, a whole number that every dropout mask depends on; 0 if absent. */
  readonly step?: number;
}

const stepOptions: OptionNames<StepInput> = { inputs: true, live: true, scalars: true, seed: true, step: true };

/** The array type that holds a dtype on the host; f16 values are held as their bits. */
export const arrayOf = { f32: Float32Array, f16: Uint16Array, u32: Uint32Array } as const satisfies Record<DType, unknown>;

/** A tensor to write. */
export interface InputWrite {
  readonly value: Value;
  readonly data: Uint32Array | Float32Array | Uint16Array;
}

/** The tape's inputs and scalars that a program reads, and therefore must be given. */
export interface NeededInputs {
  readonly inputs: readonly Value[];
  readonly scalars: readonly Scalar[];
}

/** The input of a program's steps, kept from one step to the next. */
export class StepInputs {
  /** The uniform block of a step: seed, step number, live sizes and scalars. */
  readonly block: Uint32Array = new Uint32Array(stepWords);
  /** The block of a step that is being checked. */
  readonly #next = new Uint32Array(stepWords);
  readonly #nextFloats = new Float32Array(this.#next.buffer);
  readonly #nextLive = liveIn(this.#next);
  readonly #tape: Tape;
  readonly #needed: NeededInputs;
  /** How many elements each input was last given. */
  readonly #elements = new Map<Value, number>();
  readonly #givenScalars = new Set<string>();
  #live: LiveSize;

  constructor(tape: Tape, needed: NeededInputs) {
    this.#tape = tape;
    this.#needed = needed;
    for (const { word, capacity } of tape.extents.values()) this.block[word] = capacity;
    this.#live = liveIn(this.block.slice());
  }

  /** The live sizes of the last step. It is another function as soon as one of them is another, and only then. */
  get live(): LiveSize {
    return this.#live;
  }

  /**
   * Takes the input of a step: fills `block`, and returns the tensors to write. Throws `OptionError` for values that are missing, unknown
   * or invalid, and `CapacityError` for sizes beyond the program's capacity. Nothing has changed then.
   */
  take(input: StepInput): InputWrite[] {
    checkOptions("run", input, stepOptions);
    const { inputs = {}, live = {}, scalars = {}, seed = 0, step = 0 } = input;
    const next = this.#next;
    next.set(this.block);
    checkWhole("seed", seed);
    checkWhole("step", step);
    next[0] = seed;
    next[1] = step;
    let sizesChange = false;
    for (const [name, size] of Object.entries(live)) {
      const extent = known("extent", name, this.#tape.extents);
      checkLive(extent, size);
      next[extent.word] = size;
      sizesChange ||= this.block[extent.word] !== size;
    }
    for (const [name, value] of Object.entries(scalars)) {
      const { word } = known("scalar", name, this.#tape.scalars);
      checkNumber(`The scalar ${name}`, value);
      this.#nextFloats[word] = value;
    }
    const writes: InputWrite[] = [];
    for (const [name, data] of Object.entries(inputs)) {
      const value = known("input", name, this.#tape.inputs);
      checkTensor(value, data);
      checkIndices(value, data, this.#nextLive);
      writes.push({ value, data });
    }
    this.#checkComplete(inputs, scalars);

    this.block.set(next);
    if (sizesChange) this.#live = liveIn(next.slice());
    for (const name of Object.keys(scalars)) this.#givenScalars.add(name);
    for (const { value, data } of writes) this.#elements.set(value, data.length);
    return writes;
  }

  /** Throws unless every needed scalar and input was given, now or before, with at least the live rows of this step. */
  #checkComplete(inputs: NonNullable<StepInput["inputs"]>, scalars: NonNullable<StepInput["scalars"]>): void {
    for (const { name } of this.#needed.scalars) {
      if (Object.hasOwn(scalars, name) || this.#givenScalars.has(name)) continue;
      throw new OptionError(`The scalar ${name} was never given.`, `Give it with the first step: run({ scalars: { ${name}: … } }).`);
    }
    for (const value of this.#needed.inputs) {
      const { name, shape } = value;
      const given = Object.hasOwn(inputs, name) ? inputs[name]!.length : this.#elements.get(value);
      if (given === undefined)
        throw new OptionError(`The input ${name} was never given.`, `Give it with the first step: run({ inputs: { ${name}: … } }).`);
      const wanted = liveElements(shape, this.#nextLive);
      if (given < wanted) {
        throw new OptionError(
          `The input ${name} ${formatShape(shape)} was given ${given} elements; its live part ends at ${wanted}.`,
          "Give every live row, or a smaller live size.",
        );
      }
    }
  }
}

/** The live sizes in a step block. */
const liveIn =
  (words: Uint32Array): LiveSize =>
  (dimension) =>
    typeof dimension === "number" ? dimension : words[dimension.word]!;

/** Throws where an index in the live part is out of range. */
function checkIndices({ name, shape, limits }: Value, data: InputWrite["data"], live: LiveSize): void {
  const end = limits.length > 0 ? Math.min(data.length, liveElements(shape, live)) : 0;
  for (const { size, of } of limits) {
    const count = live(size);
    const wrong = data.subarray(0, end).findIndex((index) => index >= count);
    if (wrong < 0) continue;
    throw new OptionError(
      `The input ${name} holds ${data[wrong]} at ${wrong}; there are ${count} ${of}.`,
      `Give indices from 0 to ${count - 1}.`,
    );
  }
}

/** Number of elements up to the last live one, row-major at capacity. */
function liveElements(shape: Shape, live: LiveSize): number {
  let last = 0;
  for (const dimension of shape) {
    const size = live(dimension);
    if (size === 0) return 0;
    last = last * capacity(dimension) + size - 1;
  }
  return last + 1;
}

/** The entry with a name; throws `OptionError` that lists the known names. */
function known<T>(kind: string, name: string, entries: ReadonlyMap<string, T>): T {
  const found = entries.get(name);
  if (found !== undefined) return found;
  const names = [...entries.keys()];
  throw new OptionError(`The program has no ${kind} ${name}.`, names.length > 0 ? `It has ${names.join(", ")}.` : "It has none.");
}

function checkWhole(name: string, value: number): void {
  if (Number.isInteger(value)) return;
  throw new OptionError(`The ${name} of a step must be a whole number, found ${String(value)}.`, "Give a whole number.");
}

function checkNumber(name: string, value: number): void {
  if (typeof value === "number" && !Number.isNaN(value)) return;
  throw new OptionError(`${name} must be a number, found ${String(value)}.`, "Give a number.");
}

function checkLive({ name, capacity }: Extent, size: number): void {
  if (!Number.isInteger(size) || size < 0)
    throw new OptionError(
      `The live size of ${name} must be a whole number from 0, found ${String(size)}.`,
      "Count the rows that are given.",
    );
  if (size > capacity) throw new CapacityError(`${name} is at most ${capacity}, not ${size}.`, "Compile the program for larger batches.");
}

function checkTensor(value: Value, data: InputWrite["data"]): void {
  const { name, dtype } = value;
  const wanted = arrayOf[dtype];
  if (!(data instanceof wanted)) {
    const found = (data as object | null | undefined)?.constructor?.name ?? String(data);
    throw new OptionError(`The input ${name} is ${dtype}, not a ${found}.`, `Give a ${wanted.name}.`);
  }
  const most = byteSize(value);
  if (data.byteLength <= most) return;
  throw new CapacityError(`The input ${name} holds ${most} bytes, not ${data.byteLength}.`, "Compile the program for larger batches.");
}
