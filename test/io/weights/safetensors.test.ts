import { readdirSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FormatError, OptionError, ShapeError } from "../../../src/errors.ts";
import { openFolder } from "../../../src/io/folder-node.ts";
import { DTYPE_BITS, DTYPES, type Dtype } from "../../../src/io/weights/dtypes.ts";
import { encodeSafetensors, openSafetensors, type TensorToWrite } from "../../../src/io/weights/safetensors.ts";
import { describeWithSharedData } from "../../shared-data.ts";
import { SafeTensor } from "./safetensors-package.ts";
import { encode, f32, opened, PATH, tensor } from "./tensor-files.ts";

describe("the writer", () => {
  it("writes what the official writer writes", async () => {
    // The bytes that test_serialization of huggingface/safetensors (tensor.rs) expects, for a header that needs padding and one that does not.
    const values = f32(0, 1, 2, 3, 4, 5);
    for (const [name, shape, length] of [
      ["attn.0", [1, 2, 3], 64],
      ["attn0", [1, 1, 2, 3], 72],
    ] as const) {
      const header = `{"${name}":{"dtype":"F32","shape":[${shape}],"data_offsets":[0,24]}}`.padEnd(length);
      const bytes = await encode([tensor(name, "F32", [...shape], values)], {});
      expect([...bytes.subarray(0, 8)]).toEqual([length, 0, 0, 0, 0, 0, 0, 0]);
      expect(new TextDecoder().decode(bytes.subarray(8, 8 + length))).toBe(header);
      expect(bytes.subarray(8 + length)).toEqual(values);
    }
    expect([...(await encode([], {}))]).toEqual([8, 0, 0, 0, 0, 0, 0, 0, 123, 125, 32, 32, 32, 32, 32, 32]);
  });

  it("lays larger elements first, then by name, and calls for data in that order", async () => {
    const asked: string[] = [];
    const lazy = (name: string, dtype: Dtype, bytes: number): TensorToWrite => ({
      name,
      dtype,
      shape: [3],
      data: async () => {
        asked.push(name);
        return new Uint8Array(bytes);
      },
    });
    const file = await opened(await encode([lazy("b", "F16", 6), lazy("2", "F32", 12), lazy("10", "F32", 12), lazy("i", "I64", 24)]));
    expect(asked).toEqual(["i", "10", "2", "b"]);
    expect([...file.tensors.keys()]).toEqual(asked);
    for (const { dtype, start } of file.tensors.values()) expect(start % (DTYPE_BITS[dtype] / 8)).toBe(0);
    expect(file.metadata).toEqual({ format: "pt" });
  });

  it("refuses names used twice, shapes that are none, and data that does not fill its shape", async () => {
    const one = tensor("w", "F32", [1], f32(1));
    expect(() => encodeSafetensors([one, one])).toThrow(FormatError);
    expect(() => encodeSafetensors([{ ...one, name: "__metadata__" }])).toThrow('the tensor name "__metadata__" is taken');
    for (const shape of [[-1], [1.5], [2 ** 40, 2 ** 40]]) expect(() => encodeSafetensors([{ ...one, shape }])).toThrow(ShapeError);
    await expect(encode([{ ...one, shape: [2] }])).rejects.toThrow('tensor "w" of F32 and shape [2] takes 8 bytes, its data has 4');
  });
});

/** Tensors of any dtype whose elements are whole bytes, scalars and empty ones included. */
const anyTensors = fc.uniqueArray(
  fc.record({
    name: fc.string({ unit: "grapheme", maxLength: 12 }).filter((name) => name !== "__metadata__"),
    dtype: fc.constantFrom(...DTYPES.filter((dtype) => DTYPE_BITS[dtype] % 8 === 0)),
    shape: fc.array(fc.nat(4), { maxLength: 3 }),
    seed: fc.nat(255),
  }),
  { selector: ({ name }) => name, maxLength: 8 },
);

