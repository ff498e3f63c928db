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
