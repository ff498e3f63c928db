/**
 * Thousands of damaged weights files: when bytes are changed, lost, added, repeated or cut, opening and reading gives a typed error or
 * tensors no larger than the file. The seeds are fixed, so that failures are reproducible.
 */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { SimcseError } from "../../../src/errors.ts";
import { MemoryFolder } from "../../../src/io/folder.ts";
import { concatenate } from "../../../src/io/formats/bytes.ts";
import { openSafetensors } from "../../../src/io/weights/safetensors.ts";
import { openTorchCheckpoint } from "../../../src/io/weights/torch-checkpoint.ts";
import { stream } from "../../../src/nn/random.ts";
import { encode, f32, tensor } from "./tensor-files.ts";

const golden = (file: string) => new Uint8Array(readFileSync(new URL(`../../golden/${file}`, import.meta.url)));

const rounds = 3000;

type Mutation = (bytes: Uint8Array, draw: () => number) => Uint8Array;

const cut = (bytes: Uint8Array, from: number, to: number) => concatenate([bytes.subarray(0, from), bytes.subarray(to)]);

/** Bytes with a meaning in one of the formats, which random bytes rarely hit. */
const telling = [0x00, 0xff, 0x80, 0x7f, 0x50, ...'([{}])RQqrhjcbi.\x85\x86\x87\x8a\x93,:0129-"\n'].map((byte) =>
  typeof byte === "string" ? byte.charCodeAt(0) : byte,
);

const mutations: readonly Mutation[] = [
  (bytes, draw) => bytes.with(draw() % bytes.length, draw() & 0xff),
  (bytes, draw) => bytes.with(draw() % bytes.length, telling[draw() % telling.length]!),
  (bytes, draw) => bytes.map((byte) => (draw() % 200 === 0 ? draw() & 0xff : byte)),
  (bytes, draw) => bytes.slice(0, draw() % bytes.length),
  (bytes, draw) => cut(bytes, draw() % 64, 64 + (draw() % 64)),
  (bytes, draw) => {
    const at = draw() % bytes.length;
    return cut(bytes, at, at + 1 + (draw() % 8));
  },
  (bytes, draw) => {
    const at = draw() % bytes.length;
    return concatenate([bytes.subarray(0, at), bytes.subarray(draw() % bytes.length).subarray(0, draw() % 32), bytes.subarray(at)]);
  },
  // A field of four bytes takes an extreme value.
  (bytes, draw) => {
    const changed = bytes.slice();
    const value = [0, 1, 0x7fffffff, 0x80000000, 0xffffffff, bytes.length][draw() % 6]!;
    new DataView(changed.buffer).setUint32(draw() % (bytes.length - 4), value, true);
    return changed;
  },
];

it.each([
  ["a zip of torch's", openTorchCheckpoint, golden("torch_zip.bin")],
  ["a pickle of torch's", openTorchCheckpoint, golden("torch_legacy.bin")],
  ["a safetensors file", openSafetensors, await encode([tensor("a", "F32", [2], f32(1, 2)), tensor("b.c", "F16", [1, 2], f32(3))])],
] as const)("%s", async (what, open, bytes) => {
  const numbers = stream(20210418, what);
  let drawn = 0;
  const draw = () => numbers(drawn++);
  const ended = { refused: 0, read: 0 };
  for (let round = 0; round < rounds; round++) {
    let mutated = bytes;
    for (let times = 1 + (draw() % 3); times > 0; times--)
      if (mutated.length > 128) mutated = mutations[draw() % mutations.length]!(mutated, draw);
    try {
      const weights = await open(new MemoryFolder("memory", [["file", mutated]]), "file");
      for (const name of weights.tensors.keys()) {
        expect((await weights.readBytes(name)).length, `round ${round}`).toBeLessThanOrEqual(mutated.length);
      }
      ended.read++;
    } catch (error) {
      if (!(error instanceof SimcseError)) throw new Error(`round ${round} of ${what}`, { cause: error });
      ended.refused++;
    }
  }
  // Not all are refused at once, and not all are accepted.
  expect(ended.refused).toBeGreaterThan(rounds / 4);
  expect(ended.read).toBeGreaterThan(rounds / 100);
});
