/** Tables against what pandas and pyarrow wrote (golden/tables.json), in pieces of every size, and refusals of anything but tables. */
import { readFileSync } from "node:fs";
import { constants, gzipSync } from "node:zlib";
import fc from "fast-check";
import { parquetWriteBuffer } from "hyparquet-writer";
import { describe, expect, it, vi } from "vitest";
import { DataError, OptionError } from "../../../src/errors.ts";
import { openExamples } from "../../../src/io/examples.ts";
import { MemoryFolder } from "../../../src/io/folder.ts";
import { splitRows } from "../../../src/io/text/delimited.ts";
import { type ByteSource, fileSource, streamSource } from "../../../src/io/text/source.ts";
import { formatOf, openTable, type TableOptions } from "../../../src/io/text/table.ts";
import { openTexts } from "../../../src/io/texts.ts";
import { collect } from "../collect.ts";

interface Golden {
  readonly bytes: string;
  readonly rows: readonly (readonly (string | number)[])[];
}

const golden = JSON.parse(readFileSync("test/golden/tables.json", "utf8")) as Readonly<Record<string, Golden>>;

const source = (name: string, content: string | Uint8Array) => fileSource(new MemoryFolder("data", [[name, content]]), name);

async function* textPieces(text: string, size: number): AsyncGenerator<string> {
  for (let start = 0; start < text.length; start += size) yield text.slice(start, start + size);
}

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
}

async function rowsOf(name: string, content: string | Uint8Array, options?: TableOptions) {
  const table = await openTable(source(name, content), options);
  return (await collect(table.rows)).map(({ fields }) => table.columns.map((column) => fields[column]));
}

describe("tables of pandas and pyarrow", () => {
  it.each(Object.entries(golden).filter(([name]) => name !== "scored.parquet"))("%s", async (name, { bytes, rows }) => {
    const content = Uint8Array.from(Buffer.from(bytes, "base64"));
    const { examples, kind } = await openExamples(source(name, content));
    expect((await collect(examples)).map(({ texts }) => texts)).toEqual(rows);
    expect(kind).toBe(rows[0]!.length === 3 ? "triplets" : "pairs");
    if (name.endsWith(".parquet")) return;
    for (const size of [1, 3, 64]) {
      const streamed = await openExamples(streamSource(pieces(content, name.endsWith(".gz") ? Math.max(size, 2) : size), name));
      expect((await collect(streamed.examples)).map(({ texts }) => texts)).toEqual(rows);
    }
  });

  it("numbers of Parquet", async () => {
    const { bytes, rows } = golden["scored.parquet"]!;
    const { kind, examples } = await openExamples(source("scored.parquet", Uint8Array.from(Buffer.from(bytes, "base64"))), {
      columns: "sent0=sentence1,sent1=sentence2,score=label",
    });
    expect(kind).toBe("scored pairs");
    expect((await collect(examples)).map(({ texts, score }) => [...texts, score])).toEqual(rows);
  });
});

