/**
 * Writes ONNX models: a graph of operators and its weights, as one protocol buffer. https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 *
 * Each tensor of weights is requested when it is written, so that the whole model is never in memory.
 */
import { CapacityError, ShapeError } from "../../errors.ts";
import { bytesOf, concatenate } from "./bytes.ts";
import { float, integer, lengthOf, message, text } from "./protobuf.ts";

/** The operator set's version: the first with LayerNormalization. */
const OPSET = 17;
const IR_VERSION = 8;
/** The size limit of a protocol buffer. */
const MAX_BYTES = 2 ** 31 - 1;

const ELEMENT = { F32: { code: 1, bytes: 4 }, I64: { code: 7, bytes: 8 }, F16: { code: 10, bytes: 2 } } as const;

type Element = keyof typeof ELEMENT;

/** An attribute: a wrapped number is a float, others are integers. */
export type Attribute = number | readonly number[] | { readonly float: number };

/** A graph being built. Values are names; a dimension given as text may have any size. */
export class OnnxGraph {
  readonly #nodes: Part[] = [];
  readonly #weights: Part[] = [];
  readonly #inputs: Part[] = [];
  readonly #outputs: Part[] = [];
  #count = 0;

  constructor(readonly name: string) {}

  input(name: string, element: Element, shape: readonly (number | string)[]): string {
    this.#inputs.push(...message(11, valueInfo(name, element, shape)));
    return name;
  }

  /** Integers that a caller may leave out: all are then this one. Their dimensions have names of their own, as they then have other sizes. */
  optional(name: string, shape: readonly string[], otherwise: number): string {
    const bytes = bytesOf(BigInt64Array.of(BigInt(otherwise)));
    this.input(name, "I64", shape);
    return this.weight(
      name,
      "I64",
      shape.map(() => 1),
      () => bytes,
    );
  }

  /** Declares a value as an output with this name. */
  output(name: string, value: string, element: Element, shape: readonly (number | string)[]): void {
    this.#node("Identity", [value], name, {});
    this.#outputs.push(...message(12, valueInfo(name, element, shape)));
  }

  /** The result of an operator on values. */
  add(operator: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    const output = `${operator}_${this.#count++}`;
    this.#node(operator, inputs, output, attributes);
    return output;
  }

  /** A tensor of the model. `data` returns its little-endian bytes in C order when it is written. */
  weight(name: string, element: Element, shape: readonly number[], data: () => Uint8Array | Promise<Uint8Array>): string {
    const size = shape.reduce((product, length) => product * length, ELEMENT[element].bytes);
    const fields = [...shape.flatMap((length) => integer(1, length)), ...integer(2, ELEMENT[element].code), ...text(8, name)];
    this.#weights.push(...message(5, [...fields, ...message(9, [{ length: size, name, read: data }])]));
    return name;
  }

  /** The same in f16, and cast to f32 under its name: a runtime casts it once, when it opens the model. */
  halfWeight(name: string, shape: readonly number[], data: () => Uint8Array | Promise<Uint8Array>): string {
    this.#node("Cast", [this.weight(`${name}.f16`, "F16", shape, data)], name, { to: ELEMENT.F32.code });
    return name;
  }

  /** Integers; a scalar if a single number is given. */
  integers(values: number | readonly number[]): string {
    const list = typeof values === "number" ? [values] : values;
    const bytes = bytesOf(BigInt64Array.from(list, BigInt));
    return this.weight(`integers_${this.#count++}`, "I64", typeof values === "number" ? [] : [list.length], () => bytes);
  }

  float(value: number): string {
    return this.weight(`float_${this.#count++}`, "F32", [], () => bytesOf(Float32Array.of(value)));
  }

  /**
   * The file. Throws CapacityError when it is larger than the format allows and, while it is read, ShapeError for data whose size differs
   * from its shape.
   */
  encode(): AsyncIterable<Uint8Array> {
    const graph = [...this.#nodes, ...text(2, this.name), ...this.#weights, ...this.#inputs, ...this.#outputs];
    const opset = message(8, [...text(1, ""), ...integer(2, OPSET)]);
    const model = [...integer(1, IR_VERSION), ...text(2, "simcse-webgpu"), ...opset, ...message(7, graph)];
    if (lengthOf(model) > MAX_BYTES) {
      throw new CapacityError(
        `the model takes ${lengthOf(model)} bytes; an ONNX file holds at most ${MAX_BYTES}`,
        "Convert a smaller model.",
      );
    }
    return chunks(model);
  }

  #node(operator: string, inputs: readonly string[], output: string, attributes: Readonly<Record<string, Attribute>>): void {
    const fields = [...inputs.flatMap((input) => text(1, input)), ...text(2, output), ...text(3, output), ...text(4, operator)];
    const given = Object.entries(attributes).flatMap(([name, value]) => message(5, attribute(name, value)));
    this.#nodes.push(...message(1, [...fields, ...given]));
  }
}

function attribute(name: string, value: Attribute): Part[] {
  if (typeof value === "number") return [...text(1, name), ...integer(3, value), ...integer(20, 2)];
  if ("float" in value) {
    return [...text(1, name), ...float(2, value.float), ...integer(20, 1)];
  }
  return [...text(1, name), ...value.flatMap((item) => integer(8, item)), ...integer(20, 7)];
}

function valueInfo(name: string, element: Element, shape: readonly (number | string)[]): Part[] {
  const dimensions = shape.flatMap((size) => message(1, typeof size === "number" ? integer(1, size) : text(2, size)));
  const tensor = [...integer(1, ELEMENT[element].code), ...message(2, dimensions)];
  return [...text(1, name), ...message(2, message(1, tensor))];
}

/** Bytes of a protocol buffer, or bytes that are requested when they are written. */
type Part = Uint8Array | { readonly length: number; readonly name: string; readonly read: () => Uint8Array | Promise<Uint8Array> };

/** Joins small parts, so that a file is not written in a hundred thousand pieces. */
async function* chunks(parts: readonly Part[]): AsyncGenerator<Uint8Array> {
  let small: Uint8Array[] = [];
  for (const part of parts) {
    if (part instanceof Uint8Array) {
      small.push(part);
      continue;
    }
    yield concatenate(small);
    small = [];
    const bytes = await part.read();
    if (bytes.length !== part.length)
      throw new ShapeError(`${part.name} takes ${part.length} bytes, its data has ${bytes.length}`, "Check its shape.");
    yield bytes;
  }
  yield concatenate(small);
}
