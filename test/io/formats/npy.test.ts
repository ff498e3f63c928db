import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FormatError, ShapeError } from "../../../src/errors.ts";
import { decodeNpy, encodeNpy, streamNpy } from "../../../src/io/formats/npy.ts";
import { collect } from "../collect.ts";

const latin1 = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");

/** A file of the same data with another header of the same length. */
function withHeader(header: string): Uint8Array {
  const file = encodeNpy([2], Float32Array.of(1, 2));
  file.set(Buffer.from(header.padEnd(file.length - 8 - 10 - 1)), 10);
  return file;
}

describe(".npy", () => {
  it("is what numpy.save writes", () => {
    // numpy.save of numpy.arange(6, dtype="<f4").reshape(2, 3), version 2.4.
    const file = encodeNpy([2, 3], Float32Array.of(0, 1, 2, 3, 4, 5));
    const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }".padEnd(117);
    expect(latin1(file.subarray(0, 128))).toBe(`\u0093NUMPY\u0001\u0000v\u0000${header}\n`);
    expect(latin1(file.subarray(128))).toBe(latin1(new Uint8Array(Float32Array.of(0, 1, 2, 3, 4, 5).buffer)));
    expect(latin1(encodeNpy([6], new Float32Array(6)))).toContain("'shape': (6,), }");
    expect(latin1(encodeNpy([], new Float32Array(1)))).toContain("'shape': (), }");
  });

  it("is read from a Node buffer, which may be a piece of a larger one", () => {
    const file = encodeNpy([2], Float32Array.of(1, 2));
    const piece = Buffer.concat([Buffer.alloc(64), file]).subarray(64);
    expect(decodeNpy(piece, "x.npy").data).toEqual(Float32Array.of(1, 2));
  });

  it("holds halves and bytes as NumPy calls them", async () => {
    async function* pieces() {
      yield Int8Array.of(1, -1);
    }
    const file = Buffer.concat(await collect(streamNpy([1, 2], pieces(), "|i1")));
    expect(latin1(file)).toContain("{'descr': '|i1', 'fortran_order': False, 'shape': (1, 2), }");
    expect([...file.subarray(-2)]).toEqual([1, 255]);
  });

  it("gives back shape and data, from any place in a buffer, with the data aligned for mapping", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(5), { maxLength: 4 }), fc.nat(), (shape, seed) => {
        const count = shape.reduce((a, b) => a * b, 1);
        const data = Float32Array.from({ length: count }, (_, i) => Math.fround(Math.sin(seed + i) * 1e3));
        const file = encodeNpy(shape, data);
        expect((file.length - data.byteLength) % 64).toBe(0);
        const shifted = new Uint8Array(file.length + 3);
        shifted.set(file, 3);
        expect(decodeNpy(shifted.subarray(3), "x.npy")).toEqual({ shape, data });
      }),
    );
  });

  it("is the same when it is written in pieces", async () => {
    const data = Float32Array.from({ length: 12 }, (_, i) => i / 7);
    async function* rows() {
      yield data.subarray(0, 3);
      yield data.subarray(3, 4);
      yield data.subarray(4);
    }
    expect(Buffer.concat(await collect(streamNpy([4, 3], rows())))).toEqual(Buffer.from(encodeNpy([4, 3], data)));
    await expect(collect(streamNpy([5, 3], rows()))).rejects.toThrow("an array of shape [5, 3] has 15 elements, 12 were given");
    await expect(collect(streamNpy([3, 3], rows()))).rejects.toThrow(ShapeError);
    expect(() => encodeNpy([5], data)).toThrow(ShapeError);
  });

  it.each([
    ["<f2", Uint16Array.of(0x3c00, 0xc000)],
    ["<f8", Float64Array.of(1, -2)],
    ["|i1", Int8Array.of(1, -2)],
  ])("reads %s as f32", (descr, { buffer }) => {
    const header = withHeader(`{'descr': '${descr}', 'fortran_order': False, 'shape': (2,), }`).subarray(0, -8);
    expect(decodeNpy(Buffer.concat([header, new Uint8Array(buffer)]), "x.npy")).toEqual({ shape: [2], data: Float32Array.of(1, -2) });
  });

  it.each<[string, readonly number[], readonly number[], string]>([
    // numpy.save of numpy.arange(6, dtype="<f4").reshape(2, 3) with order="F"; of dtype ">f2"; and of shape (2, 3, 1) with order="F".
    ["Fortran order", [2, 3], [0, 3, 1, 4, 2, 5], "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }"],
    ["three dimensions in Fortran order", [2, 3, 1], [0, 3, 1, 4, 2, 5], "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3, 1), }"],
    ["another order of the fields", [2, 3], [0, 1, 2, 3, 4, 5], `{"shape":(2L,3L),"fortran_order":False,"descr":"<f4"}`],
  ])("in %s are read", (_, shape, stored, header) => {
    const file = encodeNpy([6], Float32Array.from(stored));
    file.set(Buffer.from(header.padEnd(file.length - 24 - 10 - 1)), 10);
    expect(decodeNpy(file, "x.npy")).toEqual({ shape, data: Float32Array.of(0, 1, 2, 3, 4, 5) });
  });

  it("of a big-endian machine and of version 2 are read", () => {
    const header = Buffer.from("{'descr': '>f2', 'fortran_order': False, 'shape': (3,), }\n");
    const prefix = Buffer.from("\u0093NUMPY\u0002\u0000\u0000\u0000\u0000\u0000", "latin1");
    prefix.writeUInt32LE(header.length, 8);
    // 1, -2 and 0.5
    const halves = Buffer.from([0x3c, 0x00, 0xc0, 0x00, 0x38, 0x00]);
    expect(decodeNpy(Buffer.concat([prefix, header, halves]), "x.npy").data).toEqual(Float32Array.of(1, -2, 0.5));
  });

  it.each([
    ["another file", Buffer.from("PK\u0003\u0004 and so on"), "x.npy is not a .npy file"],
    ["no bytes", new Uint8Array(0), "x.npy is not a .npy file"],
    ["version 4", encodeNpy([1], Float32Array.of(1)).with(6, 4), "x.npy is a .npy file of version 4.0, expected 1, 2 or 3"],
    ["packed bits", withHeader("{'descr': '|u1', 'fortran_order': False, 'shape': (8,), }"), "holds |u1, expected one of f4"],
    ["objects", withHeader("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }"), "does not describe an array"],
    [
      "another size",
      withHeader("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }"),
      "has 8 bytes of data, its shape [3] takes 12",
    ],
    ["no size", withHeader("{'descr': '<f4', 'fortran_order': False, 'shape': (1 2), }"), "has 8 bytes of data"],
    ["a cut", encodeNpy([2], Float32Array.of(1, 2)).subarray(0, 131), "has 3 bytes of data, its shape [2] takes 8"],
    ["a cut header", encodeNpy([2], Float32Array.of(1, 2)).subarray(0, 60), "does not describe an array"],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => decodeNpy(bytes, "x.npy")).toThrow(message);
    expect(() => decodeNpy(bytes, "x.npy")).toThrow(FormatError);
  });
});