describe("separated values", () => {
  it("come back as they were written, whatever is in them and however they are cut", async () => {
    const cell = fc.string({ unit: fc.constantFrom("a", '"', ",", ";", "\n", "\r", "é", " ", "|"), maxLength: 6 });
    const rows = fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(rows, fc.constantFrom("\n", "\r\n", "\r"), fc.integer({ min: 1, max: 7 }), async (given, end, size) => {
        const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
        const written = [["sent0", "sent1"], ...given].map((row) => row.map(quoted).join(",") + end).join("");
        const table = await openTable(streamSource(pieces(new TextEncoder().encode(written), size), "a.csv"));
        expect((await collect(table.rows)).map(({ fields }) => [fields.sent0, fields.sent1])).toEqual(given);
      }),
    );
  });

  it.each<[string, string, string, (string | undefined)[][]]>([
    [
      "a quotation mark inside a value",
      "a.csv",
      'sentence,n\nThe 5" disk,1\n"Yes, ""so""",2\n',
      [
        ['The 5" disk', "1"],
        ['Yes, "so"', "2"],
      ],
    ],
    ["one that begins a value and does not end it", "a.csv", 'sentence,n\n"So" he said,1\n', [['"So" he said', "1"]]],
    [
      "one that begins a line of tab-separated text",
      "a.tsv",
      'sentence\tn\n"So, he said\t1\n"x"\t2\n"a"" b\t3\n',
      [
        ['"So, he said', "1"],
        ["x", "2"],
        ['"a"" b', "3"],
      ],
    ],
    [
      "a quoted line end in tab-separated text, where its lines are too short without each other",
      "a.tsv",
      'a\tb\tc\r\nHow do I "pay"?\t"One\r\ntwo"\tn\r\n"x\n""y"""\t"\n"\tn\r\n',
      [
        ['How do I "pay"?', "One\r\ntwo", "n"],
        ['x\n"y"', "\n", "n"],
      ],
    ],
    [
      "a quoted line end in the last value of tab-separated text, as pandas writes it",
      "a.tsv",
      'a\tb\n1\t"One\n\n""two"", three"\n2\t"x\ny"\n',
      [
        ["1", 'One\n\n"two", three'],
        ["2", "x\ny"],
      ],
    ],
    [
      "a quotation mark that begins the last value of a line of tab-separated text and means nothing",
      "a.tsv",
      'a\tb\n1\t"So\n2\t"x"\n3\t"So\n\n4\tshe said"\n5\t"So\n',
      [
        ["1", '"So'],
        ["2", "x"],
        ["3", '"So'],
        ["4", 'she said"'],
        ["5", '"So'],
      ],
    ],
    [
      "a quotation mark that begins a short line of tab-separated text and means nothing",
      "a.tsv",
      'a\tb\tc\n"So, he said\t1\nx\t"y"\tz\n"oh\t2\n',
      [
        ['"So, he said', "1", undefined],
        ["x", "y", "z"],
        ['"oh', "2", undefined],
      ],
    ],
    [
      "quotation marks around two values of a line of tab-separated text, as speech has them",
      "a.tsv",
      'a\tb\tc\n"He said\tbye"\t1\n"x"\t"He said\tbye"\n"a\tb"\tx\t2\n"p\tq"\n',
      [
        ['"He said', 'bye"', "1"],
        ['"x"', '"He said', 'bye"'],
        ["a\tb", "x", "2"],
        ["p\tq", undefined, undefined],
      ],
    ],
    ["a tab in quotation marks", "a.tsv", 'sentence\tn\n"a\tb"\t1\n', [["a\tb", "1"]]],
    ["semicolons under a name that says commas", "a.csv", "id;text\n1;a, b\n", [["1", "a, b"]]],
    ["tabs under a name that says commas", "a.csv", "id\ttext\n1\ta, b\n", [["1", "a, b"]]],
    ["bars", "a.csv", "id|text\n1|a\n", [["1", "a"]]],
    ["one column with commas in quotation marks", "a.csv", 'sentence\n"a, b"\nc; d\n', [["a, b"], ["c; d"]]],
    ["a separator that Excel declares", "a.csv", "sep=;\r\nid;text\r\n1;a, b\r\n", [["1", "a, b"]]],
    [
      "sentences with a comma each, in tab-separated text",
      "a.tsv",
      "Hello, world.\nGoodbye, moon.\n",
      [["Hello, world."], ["Goodbye, moon."]],
    ],
    ["one sentence with a semicolon", "a.csv", "He came; she went.\n", [["He came; she went."]]],
    [
      "pairs with a semicolon between them",
      "a.csv",
      "He came.;She went.\nIt is here.;There it is.\n",
      [
        ["He came.", "She went."],
        ["It is here.", "There it is."],
      ],
    ],
    ["commas under a name that says tabs", "a.tsv", "id,text\n1,a\n", [["1", "a"]]],
    ["a name twice", "a.csv", "text,note,note\na,b,c\n", [["a", "b", "c"]]],
    ["a name twice, and the name that the second would get", "a.csv", "note,note,note.1,text\na,b,c,d\n", [["a", "b", "c", "d"]]],
    ["blank lines", "a.csv", "\nsentence,n\n\na,1\n   \n\n", [["a", "1"]]],
    ["an empty value in a single column, as pandas writes it", "a.csv", 'text\na\n""\n\n" "\nb\n', [["a"], [""], [" "], ["b"]]],
    [
      "quotation marks after backslashes, as Spark and MySQL write them",
      "a.csv",
      'text,n\n"He said \\"hi\\", \\\\ok",1\n"<a id=\\"x\\">",2\n"end\\"",3\n"both ""a"" \\"b\\"",4\n',
      [
        ['He said "hi", \\ok', "1"],
        ['<a id="x">', "2"],
        ['end"', "3"],
        ['both "a" "b"', "4"],
      ],
    ],
    [
      "backslashes that escape nothing",
      "a.csv",
      'text,n\n"C:\\dir\\",1\n"a\\\\b",2\nc\\,3\n',
      [
        ["C:\\dir\\", "1"],
        ["a\\\\b", "2"],
        ["c\\", "3"],
      ],
    ],
    [
      "the numbers of columns that pandas did not name",
      "a.csv",
      "0,1\na,5\nb,6\n",
      [
        ["a", "5"],
        ["b", "6"],
      ],
    ],
    ["such a number of one column", "a.csv", "0\nHello there\n", [["Hello there"]]],
    [
      "numbers that are no names",
      "a.csv",
      "0,1\n5,6\n",
      [
        ["0", "1"],
        ["5", "6"],
      ],
    ],
  ])("%s", async (_, name, content, expected) => {
    expect(await rowsOf(name, content)).toEqual(expected);
  });

  it.each([
    [",", 'a,b\n1,"\\""\nx"\n"y \\"z\\"",2\n'],
    ["\t", 'a\tb\n"1\n1"\t"\\""\nx"\n"y \\"z\\""\t2\n3\t"So\n4\t"So\n'],
  ] as const)("separated by %j are the same in whatever pieces they arrive", async (separator, content) => {
    const rowsIn = (size: number) => collect(splitRows(textPieces(content, size), separator, "a"));
    const whole = await rowsIn(content.length);
    expect(whole[1]!.cells[1]).toBe('\\"\nx');
    for (let size = 1; size < content.length; size++) expect(await rowsIn(size)).toEqual(whole);
  });

  it("do not wait for the end of a value that only looks as if backslashes escaped its quotation marks", async () => {
    const rows = 50_000;
    const content = `text,n\n"C:\\"x,1\n${"many words without any mark,2\n".repeat(rows)}`;
    for (const size of [1 << 12, 1 << 22]) {
      const table = await openTable(streamSource(pieces(new TextEncoder().encode(content), size), "a.csv"));
      const read = (await collect(table.rows)).map(({ fields }) => fields.text);
      expect([read.length, read[0]]).toEqual([rows + 1, '"C:\\"x']);
    }
  });

  it("do not wait for the end of a quoted value over lines of tab-separated text for ever", async () => {
    const content = `a\tb\tc\n"So, he said\t1\n${"many words\t2\t3\n".repeat(20_000)}`;
    for (const size of [1 << 12, 1 << 22]) {
      const table = await openTable(streamSource(pieces(new TextEncoder().encode(content), size), "a.tsv"));
      const read = (await collect(table.rows)).map(({ fields }) => fields.a);
      expect([read.length, read[0], read[1]]).toEqual([20_001, '"So, he said', "many words"]);
    }
  });

  it("are read with characters that lie across pieces of a large file", async () => {
    const row = `${"é".repeat(999)},ü`;
    const rows = await rowsOf("a.csv", `sent0,sent1\n${`${row}\n`.repeat(1200)}`);
    expect(rows).toHaveLength(1200);
    expect(new Set(rows.map((cells) => cells.join()))).toEqual(new Set([row]));
  });

  it.each<[string, string, RegExp]>([
    ["too many values", "sent0,sent1\nx,y\nx,y,z\n", /a\.csv, line 3: 3 values for the 2 columns/],
    ["a space before a quotation mark", 'sent0, sent1\nx, "y, z"\n', /a\.csv, line 2: 3 values/],
    ["an open quotation mark", 'sent0,sent1\nx,y\n\n"x,y\n', /a\.csv, line 4: a quotation mark opens a value and is never closed/],
    ["an open quotation mark after a quoted line end", 'sent0,sent1\n"a\nb",y\n"x,y\n', /a\.csv, line 4: /],
  ])("are refused with %s", async (_, content, message) => {
    await expect(rowsOf("a.csv", content)).rejects.toThrow(DataError);
    await expect(rowsOf("a.csv", content)).rejects.toThrow(message);
  });
});

