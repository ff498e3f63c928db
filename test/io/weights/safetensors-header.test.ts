import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FormatError } from "../../../src/errors.ts";
import type { Safetensors } from "../../../src/io/weights/safetensors.ts";
import { encode, f32, opened, PATH, tensor } from "./tensor-files.ts";

const info = (dtype: string, shape: unknown, data_offsets: unknown) => ({ dtype, shape, data_offsets });

/** A file with the given header (text or bytes) and that many bytes of data. */
async function open(header: string | object | Uint8Array, dataBytes: number): Promise<Safetensors> {
  const text =
    header instanceof Uint8Array ? header : new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return opened(bytes);
}

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
    ["three offsets", { w: info("F32", [1], [0, 4, 8]) }, 4, "has the data_offsets [0, 4, 8]"],
    ["a negative offset", { w: info("F32", [1], [-4, 0]) }, 4, "has the data_offsets [-4, 0]"],
    ["offsets the wrong way round", { w: info("F32", [0], [4, 0]) }, 4, "has the data_offsets [4, 0]"],
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
