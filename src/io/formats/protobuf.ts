/**
 * Protocol Buffers, the format of ONNX models, TensorBoard's events and SentencePiece's models: fields to write, and those of a message.
 * https://protobuf.dev/programming-guides/encoding/
 */
import { bytesOf } from "./bytes.ts";

/** How a field's value is stored. */
const wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** An integer in groups of seven bits, the lowest first; negative numbers as 64 bits. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = BigInt.asUintN(64, BigInt(value)); ; rest >>= 7n) {
    if (rest < 128n) return Uint8Array.of(...bytes, Number(rest));
    bytes.push(Number(rest & 127n) | 128);
  }
}

const key = (field: number, type: number) => varint((field << 3) | type);

/** Something that takes this many bytes in a message. */
interface Sized {
  readonly length: number;
}

/** The bytes of all parts. */
export function lengthOf(parts: readonly Sized[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

/** A field that holds a message, or bytes, in parts; those that are not bytes are left for the caller to replace. */
export function message<Part extends Sized>(field: number, parts: readonly Part[]): (Part | Uint8Array)[] {
  return [key(field, wire.bytes), varint(lengthOf(parts)), ...parts];
}

/** A field with a text; the others below hold a number. */
export const text = (field: number, value: string): Uint8Array[] => message(field, [new TextEncoder().encode(value)]);

export const integer = (field: number, value: number): Uint8Array[] => [key(field, wire.varint), varint(value)];

export const float = (field: number, value: number): Uint8Array[] => [key(field, wire.fixed32), bytesOf(Float32Array.of(value))];

export const double = (field: number, value: number): Uint8Array[] => [key(field, wire.fixed64), bytesOf(Float64Array.of(value))];

/** A field of a message: a number for integers, bytes for all else (texts, messages, and numbers of fixed size). */
export interface Field {
  readonly number: number;
  readonly value: number | Uint8Array;
}

/** Bytes of the kinds of values with a fixed size, by their wire type. */
const fixedSizes: Readonly<Record<number, number>> = { [wire.fixed64]: 8, [wire.fixed32]: 4 };

/** The fields of a message, in their order. Throws RangeError when the bytes are no message. */
export function* fieldsOf(message: Uint8Array): Generator<Field> {
  let at = 0;
  const nextInteger = (): number => {
    let value = 0;
    for (let factor = 1; factor <= 2 ** 63; factor *= 128) {
      const byte = message[at++];
      if (byte === undefined) break;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
    throw new RangeError(`a number does not end at byte ${at}`);
  };
  while (at < message.length) {
    const tag = nextInteger();
    const [number, type] = [Math.floor(tag / 8), tag % 8];
    if (type === wire.varint) {
      yield { number, value: nextInteger() };
      continue;
    }
    const size = type === wire.bytes ? nextInteger() : fixedSizes[type];
    if (size === undefined || at + size > message.length) throw new RangeError(`field ${number} is damaged at byte ${at}`);
    yield { number, value: message.subarray(at, at + size) };
    at += size;
  }
}
