/**
 * The number encoding of Protocol Buffers, the format of ONNX models and TensorBoard's events.
 * https://protobuf.dev/programming-guides/encoding/
 */

/** An integer in groups of seven bits, the lowest first; negative numbers as 64 bits. */
export function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = BigInt.asUintN(64, BigInt(value)); ; rest >>= 7n) {
    if (rest < 128n) return Uint8Array.of(...bytes, Number(rest));
    bytes.push(Number(rest & 127n) | 128);
  }
}

/** A field of a message: a number for integers, bytes for all else (texts, messages, and numbers of fixed size). */
export interface Field {
  readonly number: number;
  readonly value: number | Uint8Array;
}

/** Bytes of the kinds of values with a fixed size, by their wire type. */
const fixedSizes: Readonly<Record<number, number>> = { 1: 8, 5: 4 };

/** The fields of a message, in their order. Throws RangeError when the bytes are no message. */
export function* fieldsOf(message: Uint8Array): Generator<Field> {
  let at = 0;
  const integer = (): number => {
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
    const tag = integer();
    const [number, wire] = [Math.floor(tag / 8), tag % 8];
    if (wire === 0) {
      yield { number, value: integer() };
      continue;
    }
    const size = wire === 2 ? integer() : fixedSizes[wire];
    if (size === undefined || at + size > message.length) throw new RangeError(`field ${number} is damaged at byte ${at}`);
    yield { number, value: message.subarray(at, at + size) };
    at += size;
  }
}
