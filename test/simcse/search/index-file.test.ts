/** An index's file without its model: changed, it has the bytes of an index that is changed in memory; damaged, it is refused. */
import fc from "fast-check";
import { expect, it, vi } from "vitest";
import { FormatError, SimcseError } from "../../../src/errors.ts";
import { MemoryFolder } from "../../../src/io/folder.ts";
import { writeFiles } from "../../../src/io/folders/writable-folder.ts";
import { concatenate } from "../../../src/io/formats/bytes.ts";
import { precisions } from "../../../src/kernels/search/precision.ts";
import { decodeIndex, encodeIndex, indexWithout } from "../../../src/simcse/search/index-file.ts";
import { SentenceIndex } from "../../../src/simcse/search/sentence-index.ts";
import { openTestDevice } from "../../device.ts";
import { collect } from "../../io/collect.ts";
import { golden, goldenVectors } from "./embedding-tools.ts";

const device = await openTestDevice();
const { dimension } = golden;
const rows = 20;
const origin = { model: "m", fingerprint: "0", probe: goldenVectors.slice(0, dimension) };

it.each(precisions.flatMap((precision) => [true, false].map((rescore) => ({ precision, rescore }))))(
  "removes sentences from a file of $precision, rescore $rescore, as from the index",
  async ({ precision, rescore }) => {
    await using index = new SentenceIndex(device, dimension, { precision, rescore });
    const items = Array.from({ length: rows }, (_, i) => ({
      sentence: `Satz ${i}`,
      ...(i === 3 && { id: "drei", metadata: { year: 3 } }),
    }));
    await index.add(items, goldenVectors.slice(0, rows * dimension));
    const folder = new MemoryFolder("saved");
    await writeFiles(folder, [{ name: "x.index", content: encodeIndex(index, origin) }]);
    for (const ids of [[0, "drei", rows - 2], [], index.entries.map(({ id }) => id)]) {
      const written = concatenate(await collect(await indexWithout(folder, "x.index", new Set(ids))));
      await index.remove(ids);
      expect(Buffer.from(written).equals(concatenate(await collect(encodeIndex(index, origin))))).toBe(true);
      await writeFiles(folder, [{ name: "x.index", content: written }]);
    }
    // The last number, which was removed first, is not given to another sentence.
    expect(index.nextId).toBe(rows - 1);
  },
);

it.each(precisions.flatMap((precision) => [true, false].map((rescore) => ({ precision, rescore }))))(
  "keeps a vector of zeros, whose cosine is 0, in $precision, rescore $rescore",
  async ({ precision, rescore }) => {
    await using index = new SentenceIndex(device, dimension, { precision, rescore });
    const vectors = goldenVectors.slice(0, 3 * dimension).fill(0, dimension, 2 * dimension);
    await index.add(["a", "b", "c"], vectors);
    const folder = new MemoryFolder("saved");
    await writeFiles(folder, [{ name: "x.index", content: encodeIndex(index, origin) }]);
    await using loaded = await decodeIndex(device, folder, "x.index", origin);
    const query = vectors.slice(0, dimension);
    expect(await loaded.search(query, { topK: 3 })).toEqual(await index.search(query, { topK: 3 }));
  },
);

it("refuses a file that is no index", async () => {
  const folder = new MemoryFolder("saved");
  await writeFiles(folder, [{ name: "x.csv", content: "id,text\n1,a\n" }]);
  await expect(indexWithout(folder, "x.csv", new Set())).rejects.toThrow(FormatError);
});

it("cut or changed anywhere ends in a typed error or loads", async () => {
  await using index = new SentenceIndex(device, dimension, { precision: "int8", rescore: false });
  await index.add(
    Array.from({ length: 6 }, (_, i) => `Satz ${i}`),
    goldenVectors.slice(0, 6 * dimension),
  );
  const good = concatenate(await collect(encodeIndex(index, origin)));
  const change = fc.oneof(
    fc.nat(good.length - 1).map((end) => good.slice(0, end)),
    fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }).map((bytes) => {
      const changed = good.slice();
      for (const [at, value] of bytes) changed[at] = value;
      return changed;
    }),
  );
  await fc.assert(
    fc.asyncProperty(change, async (bytes) => {
      const loaded = decodeIndex(device, new MemoryFolder("damaged", [["x.index", bytes]]), "x.index", origin);
      await loaded.then(
        (index) => index.close(),
        (error: unknown) => expect(error).toBeInstanceOf(SimcseError),
      );
    }),
    { numRuns: 300 },
  );
});

it("never makes one text of all sentences, which may be longer than a text can be", async () => {
  await using index = new SentenceIndex(device, 1);
  const sentence = "x".repeat(1000);
  await index.add(
    Array.from({ length: 1000 }, () => sentence),
    new Float32Array(1000).fill(1),
  );
  const encode = vi.spyOn(TextEncoder.prototype, "encode");
  const written = concatenate(await collect(encodeIndex(index, { ...origin, probe: Float32Array.of(1) })));
  const longest = Math.max(...encode.mock.calls.map(([text]) => text?.length ?? 0));
  encode.mockRestore();
  expect(written.length).toBeGreaterThan(1_000_000);
  expect(longest).toBeLessThan(2 ** 16 + 2000);
});
