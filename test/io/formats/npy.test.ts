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

  it.each([
    ["another file", Buffer.from("PK\u0003\u0004 and so on"), "x.npy is not a .npy file"],
    ["no bytes", new Uint8Array(0), "x.npy is not a .npy file"],
    ["version 2", encodeNpy([1], Float32Array.of(1)).with(6, 2), "x.npy is a .npy file of version 2.0, expected 1.0"],
    ["packed bits", withHeader("{'descr': '|u1', 'fortran_order': False, 'shape': (8,), }"), "holds |u1 in C order, expected one of <f4"],
    ["Fortran order", withHeader("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2), }"), "holds <f4 in Fortran order"],
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
