/** Texts in UTF-16, which PowerShell's `>` and Excel's "Unicode Text" write. Their byte-order mark tells them. */
import { DataError } from "../../errors.ts";
import { concatenate } from "../formats/bytes.ts";

/** The bytes of a stream that begins with a byte-order mark of UTF-16, as UTF-8; those of any other as they are. `name` is its name in messages. */
export async function* toUtf8(stream: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  /** Null for another text; undefined until there are two bytes to tell by. */
  let decoder: TextDecoder | null | undefined;
  let bytes: Uint8Array = new Uint8Array(0);
  for await (const piece of stream) {
    bytes = bytes.length === 0 ? piece : concatenate([bytes, piece]);
    if (decoder === undefined && bytes.length < 2) continue;
    decoder ??= decoderOf(bytes);
    yield decoder === null ? bytes : encoded(decoder, bytes, name);
    bytes = new Uint8Array(0);
  }
  if (bytes.length > 0) yield bytes;
  if (decoder) yield encoded(decoder, undefined, name);
}

function decoderOf([first, second]: Uint8Array): TextDecoder | null {
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le", { fatal: true });
  if (first === 0xfe && second === 0xff) return new TextDecoder("utf-16be", { fatal: true });
  return null;
}

const encoder = new TextEncoder();

/** The characters that end in a piece, or at the end of the stream if there is none. */
function encoded(decoder: TextDecoder, piece: Uint8Array | undefined, name: string): Uint8Array {
  try {
    return encoder.encode(piece === undefined ? decoder.decode() : decoder.decode(piece, { stream: true }));
  } catch (cause) {
    throw new DataError(`${name} begins as UTF-16 text, but is none.`, "Give a text file, saved as UTF-8.", { cause });
  }
}
