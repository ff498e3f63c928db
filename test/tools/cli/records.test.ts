/** The input of commands, read in this process: every format, ids and metadata beside the texts, and what is no input. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { parquetWriteBuffer } from "hyparquet-writer";
import { expect, it } from "vitest";
import { SimcseError } from "../../../src/errors.ts";
import { type RecordOptions, readRecords } from "../../../tools/cli/records.ts";
import { collect } from "../../io/collect.ts";
import { temporaryFolder } from "../../tiny-model.ts";

const folder = await temporaryFolder();

/** The records of a file with this name and content. */
async function read(name: string, content: string | Uint8Array, options: Omit<RecordOptions, "input"> = {}) {
  const input = join(folder, name);
  await writeFile(input, content);
  return collect(readRecords({ input, ...options }));
}

const csv = "key;text\na;One.\nb;Two.\n";
const json = [
  { key: "a", text: "One." },
  { key: "b", text: "Two." },
];
const lines = (values: readonly unknown[]) => values.map((value) => `${JSON.stringify(value)}\n`).join("");

it.each<[string, string | Uint8Array, Omit<RecordOptions, "input">]>([
  ["UPPER.CSV", csv, {}],
  ["packed.csv.gz", gzipSync(csv), {}],
  ["table.tsv", csv.replaceAll(";", "\t"), {}],
  ["lines.jsonl", lines(json), {}],
  ["array.json", JSON.stringify(json), {}],
  ["table", csv, { input_format: "csv" }],
  ["named.csv", csv.replace("text", "what"), { text_column: "what" }],
])("reads %s, and ids where a column has them", async (name, content, options) => {
  expect(await read(name, content, options)).toEqual([{ sentence: "One." }, { sentence: "Two." }]);
  expect(await read(name, content, { ...options, id_column: "key" })).toEqual([
    { sentence: "One.", id: "a" },
    { sentence: "Two.", id: "b" },
  ]);
});

it("takes lines and texts in JSON lines as they are, and quotation marks inside a value", async () => {
  const texts = ["One.", "Two."].map((sentence) => ({ sentence }));
  expect(await read("plain.txt", "One.\nTwo.\n")).toEqual(texts);
  expect(await read("texts.jsonl", lines(["One.", "Two."]))).toEqual(texts);
  expect(await read("quoted.csv", 'sentence,n\nThe 5" disk,1\n"Yes, ""so""",2\n')).toEqual([
    { sentence: 'The 5" disk' },
    { sentence: 'Yes, "so"' },
  ]);
});

it("keeps times as ISO 8601 and 64-bit integers whole", async () => {
  const columnData = [
    { name: "key", data: [2n ** 60n + 1n], type: "INT64" as const },
    { name: "text", data: ["A cat."] },
    { name: "at", data: [new Date(Date.UTC(2020, 0, 2))], type: "TIMESTAMP" as const },
    { name: "views", data: [3n], type: "INT64" as const },
  ];
  const parquet = new Uint8Array(parquetWriteBuffer({ columnData }));
  expect(await read("typed.parquet", parquet, { text_column: "text", id_column: "key", metadata_columns: ["at", "views"] })).toEqual([
    { sentence: "A cat.", id: "1152921504606846977", metadata: { at: "2020-01-02T00:00:00.000Z", views: 3 } },
  ]);
});

it.each<[string, string | Uint8Array, Omit<RecordOptions, "input">, string]>([
  ["an id column that is not there", "text,n\nA cat.,1\n", { id_column: "key" }, 'has no column "key"; its columns are text, n'],
  ["metadata that is not there", "text,n\nA cat.,1\n", { metadata_columns: ["key"] }, 'has no column "key"; its columns are text, n'],
  ["vectors that are not there", "text,n\nA cat.,1\n", { vector_column: "key" }, 'has no column "key"; its columns are text, n'],
  ["no column of texts", "a,b\n1,2\n", {}, "which column holds the sentence? Its columns are a, b"],
  ["a quotation mark that is never closed", 'sentence\n"open\n', {}, "never closed"],
  ["one that swallows the table", `sentence\n"${"and so on\n".repeat(200_000)}`, {}, "line 2"],
  ["another encoding", Buffer.from("sentence\ncaf\u00e9\n", "latin1"), {}, "is not UTF-8"],
  ["a line that is not JSON", '"x"\n{\n', { input_format: "jsonl" }, "line 2"],
  ["a record without a text", '{"sentence":"x"}\n{"a":1}\n', { input_format: "jsonl" }, "line 2"],
  ["ids in plain lines", "x\n", { input_format: "lines", id_column: "id" }, "--id_column needs JSON lines or a table"],
])("refuses %s", async (_, content, options, message) => {
  const reading = read("bad.csv", content, options);
  await expect(reading).rejects.toThrow(message);
  await expect(reading).rejects.toThrow(SimcseError);
});

it("refuses JSON lines under a name that does not say so, unless they are meant", async () => {
  const content = lines([{ text: "A cat." }, { text: "A dog." }]);
  await expect(read("lines.bak", content)).rejects.toThrow("begins with an object of JSON");
  expect(await read("lines.bak", content, { input_format: "jsonl" })).toEqual([{ sentence: "A cat." }, { sentence: "A dog." }]);
  expect((await read("lines.bak", content, { input_format: "lines" }))[0]).toEqual({ sentence: '{"text":"A cat."}' });
  expect(await read("lines.bak", "{so} it goes\n")).toEqual([{ sentence: "{so} it goes" }]);
});