describe("JSON", () => {
  it("arrays come element by element, however they are cut", async () => {
    const values = [{ text: 'a "b" \\' }, { text: "[{,]}" }, { text: "生\n" }, { text: "c", more: [1, { a: 2 }] }];
    for (const text of [JSON.stringify(values), ` ${JSON.stringify(values, null, 2)} \n`]) {
      for (let size = 1; size < 9; size++) {
        const table = await openTable(streamSource(pieces(new TextEncoder().encode(text), size), "a.json"));
        expect((await collect(table.rows)).map(({ fields }) => fields)).toEqual(values);
      }
    }
  });

  it("takes bare texts, and an empty array", async () => {
    expect(await rowsOf("a.json", '["a", "b"]')).toEqual([["a"], ["b"]]);
    expect(await rowsOf("a.jsonl", '"a"\n"b"\n')).toEqual([["a"], ["b"]]);
    expect(await rowsOf("a.json", "[ ]")).toEqual([]);
  });

  it("is an array in a file that says JSON lines", async () => {
    expect(await rowsOf("a.jsonl", '[\n{"a": "x"},\n{"a": "y"}\n]\n')).toEqual([["x"], ["y"]]);
    expect(await rowsOf("a.jsonl", '["x", "y"]\n["z", "w"]\n')).toEqual([
      ["x", "y"],
      ["z", "w"],
    ]);
  });

  it.each<[string, string, string, RegExp]>([
    ["a line that is no JSON", "a.jsonl", '{"a":"x"}\n{"a":\n', /a\.jsonl, line 2: not JSON/],
    ["an array that does not end", "a.json", '[{"a":"x"},', /is no JSON array: it ends before its last bracket/],
    ["a missing element", "a.json", '[{"a":"x"},,{"a":"y"}]', /element 2 is missing/],
    ["something behind the array", "a.json", '[{"a":"x"}] x', /there is "x" behind it/],
    ["a second array", "a.json", '[{"a":"x"}][{"a":"y"}]', /outside it/],
    ["a number among objects", "a.json", '[{"a":"x"},5]', /row 2: expected an object with texts, found 5/],
    [
      "an object over several lines",
      "a.json",
      '{\n "version": 1,\n "data": [{"text":"x"}]\n}',
      /line 1: an object begins that does not end/,
    ],
    ["objects over several lines", "a.jsonl", '{\n "text": "x"\n}\n{\n "text": "y"\n}\n', /line 1: an object begins that does not end/],
    ["a table of pandas by columns", "a.json", '{"text":{"0":"x","1":"y"},"n":{"0":1,"1":2}}', /column by column/],
    ["lists by column", "a.json", '{"text":["x","y"],"n":[0,1]}', /column by column/],
    ["rows within a field", "a.json", '{"data":[{"text":"x"}]}', /rows in the field "data"/],
    ["one that pandas split", "a.json", '{"columns":["text"],"index":[0],"data":[["x"]]}', /column by column/],
    ["null", "a.json", "[null]", /row 1: expected an object, a list or a text, found null/],
  ])("refuses %s", async (_, name, content, message) => {
    await expect(rowsOf(name, content)).rejects.toThrow(DataError);
    await expect(rowsOf(name, content)).rejects.toThrow(message);
  });
});

