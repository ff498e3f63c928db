/** `using` in an environment without its symbols, such as Safari: in the library's own code and in that of its users. */
import { afterAll, beforeAll, expect, it, vi } from "vitest";

const native = Symbol;

beforeAll(() => {
  // The symbols of Node cannot be removed. The methods of classes look them up when the classes are defined.
  const { dispose: _, asyncDispose: __, ...others } = Object.getOwnPropertyDescriptors(native);
  const bare = (description?: string) => native(description);
  Object.defineProperties(bare, { ...others, length: { value: 0 }, name: { value: "Symbol" } });
  vi.stubGlobal("Symbol", bare);
  vi.resetModules();
});

afterAll(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

it("closes devices, indexes and programs where Symbol.dispose is not defined", async () => {
  expect(Symbol.dispose).toBeUndefined();
  const { NearDuplicates, openDevice, VectorIndex } = await import("../src/index-node.ts");
  const device = await openDevice();
  const vectors = new Float32Array([1, 0, 0, 0, 1, 0, 0, 0]);
  {
    await using open = device;
    using index = new VectorIndex(open, 4);
    await index.add(vectors);
    expect((await index.search(vectors.subarray(0, 4), { topK: 1 }))[0]![0]!.score).toBe(1);
    // It compares rows in a program that it disposes of itself.
    using duplicates = new NearDuplicates(open, 4, 0.9);
    expect(await duplicates.add(vectors)).toEqual([null, { row: 0, score: 1 }]);
  }
  expect(device.failure).not.toBeNull();
});
