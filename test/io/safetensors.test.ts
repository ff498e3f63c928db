import { readdirSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FormatError, OptionError, ShapeError } from "../../src/errors.ts";
import { DTYPE_BITS, DTYPES, type Dtype } from "../../src/io/dtypes.ts";
import { MemoryFolder } from "../../src/io/folder.ts";
import { openFolder } from "../../src/io/folder-node.ts";
import { encodeSafetensors, openSafetensors, type Safetensors, type TensorToWrite } from "../../src/io/safetensors.ts";
import { describeWithSharedData } from "../shared-data.ts";
import { SafeTensor } from "./safetensors-package.ts";

const FILE = "model.safetensors";
const PATH = `memory/${FILE}`;

/** A file with the given header (text or bytes) and that many bytes of data. */
async function open(header: string | object | Uint8Array, dataBytes: number): Promise<Safetensors> {
  const text =
    header instanceof Uint8Array ? header : new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return openSafetensors(new MemoryFolder("memory", [[FILE, bytes]]), FILE);
}

async function encode(tensors: readonly TensorToWrite[], metadata?: Record<string, string>): Promise<Uint8Array> {
  const folder = new MemoryFolder();
  await folder.write(FILE, encodeSafetensors(tensors, metadata));
  return folder.read(FILE);
}

const opened = (bytes: Uint8Array) => openSafetensors(new MemoryFolder("memory", [[FILE, bytes]]), FILE);
const f32 = (...values: number[]) => new Uint8Array(Float32Array.of(...values).buffer);
const tensor = (name: string, dtype: Dtype, shape: number[], bytes: Uint8Array): TensorToWrite => ({
  name,
  dtype,
  shape,
  data: () => bytes,
});
const info = (dtype: string, shape: unknown, data_offsets: unknown) => ({ dtype, shape, data_offsets });

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

describe("what is no safetensors file", () => {
  const start = (text: string) => new TextEncoder().encode(text.padEnd(200, "x"));
  it.each([
    ["nothing", new Uint8Array(0), `${PATH} holds 0 bytes: too few`],
    ["seven bytes", new Uint8Array(7), `${PATH} holds 7 bytes: too few`],
    [
      "a header longer than the file",
      Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0, 123, 125),
      "announce a header of 3 bytes, the whole file holds 10",
    ],
    [
      "a header beyond the limit",
      Uint8Array.of(1, 225, 245, 5, 0, 0, 0, 0),
      "announce a header of 100000001 bytes, the format allows 100000000",
    ],
    ["a header beyond counting", new Uint8Array(9).fill(255), "announce a header of 18446744073709552000 bytes"],
    ["a Git LFS pointer", start("version https://git-lfs.github.com/spec/v1\n"), `${PATH} is a Git LFS pointer`],
    ["a torch checkpoint", start("PK\u0003\u0004\u0000\u0000\u0008\u0008"), `${PATH} is a zip archive`],
    ["a web page", start("<!DOCTYPE html>"), `${PATH} is a web page`],
  ])("%s", async (_, bytes, message) => {
    await expect(opened(bytes)).rejects.toThrow(message);
    await expect(opened(bytes)).rejects.toThrow(FormatError);
  });
});