it("takes the format from the ending, in any case and behind .gz", () => {
  expect(["A.CSV", "b.JsonL", "c.txt.gz", "d/e.tsv.GZ", "f.ndjson", "g.json", "h.parquet", "i.TAB"].map(formatOf)).toEqual(
    ["csv", "jsonl", "lines", "tsv", "jsonl", "json", "parquet", "tsv"], // prettier
  );
  expect([formatOf("csv"), formatOf("a.constructor"), formatOf("a.gz"), formatOf("b.csv/a")]).toEqual([null, null, null, null]);
});

it.each([
  ["a Git LFS pointer", "a.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"],
  ["a web page", "a.txt", "<!DOCTYPE html>\n<html><body>Not found</body></html>\n"],
  ["a zip archive", "a.tsv", "PK\u0003\u0004 and what it holds"],
  ["packed with zstd", "a.txt", Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58, 0x29, 0x00, 0x00)],
  ["packed with xz", "a.txt", Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x04, 0xe6)],
  ["packed with bzip2", "a.csv", "BZh91AY&SY\u0001"],
  ["a 7-Zip archive", "a.csv", Uint8Array.of(0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c, 0x00, 0x04)],
  ["a file of Word or Excel", "a.csv", Uint8Array.of(0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1)],
  ["a PDF", "a.txt", "%PDF-1.7 and what it holds"],
  ["a matrix of NumPy", "a.txt", Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 0x76, 0)],
  ["a table in Arrow", "a.jsonl", "ARROW1\u0000\u0000 and what it holds"],
])("does not read %s as sentences", async (what, name, content) => {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const streamed = openTable(streamSource(pieces(bytes, 64), name)).then(({ rows }) => collect(rows));
  await expect(streamed).rejects.toThrow(`${name} is ${what}`);
  await expect(rowsOf(name, content)).rejects.toThrow(DataError);
  await expect(rowsOf(name, content)).rejects.toThrow(`${name} is ${what}`);
});

