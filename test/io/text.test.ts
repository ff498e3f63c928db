import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DataError, FileError } from "../../src/errors.ts";
import { MemoryFolder } from "../../src/io/folder.ts";
import { openFolder } from "../../src/io/folder-node.ts";
import { MAX_LINE_CHARACTERS } from "../../src/io/text/lines.ts";
import { readLines, readSentences } from "../../src/io/text.ts";
import { sentencesOf } from "../../src/io/text-node.ts";
import { describeWithSharedData } from "../shared-data.ts";
import { collect } from "./collect.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);

async function sentences(content: string | Uint8Array): Promise<string[]> {
  return collect(readSentences(new MemoryFolder("data", [["train.txt", content]]), "train.txt"));
}

/** The bytes in pieces of the given sizes, one after another and over again. */
async function* pieces(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

describe("sentencesOf", () => {
  it("refuses what is no path", async () => {
    await expect(sentencesOf(5 as never).next()).rejects.toThrow("The file to read is 5");
  });

  it("refuses a table, whose lines are no sentences", async () => {
    for (const name of ["a.csv", "b.jsonl.gz", "c.parquet"]) await expect(collect(sentencesOf(name))).rejects.toThrow("is a table");
  });
});

describe("readSentences", () => {
  it.each([
    ["one line without a newline", "a b", ["a b"]],
    ["a final newline", "a\nb\n", ["a", "b"]],
    ["empty lines", "\na\n\n\nb\n\n", ["", "a", "", "", "b", ""]],
    ["a newline alone", "\n", [""]],
    ["Windows line ends", "a\r\n\r\nb\r\n", ["a", "", "b"]],
    ["line ends of old Macintoshes", "a\r\rb\r", ["a", "", "b"]],
    ["line ends of every kind", "a\rb\r\nc\nd", ["a", "b", "c", "d"]],
    ["a byte-order mark", "\uFEFFa\n\uFEFFb\n", ["a", "\uFEFFb"]],
    ["a byte-order mark before an empty line", "\uFEFF\n", [""]],
    ["separators that are no newline", "a\u2028b\u0085c\fd\n", ["a\u2028b\u0085c\fd"]],
    ["the mark at the end of a text from DOS", "a\r\nb\r\n\x1a", ["a", "b"]],
    ["the same mark elsewhere", "a\x1a\nb\x1a\n", ["a\x1a", "b\x1a"]],
    ["blanks", "  a \t\n", ["  a \t"]],
  ])("%s", async (_, content, expected) => {
    expect(await sentences(content)).toEqual(expected);
  });

  it.each([
    ["an empty file", "", "data/train.txt holds no line"],
    ["a byte-order mark alone", "\uFEFF", "data/train.txt holds no line"],
    ["an empty file from DOS", "\x1a", "data/train.txt holds no line"],
    ["a NUL byte", "one\ntwo\u0000\n", "data/train.txt is not UTF-8 text: byte 7 is 0x00"],
    ["Latin-1", Uint8Array.of(0x61, 0x0a, 0x63, 0x61, 0x66, 0xe9, 0x0a), "byte 5 is 0xe9"],
    ["a character cut off at the end", utf8("a\nbé").subarray(0, 4), "byte 3 is 0xc3"],
    ["a continuation without a start", Uint8Array.of(0x61, 0x80), "byte 1 is 0x80"],
    ["an overlong character", Uint8Array.of(0x61, 0xe0, 0x80, 0x80), "byte 1 is 0xe0"],
    ["UTF-16", Uint8Array.of(0xff, 0xfe, 0x61, 0x00), "data/train.txt is not UTF-8 text"],
  ])("refuses %s", async (_, content, message) => {
    await expect(sentences(content)).rejects.toThrow(message);
    await expect(sentences(content)).rejects.toThrow(DataError);
  });

  it("takes a line as long as a book, and refuses one without an end, in whatever script", async () => {
    const book = "the cat ".repeat(7500);
    expect(await sentences(`a\n${book}\nb`)).toEqual(["a", book, "b"]);
    for (const character of ["x", "生", "𝔛"]) {
      const endless = character.repeat(MAX_LINE_CHARACTERS / character.length + 1);
      await expect(sentences(`a\nb\n${endless}\nc`)).rejects.toThrow("line 3 of data/train.txt is longer than 16,777,216 characters");
    }
  });

  it("says when the file is missing", async () => {
    await expect(collect(readSentences(new MemoryFolder("data"), "train.txt"))).rejects.toThrow(FileError);
  });
});

describe("readLines", () => {
  it("gives the same lines however the bytes are cut", async () => {
    const line = fc.string({ unit: fc.constantFrom("a", "é", "生", "🙂", " ", "\r", "\u2028", "\x1a"), maxLength: 9 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { minLength: 1 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        async (lines, sizes) => {
          const stream = pieces(utf8(`${lines.join("\n")}\n`), sizes);
          // As Python's universal newlines.
          const expected = lines.join("\n").split(/\r\n|\r|\n/);
          if (lines.at(-1)!.endsWith("\r")) expected.pop();
          expect(await collect(readLines(stream, "standard input"))).toEqual(expected);
        },
      ),
    );
  });

  it("finds the first bad byte however the bytes are cut", async () => {
    const good = "abc\n生活\n🙂 x\n";
    const bytes = Uint8Array.of(...utf8(good), 0x62, 0xc3, 0x28, 0x0a, ...utf8(good));
    for (let size = 1; size <= bytes.length; size++) {
      const found = collect(readLines(pieces(bytes, [size]), "standard input"));
      await expect(found).rejects.toThrow(`standard input is not UTF-8 text: byte ${utf8(good).length + 1} is 0xc3`);
    }
  });

  it("gives lines as they come and lets errors of the stream through", async () => {
    async function* breakingOff(): AsyncGenerator<Uint8Array> {
      yield utf8("a\nb");
      throw new RangeError("pipe");
    }
    const seen: string[] = [];
    const reading = (async () => {
      for await (const text of readLines(breakingOff(), "standard input")) seen.push(text);
    })();
    await expect(reading).rejects.toThrow(RangeError);
    expect(seen).toEqual(["a"]);
  });
});

describeWithSharedData("the Wikipedia sentences", (data) => {
  it("are read line by line", async () => {
    const folder = await openFolder(data);
    const lines = await collect(readSentences(folder, "train/wiki100k_sentences.txt"));
    const whole = new TextDecoder().decode(await folder.read("train/wiki100k_sentences.txt"));
    expect(lines.length).toBeGreaterThan(99_000);
    expect(`${lines.join("\n")}\n`).toBe(whole);
  });
});