describe("round trips", () => {
  it("give back every tensor, its bytes, and the metadata", async () => {
    await fc.assert(
      fc.asyncProperty(anyTensors, fc.dictionary(fc.string(), fc.string()), async (described, metadata) => {
        const tensors = described.map(({ name, dtype, shape, seed }) => {
          const bytes = (shape.reduce((count, size) => count * size, 1) * DTYPE_BITS[dtype]) / 8;
          return tensor(
            name,
            dtype,
            shape,
            Uint8Array.from({ length: bytes }, (_, i) => seed + i * 37),
          );
        });
        const file = await opened(await encode(tensors, metadata));
        expect(Object.entries(file.metadata)).toEqual(Object.entries(metadata));
        expect(new Set(file.tensors.keys())).toEqual(new Set(tensors.map(({ name }) => name)));
        for (const { name, dtype, shape, data } of tensors) {
          expect(file.tensors.get(name)).toMatchObject({ dtype, shape });
          expect(await file.readBytes(name)).toEqual(await data());
        }
      }),
    );
  });

  it("agree with the safetensors package on every tensor's bytes", async () => {
    await fc.assert(
      fc.asyncProperty(anyTensors, async (described) => {
        const tensors = described.map(({ name, dtype, shape, seed }) => {
          const bytes = (shape.reduce((count, size) => count * size, 1) * DTYPE_BITS[dtype]) / 8;
          return tensor(name, dtype, shape, new Uint8Array(bytes).fill(seed));
        });
        // The package cannot open a file with metadata.
        const theirs = new SafeTensor(await encode(tensors, {}));
        for (const { name, dtype, shape, data } of tensors) {
          expect(theirs.metadata.get(name)).toMatchObject({ dtype, shape });
          expect(theirs.getTensor(name)).toEqual(await data());
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe("readF32 and streamF32", () => {
  const halves = (...bits: number[]) => new Uint8Array(Uint16Array.from(bits).buffer);

  it("convert F16 exactly: normal, subnormal, largest, infinite, not a number", async () => {
    // IEEE 754 binary16: 1, -2, the largest, the smallest normal, the smallest subnormal, its negative, zeros, infinities, NaN.
    const bits = [0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x8001, 0x03ff, 0x0000, 0x8000, 0x7c00, 0xfc00, 0x7e00];
    const values = [1, -2, 65504, 2 ** -14, 2 ** -24, -(2 ** -24), 1023 * 2 ** -24, 0, -0, Infinity, -Infinity, Number.NaN];
    const file = await opened(await encode([tensor("h", "F16", [12], halves(...bits))]));
    expect([...(await file.readF32("h"))]).toEqual(values);
  });

  it("convert BF16 exactly and round F64", async () => {
    const file = await opened(
      await encode([
        tensor("b", "BF16", [5], halves(0x3f80, 0xc049, 0x7f80, 0x0001, 0x8000)),
        tensor("d", "F64", [4], new Uint8Array(Float64Array.of(0.1, -1e300, 2 ** -149, 3).buffer)),
      ]),
    );
    expect([...(await file.readF32("b"))]).toEqual([1, -3.140625, Infinity, 2 ** -133, -0]);
    expect([...(await file.readF32("d"))]).toEqual([Math.fround(0.1), -Infinity, 2 ** -149, 3]);
  });

  it("give the same elements whole and in chunks of any size", async () => {
    const bytes: Record<string, number> = { F64: 8, F32: 4, F16: 2, BF16: 2 };
    const random = fc.record({
      dtype: fc.constantFrom<Dtype>("F64", "F32", "F16", "BF16"),
      count: fc.nat(60),
      maxBytes: fc.integer({ min: 4, max: 300 }),
      seed: fc.nat(),
    });
    await fc.assert(
      fc.asyncProperty(random, async ({ dtype, count, maxBytes, seed }) => {
        const data = Uint8Array.from({ length: count * bytes[dtype]! }, (_, i) => Math.imul(seed + i, 2654435761) >>> 24);
        const file = await opened(await encode([tensor("w", dtype, [count], data), tensor("odd", "U8", [3], new Uint8Array(3))]));
        const whole = await file.readF32("w", [count]);
        const streamed = new Float32Array(count);
        let next = 0;
        for await (const { offset, data: chunk } of file.streamF32("w", maxBytes)) {
          expect(offset).toBe(next);
          expect(chunk.byteLength).toBeLessThanOrEqual(maxBytes);
          streamed.set(chunk, offset);
          next += chunk.length;
        }
        expect(next).toBe(count);
        // Bits, because random ones are often not a number.
        expect(new Uint32Array(streamed.buffer)).toEqual(new Uint32Array(whole.buffer, whole.byteOffset, whole.length));
      }),
    );
  });

  it("say which tensor is missing, of another shape, or of a dtype that is not float", async () => {
    const file = await opened(await encode([tensor("w", "F32", [2, 1], f32(1, 2)), tensor("ids", "I64", [1], new Uint8Array(8))]));
    await expect(file.readF32("v")).rejects.toThrow(`${PATH} has no tensor "v" among its 2`);
    await expect(file.readBytes("v")).rejects.toThrow(FormatError);
    await expect(file.readF32("w", [1, 2])).rejects.toThrow(`${PATH}: tensor "w" has the shape [2, 1], expected [1, 2]`);
    await expect(file.readF32("w", [2])).rejects.toThrow(FormatError);
    await expect(file.readF32("ids")).rejects.toThrow(`${PATH}: tensor "ids" holds I64, expected one of F32, F64, F16, BF16`);
    await expect(file.streamF32("ids", 64)[Symbol.asyncIterator]().next()).rejects.toThrow(FormatError);
    await expect(file.streamF32("w", 3)[Symbol.asyncIterator]().next()).rejects.toThrow(OptionError);
  });
});

describeWithSharedData("real safetensors files", (data) => {
  const samples = join(data, "reference", "safetensors_samples");

  it("open, with every tensor, as the safetensors package reads them", async () => {
    const folder = await openFolder(samples);
    const files = readdirSync(samples).filter((file) => !file.startsWith("TRUNCATED"));
    expect(files.length).toBeGreaterThanOrEqual(14);
    for (const name of files) {
      const file = await openSafetensors(folder, name);
      expect(file.tensors.size).toBeGreaterThan(0);
      for (const [tensorName, { dtype, shape }] of file.tensors) {
        expect((await file.readBytes(tensorName)).length).toBe((shape.reduce((a, b) => a * b, 1) * DTYPE_BITS[dtype]) / 8);
      }
      if (Object.keys(file.metadata).length > 0) continue;
      const theirs = new SafeTensor(await folder.read(name));
      for (const tensorName of file.tensors.keys()) {
        expect(Buffer.compare(await file.readBytes(tensorName), theirs.getTensor(tensorName))).toBe(0);
      }
    }
  });

  it("hold the same values in F16 as in F32, to the precision of F16", async () => {
    const folder = await openFolder(samples);
    const single = await (await openSafetensors(folder, "model2vec-float32.safetensors")).readF32("embeddings");
    const half = await (await openSafetensors(folder, "model2vec-float16.safetensors")).readF32("embeddings");
    expect(half.length).toBe(single.length);
    // Rounding to 11 significant bits: half a unit in the last place is 2^-11 of the value, and 2^-25 for subnormals.
    const off = half.filter((value, i) => Math.abs(value - single[i]!) > Math.abs(single[i]!) * 2 ** -11 + 2 ** -25);
    expect(off.length).toBe(0);
  });

  it("that are cut short say so, and name the tensor", async () => {
    const name = "TRUNCATED-all-MiniLM-L6-v2.safetensors";
    const error: unknown = await openSafetensors(await openFolder(samples), name).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(FormatError);
    expect((error as FormatError).message).toBe(
      `${samples}/${name} is cut short: its header describes a file of 90868376 bytes, it holds 851968; ` +
        'the first tensor that is not whole is "embeddings.word_embeddings.weight"',
    );
  });
});