it("keeps the ids of Parquet that no number holds, and takes bytes for texts only if they are", async () => {
  const columns = [
    { name: "id", data: [2n ** 60n + 1n, 5n], type: "INT64" as const },
    { name: "text", data: [Uint8Array.of(0x61), Uint8Array.of(0xff)], type: "BYTE_ARRAY" as const },
  ];
  const rows = await rowsOf("a.parquet", new Uint8Array(parquetWriteBuffer({ columnData: columns })));
  expect(rows).toEqual([
    ["1152921504606846977", "a"],
    [5, Uint8Array.of(0xff)],
  ]);
});

it("keeps the whole numbers of JSON that no number holds", async () => {
  const text =
    '{"id":9007199254740993,"n":9007199254740991,"x":[-12345678901234567890,{"y":1234567890123456789}],"f":0.1234567890123456,"e":12345678901234567e3,"s":"\\"9007199254740993\\""}';
  const expected = [
    [
      "9007199254740993",
      9007199254740991,
      ["-12345678901234567890", { y: "1234567890123456789" }],
      0.1234567890123456,
      12345678901234567e3,
      '"9007199254740993"',
    ],
  ];
  expect(await rowsOf("a.jsonl", text)).toEqual(expected);
  expect(await rowsOf("a.json", `[${text}]`)).toEqual(expected);
});

it("refuses two columns of Parquet with one name, of which one would be lost", async () => {
  const columnData = ["one", "other"].map((text) => ({ name: "text", data: [text] }));
  await expect(rowsOf("a.parquet", new Uint8Array(parquetWriteBuffer({ columnData })))).rejects.toThrow('two columns called "text"');
});

it("says what is wrong with an archive, a Parquet file, a stream of Parquet, and a name", async () => {
  const packed = Uint8Array.from(Buffer.from(golden["packed.csv.gz"]!.bytes, "base64"));
  await expect(rowsOf("a.csv.gz", packed.slice(0, 200))).rejects.toThrow(/a\.csv\.gz is not a whole gzip file/);
  await expect(rowsOf("a.csv.gz", gzipSync(packed))).rejects.toThrow("a.csv.gz is packed with gzip twice");
  const parquet = Uint8Array.from(Buffer.from(golden["snappy.parquet"]!.bytes, "base64"));
  await expect(rowsOf("a.parquet", parquet.slice(0, 500))).rejects.toThrow(/a\.parquet cannot be read as Parquet/);
  await expect(openTable(streamSource(pieces(parquet, 99), "standard input"), { format: "parquet" })).rejects.toThrow(OptionError);
  await expect(rowsOf("a.docx", "x")).rejects.toThrow(OptionError);
});