describe("what a header must not say", () => {
  const ok = info("F32", [1], [0, 4]);
  it.each<[string, string | object | Uint8Array, number, string]>([
    ["no text", Uint8Array.of(0x7b, 0xff, 0x7d), 0, "its header is not UTF-8"],
    ["no JSON", "{]", 0, "its header is not valid JSON"],
    ["a byte-order mark", "\uFEFF{}", 0, "its header is not valid JSON"],
    ["nothing", "", 0, "its header is not valid JSON"],
    ["a list", "[]", 0, "not an object"],
    ["null", "null", 0, "not an object"],
    ["a text", '"abc"', 0, "not an object"],
    ["a tensor twice", `{"w":${JSON.stringify(ok)}, "\\u0077" :${JSON.stringify(ok)}}`, 4, 'states "w" twice'],
    ["a field twice", '{"w":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4, 'states "dtype" twice'],
    ["metadata that is no texts", { __metadata__: { format: 1 } }, 0, "__metadata__"],
    ["metadata that is a list", { __metadata__: ["pt"] }, 0, "__metadata__"],
    ["a tensor that is no object", { w: [0, 4] }, 4, 'tensor "w" is not described by an object'],
    ["an unknown dtype", { w: info("F33", [1], [0, 4]) }, 4, 'tensor "w" has the dtype "F33", expected one of BOOL'],
    ["the dtype of a prototype", { w: info("toString", [1], [0, 4]) }, 4, 'has the dtype "toString"'],
    ["no dtype", { w: { shape: [1], data_offsets: [0, 4] } }, 4, "has the dtype nothing"],
    ["a negative size", { w: info("F32", [-1], [0, 4]) }, 4, 'tensor "w" has the shape [-1]'],
    ["half a size", { w: info("F32", [0.5], [0, 2]) }, 2, "has the shape [0.5]"],
    ["a shape that is a number", { w: info("F32", 1, [0, 4]) }, 4, "has the shape 1"],
    ["no shape", { w: { dtype: "F32", data_offsets: [0, 4] } }, 4, "has the shape nothing"],
    ["a size beyond counting", `{"w":{"dtype":"F32","shape":[1e300],"data_offsets":[0,4]}}`, 4, "has the shape [1e+300]"],
    ["sizes whose product overflows", { w: info("F32", [2 ** 40, 2 ** 40], [0, 4]) }, 4, "does not fill a countable number"],
    ["sizes that wrap to 4 bytes", { w: info("F32", [2 ** 32, 2 ** 32, 1], [0, 4]) }, 4, "does not fill a countable number"],
    ["half a byte", { w: info("F4", [3], [0, 2]) }, 2, "does not fill a countable number of whole bytes"],
    ["one offset", { w: info("F32", [1], [0]) }, 4, "has the data_offsets [0]"],
    ["three offsets", { w: info("F32", [1], [0, 4, 8]) }, 4, "has the data_offsets [0,4,8]"],
    ["a negative offset", { w: info("F32", [1], [-4, 0]) }, 4, "has the data_offsets [-4,0]"],
    ["offsets the wrong way round", { w: info("F32", [0], [4, 0]) }, 4, "has the data_offsets [4,0]"],
    ["a range too long", { w: info("F32", [1], [0, 8]) }, 8, 'tensor "w" of F32 and shape [1] takes 4 bytes'],
    ["a range too short", { w: info("F64", [1], [0, 4]) }, 4, "takes 8 bytes, but its data_offsets [0, 4] hold 4"],
    ["an overlap", { a: info("F32", [2], [0, 8]), b: info("F32", [2], [4, 12]) }, 12, 'tensor "b" overlaps tensor "a"'],
    ["the same range twice", { a: ok, b: ok }, 4, 'tensor "b" overlaps tensor "a"'],
    ["a hole", { a: ok, b: info("F32", [1], [8, 12]) }, 12, '4 bytes between tensor "a" and tensor "b" belong to no tensor'],
    ["a hole at the start", { a: info("F32", [1], [4, 8]) }, 8, 'between the start of the data and tensor "a"'],
    ["data after the last tensor", { a: ok }, 5, '1 bytes after tensor "a" belong to no tensor'],
    ["data without tensors", {}, 1, "1 bytes after the start of the data"],
    ["more data than there is", { a: ok, b: info("F32", [1], [4, 8]) }, 7, 'it holds 122; the first tensor that is not whole is "b"'],
    ["offsets far outside", { a: info("U8", [2 ** 50 - 1], [0, 2 ** 50 - 1]) }, 4, "is cut short"],
  ])("%s", async (_, header, dataBytes, message) => {
    const error: unknown = await open(header, dataBytes).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(FormatError);
    expect((error as FormatError).message).toContain(PATH);
    expect((error as FormatError).message).toContain(message);
    expect((error as FormatError).remedy).not.toBe("");
  });

  it("but may have null metadata, unknown fields, blanks, scalars and empty tensors", async () => {
    const file = await open(
      ` {"__metadata__":null,"s":{"dtype":"F32","shape":[],"data_offsets":[0,4],"note":1},"e":${JSON.stringify(info("F64", [0, 7], [4, 4]))}}  `,
      4,
    );
    expect(file.metadata).toEqual({});
    expect([...(await file.readF32("s", []))]).toEqual([0]);
    expect(await file.readF32("e", [0, 7])).toHaveLength(0);
  });

  it("shows names with control characters escaped, and long values shortened", async () => {
    const long = open({ "\u001b[2J": info("F32", Array(1000).fill(-1), [0, 4]) }, 4);
    const error: unknown = await long.catch((thrown: unknown) => thrown);
    expect((error as FormatError).message).toContain('tensor "\\u001b[2J"');
    expect((error as FormatError).message.length).toBeLessThan(300);
  });
});

describe("damaged files", () => {
  it("end in a FormatError or are read, whatever byte is changed, added or lost", async () => {
    const base = await encode([
      tensor("embeddings.word_embeddings.weight", "F32", [3, 2], f32(1, 2, 3, 4, 5, 6)),
      tensor("pooler.dense.bias", "F16", [4], new Uint8Array(8)),
      tensor("embeddings.position_ids", "I64", [1, 2], new Uint8Array(16)),
    ]);
    // Mutations fall on the header ten times out of eleven: most of the file's lies are there.
    const place = fc.oneof({ weight: 10, arbitrary: fc.nat(300) }, { weight: 1, arbitrary: fc.nat(base.length - 1) });
    const symbols = fc.constantFrom(...'0123456789-.e"[]{},:\\ FIU'.split("").map((character) => character.charCodeAt(0)), 0, 0xff);
    const mutation = fc.record({
      kind: fc.constantFrom("set", "flip", "insert", "remove", "cut", "repeat"),
      place,
      value: fc.oneof(symbols, fc.nat(255)),
    });
    let refused = 0;
    const runs = 3000;
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 4 }), async (mutations) => {
        let bytes = [...base];
        for (const { kind, place: at, value } of mutations) {
          if (kind === "set") bytes[at] = value;
          if (kind === "flip") bytes[at] = (bytes[at] ?? 0) ^ (1 << (value & 7));
          if (kind === "insert") bytes.splice(at, 0, value);
          if (kind === "remove") bytes.splice(at, 1 + (value & 7));
          if (kind === "cut") bytes = bytes.slice(0, at);
          if (kind === "repeat") bytes.splice(at, 0, ...bytes.slice(at, at + value));
        }
        try {
          const file = await opened(Uint8Array.from(bytes));
          for (const name of file.tensors.keys()) {
            await file.readBytes(name);
            await file.readF32(name);
            for await (const _ of file.streamF32(name, 8));
          }
        } catch (error) {
          if (!(error instanceof FormatError)) throw error;
          refused++;
        }
      }),
      { numRuns: runs },
    );
    // The other way to pass would be to refuse nothing.
    expect(refused).toBeGreaterThan(runs / 2);
  }, 60_000);
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
