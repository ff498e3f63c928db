/** Records of Parquet, whose types JSON does not have. */
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import { expect, it } from "vitest";
import { type RecordOptions, readRecords } from "../../../tools/cli/records.ts";

it("keep times as ISO 8601 and 64-bit integers whole", async () => {
  const input = join(tmpdir(), `simcse-records-${process.pid}.parquet`);
  const columnData = [
    { name: "key", data: [2n ** 60n + 1n], type: "INT64" as const },
    { name: "text", data: ["A cat."] },
    { name: "at", data: [new Date(Date.UTC(2020, 0, 2))], type: "TIMESTAMP" as const },
    { name: "views", data: [3n], type: "INT64" as const },
  ];
  await writeFile(input, new Uint8Array(parquetWriteBuffer({ columnData })));
  const records = [];
  for await (const record of readRecords({ input, text_column: "text", id_column: "key", metadata_columns: ["at", "views"] })) {
    records.push(record);
  }
  await rm(input);
  expect(records).toEqual([{ sentence: "A cat.", id: "1152921504606846977", metadata: { at: "2020-01-02T00:00:00.000Z", views: 3 } }]);
});

it("names the columns of a table that lacks one", async () => {
  const input = join(tmpdir(), `simcse-records-${process.pid}.csv`);
  await writeFile(input, "text,id\nA cat.,1\n");
  for (const given of [{ id_column: "key" }, { metadata_columns: ["key"] }, { vector_column: "key" }]) {
    const read = readRecords({ input, text_column: "text", ...given })[Symbol.asyncIterator]();
    await expect(read.next()).rejects.toThrow('has no column "key"; its columns are text, id');
  }
  await rm(input);
});

it("refuses JSON lines under a name that does not say so, unless they are meant", async () => {
  const input = join(tmpdir(), `simcse-records-${process.pid}.bak`);
  await writeFile(input, '{"text":"A cat."}\n{"text":"A dog."}\n');
  const read = async (given: Partial<RecordOptions>) => {
    const sentences: string[] = [];
    for await (const { sentence } of readRecords({ input, ...given })) sentences.push(sentence);
    return sentences;
  };
  await expect(read({})).rejects.toThrow("begins with an object of JSON");
  expect(await read({ input_format: "jsonl" })).toEqual(["A cat.", "A dog."]);
  expect((await read({ input_format: "lines" }))[0]).toBe('{"text":"A cat."}');
  await writeFile(input, "{so} it goes\n");
  expect(await read({})).toEqual(["{so} it goes"]);
  await rm(input);
});
