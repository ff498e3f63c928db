/** Rows of a Parquet file, a row group at a time. The package that reads the format is loaded when the first such file is opened. */
import { DataError, OptionError, SimcseError } from "../../errors.ts";
import { exactly } from "./number.ts";
import type { ByteSource } from "./source.ts";

/** A Parquet file whose columns are known. */
export interface ParquetRows {
  readonly columns: readonly string[];
  readonly rows: AsyncIterable<Readonly<Record<string, unknown>>>;
}

/** The most rows that are decoded at once: a row group of a published set can hold a million. */
const ROWS_AT_ONCE = 10_000;

/**
 * Opens a Parquet file. Throws OptionError for a stream, which cannot be read from its end, and DataError for a file that is not Parquet.
 */
export async function openParquet({ name, file }: ByteSource): Promise<ParquetRows> {
  if (file === undefined) throw new OptionError(`${name} is a stream, and Parquet is read from its end.`, "Give the path of the file.");
  const [{ parquetMetadataAsync, parquetReadObjects, parquetSchema }, { compressors }] = await Promise.all([
    import("hyparquet"),
    import("hyparquet-compressors"),
  ]);
  const byteLength = await file.size();
  const buffer = {
    byteLength,
    slice(start: number, end = byteLength): Promise<ArrayBuffer> {
      const bytes = file.read(start, end).then(({ buffer }) => buffer as ArrayBuffer);
      // The package prefetches, and may fail before it uses what it fetched. That is not a separate error.
      bytes.catch(() => {});
      return bytes;
    },
  };
  const metadata = await reading(name, () => parquetMetadataAsync(buffer));
  const count = Number(metadata.num_rows);
  const columns = parquetSchema(metadata).children.map(({ element }) => element.name);
  const twice = columns.find((column, at) => columns.indexOf(column) < at);
  if (twice !== undefined)
    throw new DataError(`${name} has two columns called ${JSON.stringify(twice)}.`, "Give every column a name of its own.");

  async function* rows(): AsyncGenerator<Readonly<Record<string, unknown>>> {
    for (let start = 0; start < count; start += ROWS_AT_ONCE) {
      const range = { rowStart: start, rowEnd: Math.min(start + ROWS_AT_ONCE, count) };
      const read = await reading(name, () => parquetReadObjects({ file: buffer, metadata, compressors, utf8: false, ...range }));
      if (read.length !== range.rowEnd - start) {
        throw new DataError(
          `${name} holds ${start + read.length} rows and says that there are ${count}`,
          "It may be damaged: get the file again.",
        );
      }
      for (const row of read) {
        yield Object.fromEntries(Object.entries(row).map(([column, value]) => [column, plainValue(value)]));
      }
    }
  }

  return { columns, rows: rows() };
}

/** 64-bit integers arrive as BigInt. Columns without a type arrive as bytes: they are texts if they are UTF-8. */
function plainValue(value: unknown): unknown {
  if (typeof value === "bigint") return exactly(value);
  return value instanceof Uint8Array ? textOr(value) : value;
}

function textOr(bytes: Uint8Array): string | Uint8Array {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return bytes;
  }
}

/** Converts errors that the package throws into errors of this one; errors of the file pass through. */
async function reading<T>(name: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    if (cause instanceof SimcseError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new DataError(`${name} cannot be read as Parquet: ${why}`, "Get the file again, or save the table as .csv or .jsonl.", { cause });
  }
}
