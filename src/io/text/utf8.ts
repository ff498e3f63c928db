/** Bytes that arrive in pieces, checked and decoded as UTF-8 text; and texts encoded in pieces. */
import { DataError } from "../../errors.ts";
import { concatenate } from "../formats/bytes.ts";

/**
 * The text of a stream of bytes, piece by piece, without a byte-order mark at its beginning and DOS's mark at its end; `name` is its name
 * in messages. Throws DataError, with the offset of the first wrong byte, if the bytes are not UTF-8 or contain a NUL, which texts do not have.
 */
export async function* decodeUtf8(stream: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  /** The offset of the block in the stream. */
  let offset = 0;
  /** A character whose last bytes have not arrived yet, or what may be the mark at the end. */
  let open: Uint8Array = new Uint8Array(0);

  function decode(block: Uint8Array): string {
    const zero = block.indexOf(0);
    let text: string | undefined;
    try {
      text = decoder.decode(block);
    } catch {
      text = undefined;
    }
    if (zero !== -1 || text === undefined) throw notUtf8(name, block, zero === -1 ? firstInvalid(block) : zero, offset);
    const start = offset === 0 && text.startsWith(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK.length : 0;
    offset += block.length;
    return start > 0 ? text.slice(start) : text;
  }

  for await (const piece of stream) {
    const bytes = open.length === 0 ? piece : concatenate([open, piece]);
    const whole = bytes.at(-1) === END_OF_FILE ? bytes.length - 1 : wholeCharacters(bytes);
    open = bytes.slice(whole);
    if (whole > 0) yield decode(bytes.subarray(0, whole));
  }
  if (open.length > 0 && open[0] !== END_OF_FILE) yield decode(open);
}

/** The least characters of a piece of `encodeUtf8` but the last. */
const PIECE_CHARACTERS = 2 ** 16;

/** Texts one after another as UTF-8, in pieces. Joined first, many could be longer than any text may be (in V8 2 ** 29 characters). */
export async function* encodeUtf8(texts: Iterable<string> | AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  let open = "";
  for await (const text of texts) {
    open += text;
    if (open.length < PIECE_CHARACTERS) continue;
    yield encoder.encode(open);
    open = "";
  }
  if (open !== "") yield encoder.encode(open);
}

const BYTE_ORDER_MARK = "\uFEFF";

/** Ctrl-Z, with which programs of DOS end a text. */
const END_OF_FILE = 0x1a;

function notUtf8(name: string, block: Uint8Array, at: number, offset: number): DataError {
  const utf16 = offset === 0 && (block[0] === 0 || block[1] === 0 || (block[0]! >= 0xfe && block[1]! >= 0xfe));
  return new DataError(
    `${name} is not UTF-8 text: byte ${offset + at} is 0x${block[at]!.toString(16).padStart(2, "0")}${utf16 ? "; it looks like UTF-16" : ""}`,
    "Give a text file, saved as UTF-8.",
  );
}

/** The number of bytes up to the last complete character. */
function wholeCharacters(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte < 0x80) break;
    if (byte >= 0xc0) return characterBytes(byte) > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

/** The offset of the first byte that does not start a valid UTF-8 character. `bytes` must contain one. */
function firstInvalid(bytes: Uint8Array): number {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for (let at = 0; at < bytes.length; ) {
    const length = characterBytes(bytes[at]!);
    try {
      decoder.decode(bytes.subarray(at, at + length));
    } catch {
      return at;
    }
    at += length;
  }
  return bytes.length - 1;
}

/** The length of a UTF-8 character in bytes, by its first byte. */
function characterBytes(first: number): number {
  if (first < 0xc0) return 1;
  if (first < 0xe0) return 2;
  return first < 0xf0 ? 3 : 4;
}
