/** Writes Parquet files, a row group at a time. The package that knows the format is optional, and loaded when the first file is written. */
import type { SchemaElement } from "hyparquet-writer";
import { optionalPackage } from "../../optional-package.ts";

/** The type of a column: a whole number is a BigInt, JSON an object or undefined, a vector a list of f32. */
export type ParquetType = "text" | "integer" | "json" | "vector";

/** Columns by name. */
export type ParquetColumns = Readonly<Record<string, ParquetType>>;

const columnTypes: Readonly<Record<ParquetType, (name: string) => SchemaElement[]>> = {
  text: (name) => [{ name, type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "REQUIRED" }],
  integer: (name) => [{ name, type: "INT64", repetition_type: "REQUIRED" }],
  json: (name) => [{ name, type: "BYTE_ARRAY", converted_type: "JSON", repetition_type: "OPTIONAL" }],
  vector: (name) => [
    { name, repetition_type: "REQUIRED", num_children: 1, converted_type: "LIST" },
    { name: "list", repetition_type: "REPEATED", num_children: 1 },
    { name: "element", type: "FLOAT", repetition_type: "REQUIRED" },
  ],
};

/** The file in chunks, from groups of rows: the values of each column. Throws `PackageError` if `hyparquet-writer` is not installed. */
export async function* streamParquet(
  columns: ParquetColumns,
  groups: AsyncIterable<Readonly<Record<string, readonly unknown[]>>>,
): AsyncGenerator<Uint8Array> {
  const { ByteWriter, ParquetWriter } = await optionalPackage("hyparquet-writer", "write Parquet files", import("hyparquet-writer"));
  const names = Object.keys(columns);
  const root: SchemaElement = { name: "root", num_children: names.length };
  const bytes = new ByteWriter();
  const writer = new ParquetWriter({ writer: bytes, schema: [root, ...names.flatMap((name) => columnTypes[columns[name]!](name))] });
  const written = () => {
    const chunk = bytes.getBytes().slice();
    bytes.index = 0;
    return chunk;
  };
  for await (const group of groups) {
    const columnData = names.map((name) => ({ name, data: [...group[name]!] }));
    await writer.write({ columnData, rowGroupSize: columnData[0]!.data.length });
    yield written();
  }
  await writer.finish();
  yield written();
}