it("closes a stream that is refused, or not read to its end", async () => {
  // Longer than what is looked at before it is refused.
  const text = Buffer.from(
    `question,answer,note,other,more\n${Array.from({ length: 40_000 }, (_, i) => `${i},${(i * 7919) % 104_729},3,4,5\n`).join("")}`,
  );
  const twice = gzipSync(gzipSync(text));
  const readings: readonly (readonly [string, Uint8Array, (source: ByteSource) => Promise<unknown>])[] = [
    ["twice.csv.gz", twice, openTable],
    ["archive.csv", Buffer.concat([Buffer.from("PK\u0003\u0004"), text]), openTable],
    ["unclear.csv", Buffer.from("first,second\n".repeat(20_000)), openTable],
    ["five.csv", text, openExamples],
    ["five.csv", text, (source) => openTexts(source, { columns: "nothing" })],
    [
      "five.csv",
      text,
      async (source) => {
        for await (const _ of (await openTexts(source)).texts) break;
      },
    ],
  ];
  for (const [name, bytes, read] of readings) {
    let isClosed = false;
    let next = 0;
    const stream = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        await new Promise((done) => setTimeout(done, 5)); // Unpacking would read all at once.
        if (next === bytes.length) controller.close();
        else controller.enqueue(bytes.slice(next, next + 10_000));
        next = Math.min(next + 10_000, bytes.length);
      },
      cancel: () => {
        isClosed = true;
      },
    });
    await read(streamSource(stream, name)).catch(() => {});
    await vi.waitFor(() => expect(isClosed, name).toBe(true));
  }
});

it("a packed stream can be left while its next piece is still to come", async () => {
  const beginning = gzipSync("a text\n".repeat(3000), { finishFlush: constants.Z_SYNC_FLUSH });
  let end = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  let isClosed = false;
  async function* pieces(): AsyncGenerator<Uint8Array> {
    try {
      yield beginning;
      await ended;
    } finally {
      isClosed = true;
    }
  }
  const { texts } = await openTexts(streamSource(pieces(), "a.txt.gz"));
  for await (const text of texts) {
    expect(text).toBe("a text");
    break;
  }
  expect(isClosed).toBe(false);
  end();
  await vi.waitFor(() => expect(isClosed).toBe(true));
});

it.each([false, true])("reads the stream of a file that cannot be iterated, as in Safari (packed: %s)", async (packed) => {
  const written = new TextEncoder().encode("a,b\n1,2\n3,4\n");
  const stream = new Blob([packed ? gzipSync(written) : written]).stream();
  const inSafari = { getReader: () => stream.getReader() } as ReadableStream<Uint8Array>;
  const table = await openTable(streamSource(inSafari, packed ? "a.csv.gz" : "a.csv"));
  expect(await collect(table.rows)).toHaveLength(2);
});

it.each(["xml", "constructor"])("refuses the format %s", async (format) => {
  await expect(openTable(source("a.txt", "a"), { format: format as "csv" })).rejects.toThrow(OptionError);
});

it("reads Python's NaN and Infinity in JSON: no value, and a number beyond all others", async () => {
  const rows = [
    ["NaN in a text", null],
    ["-Infinity", Number.NEGATIVE_INFINITY],
  ];
  const [one, two] = ['{"text":"NaN in a text","score":NaN}', '{"text":"-Infinity","score":-Infinity}'];
  expect(await rowsOf("a.jsonl", `${one}\n${two}\n`)).toEqual(rows);
  expect(await rowsOf("a.json", `[${one},${two}]`)).toEqual(rows);
  await expect(rowsOf("a.jsonl", '{"text":"a","score":Nan}\n')).rejects.toThrow("a.jsonl, line 1: not JSON");
});

it.each(["a.csv", undefined, null])("refuses a source that is %s", async (given) => {
  const opened = openTable(given as never);
  await expect(opened).rejects.toThrow(OptionError);
  await expect(opened).rejects.toThrow("A source of bytes was expected");
});
