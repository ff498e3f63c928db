/** A saved index in other programs' formats: read back here, and by faiss, NumPy and pyarrow where SIMCSE_PYTHON names a Python with them. */
import { join } from "node:path";
import { expect, it } from "vitest";
import { DataError, OptionError } from "../../../src/errors.ts";
import { diskSource } from "../../../src/io/examples-node.ts";
import { MemoryFolder } from "../../../src/io/folder.ts";
import { openFolder, writeFilesInto } from "../../../src/io/folder-node.ts";
import { writeFiles } from "../../../src/io/folders/writable-folder.ts";
import { concatenate } from "../../../src/io/formats/bytes.ts";
import { streamFaissFlat } from "../../../src/io/formats/faiss.ts";
import { decodeNpy } from "../../../src/io/formats/npy.ts";
import { openTable } from "../../../src/io/text/table.ts";
import type { Precision } from "../../../src/kernels/search/precision.ts";
import { toUnitLength } from "../../../src/simcse/embedding/unit-length.ts";
import { exportIndex, indexFormats } from "../../../src/simcse/search/export-index.ts";
import { encodeIndex, openStoredIndex, type StoredIndex } from "../../../src/simcse/search/index-file.ts";
import { SentenceIndex, type SentenceToIndex } from "../../../src/simcse/search/sentence-index.ts";
import { openTestDevice } from "../../device.ts";
import { collect } from "../../io/collect.ts";
import { hasPython, pythonTimeout, runPython } from "../../python.ts";
import { temporaryFolder } from "../../tiny-model.ts";
import { golden, goldenVectors } from "./embedding-tools.ts";

const device = await openTestDevice();
const { dimension } = golden;
const rows = 100;
const vectors = goldenVectors.slice(0, rows * dimension);
const items = Array.from(
  { length: rows },
  (_, i): SentenceToIndex => ({
    sentence: `Sätze, "${i}"`,
    ...(i % 2 === 1 && { metadata: { year: i, tags: ["a"] } }),
  }),
);

async function stored(given: readonly SentenceToIndex[], precision: Precision = "f32"): Promise<StoredIndex> {
  await using index = new SentenceIndex(device, dimension, { precision });
  await index.add(given, vectors.subarray(0, given.length * dimension));
  const folder = new MemoryFolder("saved");
  await writeFiles(folder, [
    { name: "x.index", content: encodeIndex(index, { model: "m", fingerprint: "0", probe: vectors.slice(0, dimension) }) },
  ]);
  return openStoredIndex(folder, "x.index");
}

async function written(index: StoredIndex): Promise<string> {
  const path = await temporaryFolder();
  for (const format of indexFormats) await writeFilesInto(path, await exportIndex(index, format, `${format}.${format}`));
  return path;
}

it("writes the bytes of faiss", async () => {
  const data = goldenVectors.slice(0, 3 * dimension);
  async function* pieces() {
    yield data.subarray(0, dimension);
    yield data.subarray(dimension);
  }
  const chunks = await collect(streamFaissFlat(3, dimension, pieces()));
  expect(Buffer.from(concatenate(chunks)).toString("base64")).toBe(golden.faiss);
});

it("exports vectors with their sentences, ids and metadata", async () => {
  const path = await written(await stored(items));
  const unit = toUnitLength(vectors, dimension);
  const table = await openTable(await diskSource(join(path, "parquet.parquet")), { format: "parquet" });
  const read = (await collect(table.rows)).map(({ fields }) => fields);
  expect(read.map(({ id, sentence, metadata }) => ({ id, sentence, ...(metadata ? { metadata } : {}) }))).toEqual(
    items.map((item, id) => ({ id, ...item })),
  );
  expect(Float32Array.from(read.flatMap(({ embedding }) => embedding as number[]))).toEqual(unit);
  const folder = await openFolder(path);
  expect(decodeNpy(await folder.read("npy.npy"), "npy.npy")).toEqual({ shape: [rows, dimension], data: unit });
  const lines = new TextDecoder()
    .decode(await folder.read("npy.records.jsonl"))
    .trimEnd()
    .split("\n");
  expect(lines.map((line) => JSON.parse(line) as object)).toEqual(items.map((item, id) => ({ id, ...item })));
  expect(await folder.read("faiss.records.jsonl")).toEqual(await folder.read("npy.records.jsonl"));
});

it("exports an index of another precision, of own ids, and of none", async () => {
  const path = await written(
    await stored(
      [
        { id: "a", sentence: "x" },
        { id: 7, sentence: "y" },
      ],
      "int8",
    ),
  );
  const table = await openTable(await diskSource(join(path, "parquet.parquet")), { format: "parquet" });
  expect((await collect(table.rows)).map(({ fields }) => fields.id)).toEqual(["a", "7"]);
  const { data } = decodeNpy(await (await openFolder(path)).read("npy.npy"), "npy.npy");
  const unit = toUnitLength(vectors, dimension);
  for (const [i, value] of data.entries()) expect(value).toBeCloseTo(unit[i]!, 3);
  expect(decodeNpy(await (await openFolder(await written(await stored([])))).read("npy.npy"), "npy").shape).toEqual([0, dimension]);
  await expect(
    exportIndex(
      await stored([
        { id: "7", sentence: "x" },
        { id: 7, sentence: "y" },
      ]),
      "parquet",
      "x",
    ),
  ).rejects.toThrow(DataError);
});

it.each(["nonsense", "constructor"])("refuses the format %s, and names those that there are", async (format) => {
  const exported = exportIndex(await stored([]), format as "npy", "x");
  await expect(exported).rejects.toThrow(OptionError);
  await expect(exported).rejects.toMatchObject({ remedy: "Choose one of parquet, npy, faiss." });
});

it.runIf(await hasPython("faiss", "numpy", "pyarrow"))(
  "is read by faiss, NumPy and pyarrow (needs SIMCSE_PYTHON)",
  async () => {
    const path = await written(await stored(items));
    const files = indexFormats.map((format) => join(path, `${format}.${format}`));
    const read = JSON.parse(await runPython(["test/golden/exported_index.py", ...files])) as {
      ids: number[];
      sentences: string[];
      metadata: (object | null)[];
      best: number[][];
    };
    expect(read.ids).toEqual(items.map((_, i) => i));
    expect(read.sentences).toEqual(items.map(({ sentence }) => sentence));
    expect(read.metadata).toEqual(items.map(({ metadata }) => metadata ?? null));
    await using index = new SentenceIndex(device, dimension);
    await index.add(items, vectors);
    const found = await index.search(vectors, { topK: 2 });
    expect(read.best).toEqual(found.map((results) => results.map(({ id }) => id)));
  },
  pythonTimeout,
);
