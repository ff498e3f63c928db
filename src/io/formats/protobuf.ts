/** Numbers of Protocol Buffers, which ONNX models and TensorBoard's events are written in. https://protobuf.dev/programming-guides/encoding/ */

/** A whole number in groups of seven bits, the lowest first; negative numbers as 64 bits. */
export function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = BigInt.asUintN(64, BigInt(value)); ; rest >>= 7n) {
    if (rest < 128n) return Uint8Array.of(...bytes, Number(rest));
    bytes.push(Number(rest & 127n) | 128);
  }
}
