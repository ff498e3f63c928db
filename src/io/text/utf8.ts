/** Bytes that arrive in pieces as text, for formats that are not read line by line. */
import { DataError } from "../../errors.ts";

/** The text of a stream of bytes, piece by piece, with its byte-order mark; `name` is what messages call it. Throws DataError where it is not UTF-8. */
export async function* decodeUtf8(stream: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const decode = (...given: Parameters<TextDecoder["decode"]>) => {
    try {
      return decoder.decode(...given);
    } catch (cause) {
      throw new DataError(`${name} is not UTF-8 text.`, "Give a text file, saved as UTF-8.", { cause });
    }
  };
  for await (const piece of stream) yield decode(piece, { stream: true });
  yield decode();
}
