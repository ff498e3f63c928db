/**
 * Sentences from a text: one a line, UTF-8, no header; an empty line is an empty sentence.
 *
 * Text is read in pieces, so a corpus of any size takes a few megabytes. What cannot be a text of sentences (bytes that are not UTF-8, a line
 * as long as a book, nothing at all) is an error that says where it is. Tables (csv, json) are not read here.
 */
import { DataError } from "../errors.ts";
import { type Folder, pathIn } from "./folder.ts";

/** The longest line taken for a sentence, in UTF-16 units: a hundred times what a model of 512 tokens reads. */
export const MAX_LINE_CHARACTERS = 50_000;

/** Bytes read from a file at once: large enough that the cost of a read does not show. */
const READ_BYTES = 1 << 20;

/** No UTF-16 unit takes more bytes in UTF-8, so this much without a line's end is certainly a line too long. */
const MAX_LINE_BYTES = MAX_LINE_CHARACTERS * 3;

const NEWLINE = 0x0a;
const BYTE_ORDER_MARK = "\uFEFF";

/**
 * The lines of a text file, without their ends (`\n` or `\r\n`) and without a byte-order mark. A final newline adds no line. Throws FileError
 * when the file is missing, and DataError, naming the file and the byte or line, for a file that is not UTF-8 text, a line of more than
 * `MAX_LINE_CHARACTERS`, or a file without any line.
 */
export function readSentences(folder: Folder, file: string): AsyncIterable<string> {
  return readLines(readPieces(folder, file), pathIn(folder, file));
}

/**
 * The lines of a text that arrives as a stream of bytes, such as standard input; `name` is what messages call it. The rest as above, but that a
 * stream may be empty where `mayBeEmpty`: a shard can be.
 */
export async function* readLines(
  stream: AsyncIterable<Uint8Array>,
  name: string,
  { mayBeEmpty = false }: { readonly mayBeEmpty?: boolean } = {},
): AsyncGenerator<string> {
  const lines = new LineSplitter(name);
  for await (const piece of stream) yield* lines.push(piece);
  yield* lines.end();
  if (lines.count === 0 && !mayBeEmpty) throw new DataError(`${name} holds no line`, "Give a text with one sentence a line.");
}

async function* readPieces(folder: Folder, file: string): AsyncGenerator<Uint8Array> {
  const size = await folder.size(file);
  for (let start = 0; start < size; start += READ_BYTES) yield folder.read(file, start, Math.min(start + READ_BYTES, size));
}

/** Cuts a stream of bytes into lines; holds what follows the last newline until the rest of the line comes. */
class LineSplitter {
  /** How many lines have been given out. */
  count = 0;
  readonly #name: string;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #pending: Uint8Array = new Uint8Array(0);
  /** The offset in the text of the first byte of `#pending`. */
  #offset = 0;

  constructor(name: string) {
    this.#name = name;
  }

  *push(piece: Uint8Array): Generator<string> {
    const newline = piece.lastIndexOf(NEWLINE);
    if (newline === -1) {
      this.#pending = joined(this.#pending, piece);
    } else {
      const block = joined(this.#pending, piece.subarray(0, newline));
      this.#pending = piece.slice(newline + 1);
      yield* this.#lines(block);
      this.#offset += block.length + 1;
    }
    if (this.#pending.length > MAX_LINE_BYTES) {
      this.#decode(this.#pending, true);
      throw this.#tooLong(this.count + 1);
    }
  }

  *end(): Generator<string> {
    const markAlone = this.#offset === 0 && this.#decode(this.#pending, false) === BYTE_ORDER_MARK;
    if (this.#pending.length > 0 && !markAlone) yield* this.#lines(this.#pending);
  }

  /** The lines of a block of whole lines, given without its last newline. */
  *#lines(block: Uint8Array): Generator<string> {
    let text = this.#decode(block, false);
    if (this.#offset === 0 && text.startsWith(BYTE_ORDER_MARK)) text = text.slice(BYTE_ORDER_MARK.length);
    for (const line of text.split("\n")) {
      if (line.length > MAX_LINE_CHARACTERS) throw this.#tooLong(this.count + 1);
      this.count++;
      yield line.endsWith("\r") ? line.slice(0, -1) : line;
    }
  }

  /** A block's text; `open` where its last character may not be whole yet. */
  #decode(block: Uint8Array, open: boolean): string {
    const zero = block.indexOf(0);
    let text: string | undefined;
    try {
      text = this.#decoder.decode(block, { stream: open });
    } catch {
      text = undefined;
    }
    if (zero === -1 && text !== undefined) return text;
    const bad = zero === -1 ? firstInvalid(block) : zero;
    throw new DataError(
      `${this.#name} is not UTF-8 text: byte ${this.#offset + bad} is 0x${block[bad]!.toString(16).padStart(2, "0")}`,
      "Give a text file, saved as UTF-8.",
    );
  }

  #tooLong(line: number): DataError {
    return new DataError(
      `line ${line} of ${this.#name} is longer than ${MAX_LINE_CHARACTERS} characters`,
      "Give one sentence a line: split the text into sentences, or remove the line.",
    );
  }
}

/** The offset of the first byte at which no UTF-8 character starts. `bytes` must hold one. */
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

/** How many bytes a UTF-8 character has, by its first. */
function characterBytes(first: number): number {
  if (first < 0xc0) return 1;
  if (first < 0xe0) return 2;
  return first < 0xf0 ? 3 : 4;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
