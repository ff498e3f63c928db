import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DataError, FileError, OptionError } from "../../src/errors.ts";
import { type Example, readExamples } from "../../src/io/examples-node.ts";
import { describeWithSharedData } from "../shared-data.ts";
import { temporaryFolder } from "../tiny-model.ts";

const folder = await temporaryFolder();
let count = 0;

async function read(path: string): Promise<Example[]> {
  const examples: Example[] = [];
  for await (const example of readExamples(path)) examples.push(example);
  return examples;
}

async function readContent(ending: string, content: string | Uint8Array): Promise<Example[]> {
  const path = join(folder, `train ${count++}${ending}`);
  await writeFile(path, content);
  return read(path);
}

describe("readExamples", () => {
  it("takes lines of text as they are", async () => {
    expect(await readContent(".txt", 'sent0,sent1\n\n"x\ty"\r\n')).toEqual([["sent0,sent1"], [""], ['"x\ty"']]);
  });

  it.each([
    [1, "text\na b\n\nc\n", [["a b"], ["c"]]],
    [2, "sent0,sent1\na,b\n", [["a", "b"]]],
    [
      3,
      'sent0,sent1,hard_neg\r\n"a, ""b""","c\nd",e\r\nf,g,h',
      [
        ['a, "b"', "c\nd", "e"],
        ["f", "g", "h"],
      ],
    ],
  ])("takes a csv of %i columns with a header", async (_, content, expected) => {
    expect(await readContent(".csv", content)).toEqual(expected);
  });

  it("fills missing values, keeps quotation marks inside a value, and drops a byte-order mark", async () => {
    expect(await readContent(".csv", '\u{feff}a,b,c\nx,,z\nx\nhe said "no",y,z\n')).toEqual([
      ["x", " ", "z"],
      ["x", " ", " "],
      ['he said "no"', "y", "z"],
    ]);
    expect(await readContent(".tsv", "a\tb\nx, y\tz\n\tz\n")).toEqual([
      ["x, y", "z"],
      [" ", "z"],
    ]);
  });

  it("takes json lines and a json array, columns named by the first row", async () => {
    const lines = '{"a":"x","b":"y"}\n\n{"b":"v","a":null}\n{"a":"w"}\n';
    const expected = [
      ["x", "y"],
      [" ", "v"],
      ["w", " "],
    ];
    expect(await readContent(".jsonl", lines)).toEqual(expected);
    expect(await readContent(".json", lines)).toEqual(expected);
    expect(await readContent(".json", ` [${lines.trim().split(/\n+/).join(",")}]`)).toEqual(expected);
    expect(await readContent(".jsonl", '["x","y"]\n["z"]\n')).toEqual([
      ["x", "y"],
      ["z", " "],
    ]);
  });

  it("splits characters over pieces of a large file without harm", async () => {
    const row = `${"é".repeat(999)},ü\n`;
    const examples = await readContent(".csv", `a,b\n${row.repeat(200)}`);
    expect(examples).toHaveLength(200);
    expect(new Set(examples.map((example) => example.join()))).toEqual(new Set([row.trim()]));
  });

  it.each<[string, string, string | Uint8Array, RegExp]>([
    ["four columns", ".csv", "a,b,c,d\n1,2,3,4\n", /train \d+\.csv has 4 columns: a, b, c, d/],
    ["too many values", ".csv", "a,b\nx,y\nx,y,z\n", /\.csv, line 3: 3 values for the 2 columns/],
    ["an open quotation mark", ".csv", 'a,b\n"x,y\n', /\.csv, line \d: .*[Qq]uote/],
    ["a quotation mark that swallows a file", ".csv", `a,b\n"x,${"y\n".repeat(200_000)}`, /\.csv, line \d+: /],
    ["only a header", ".csv", "a,b\n", /holds no example/],
    ["nothing", ".csv", "", /is empty/],
    ["bytes that are no UTF-8", ".csv", Uint8Array.of(0x61, 0x0a, 0xff, 0x0a), /\.csv is not UTF-8/],
    ["a text as long as a book", ".tsv", `a\n${"x".repeat(60_000)}\n`, /\.tsv, row 2: a text of 60000 characters/],
    ["a line that is no JSON", ".jsonl", '{"a":"x"}\n{"a":\n', /\.jsonl, line 2: not JSON/],
    ["a number", ".jsonl", '{"a":1}\n', /\.jsonl, row 1: expected a text, found 1/],
    ["another column", ".jsonl", '{"a":"x"}\n{"b":"x"}\n', /row 2: a value "b" beside a/],
    ["a bare text", ".jsonl", '"x"\n', /row 1: expected an object/],
    ["an array that does not end", ".json", '[{"a":"x"},', /is no JSON array/],
  ])("refuses %s", async (_, ending, content, message) => {
    const reading = readContent(ending, content);
    await expect(reading).rejects.toThrow(DataError);
    await expect(reading).rejects.toThrow(message);
  });

  it("refuses another ending and a file that is not there", async () => {
    await expect(readContent(".parquet", "x")).rejects.toThrow(OptionError);
    await expect(read(join(folder, "nowhere.csv"))).rejects.toThrow(FileError);
    await expect(read(join(folder, "nowhere.jsonl"))).rejects.toThrow(FileError);
  });
});

describeWithSharedData("training files", (data) => {
  it("NLI triplets", async () => {
    const examples = await read(join(data, "train/nli_triplets.clean.csv"));
    expect(examples).toHaveLength(10_953);
    expect(examples.every((example) => example.length === 3 && example.every((text) => text.trim() !== ""))).toBe(true);
  });
});
