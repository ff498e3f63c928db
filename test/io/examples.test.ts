/** The meaning of columns, the kind of examples that follows, and refusals of ambiguous tables. */
import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DataError, FileError, OptionError, SimcseError } from "../../src/errors.ts";
import { type Example, type ExampleOptions, openExamples } from "../../src/io/examples.ts";
import { readExamples } from "../../src/io/examples-node.ts";
import { MemoryFolder } from "../../src/io/folder.ts";
import { fileSource } from "../../src/io/text/source.ts";
import { describeWithSharedData } from "../shared-data.ts";
import { temporaryFolder } from "../tiny-model.ts";
import { collect } from "./collect.ts";

function open(name: string, content: string | Uint8Array, options?: ExampleOptions) {
  return openExamples(fileSource(new MemoryFolder("data", [[name, content]]), name), options);
}

async function read(name: string, content: string | Uint8Array, options?: ExampleOptions): Promise<Example[]> {
  return collect((await open(name, content, options)).examples);
}

const texts = async (...given: Parameters<typeof read>) => (await read(...given)).map((example) => example.texts);

describe("what the columns are", () => {
  it.each<[string, string, string, readonly string[][]]>([
    ["the original's", "a.csv", "sent0,sent1,hard_neg\na,b,c\n", [["a", "b", "c"]]],
    ["another order", "a.csv", "hard_neg,sent0,sent1\nN,a,b\n", [["a", "b", "N"]]],
    ["synonyms", "a.csv", "Answer,Question\nb,a\n", [["a", "b"]]],
    ["anchor, positive, negative", "a.jsonl", '{"negative":"n","anchor":"a","positive":"p"}\n', [["a", "p", "n"]]],
    [
      "a column for each of several negatives",
      "a.csv",
      "anchor,positive,negative_1,negative_2,negative_3\na,p,x,y,z\nb,q,,v,\nc,r,,,\n",
      [
        ["a", "p", "x"],
        ["a", "p", "y"],
        ["a", "p", "z"],
        ["b", "q", "v"],
        ["c", "r", " "],
      ],
    ],
    ["no name that says it: their places", "a.csv", "left,right\nA cat sits.,A cat is sitting.\n", [["A cat sits.", "A cat is sitting."]]],
    ["one column of whatever name", "a.csv", "caption\nA cat sits.\n", [["A cat sits."]]],
    ["semicolons", "a.csv", "sent0;sent1\nA man, plays;Someone plays\n", [["A man, plays", "Someone plays"]]],
    ["the index of pandas", "a.csv", ",sent0,sent1\n0,A man plays.,Someone plays.\n", [["A man plays.", "Someone plays."]]],
    ["an index that was saved twice", "a.csv", ",Unnamed: 0,sent0\n0,5,A man plays.\n", [["A man plays."]]],
    ["the index of a Parquet file", "a.jsonl", '{"sent0":"a","sent1":"b","__index_level_0__":3}\n', [["a", "b"]]],
    [
      "no header",
      "a.csv",
      "A man plays.,Someone plays.\nA dog runs.,It runs.\n",
      [
        ["A man plays.", "Someone plays."],
        ["A dog runs.", "It runs."],
      ],
    ],
    ["a line of text", "a.txt", 'sent0,sent1\n\n"x\ty"\r\n', [["sent0,sent1"], [""], ['"x\ty"']]],
    [
      "a header and missing values",
      "a.csv",
      "sent0,sent1,hard_neg\nx,,z\nx\n",
      [
        ["x", " ", "z"],
        ["x", " ", " "],
      ],
    ],
    [
      "fields in any order",
      "a.jsonl",
      '{"sent0":"x","sent1":"y"}\n\n{"sent1":"v","sent0":null}\n',
      [
        ["x", "y"],
        [" ", "v"],
      ],
    ],
    [
      "lists",
      "a.jsonl",
      '["x","y"]\n["z"]\n',
      [
        ["x", "y"],
        ["z", " "],
      ],
    ],
  ])("%s", async (_, name, content, expected) => {
    expect(await texts(name, content)).toEqual(expected);
  });

  it.each<[string, string, readonly string[][]]>([
    ["sent0=frage,sent1=antwort", "nr,antwort,frage\n1,b,a\n", [["a", "b"]]],
    ["frage,antwort", "nr,antwort,frage\n1,b,a\n", [["a", "b"]]],
    ["sent1=2,sent0=3", "nr,antwort,frage\n1,b,a\n", [["a", "b"]]],
    ["_,sent1,sent0", "nr,antwort,frage\n1,b,a\n", [["a", "b"]]],
    ["sent0,sent1,hard_neg", "x,y,z\na,b,c\n", [["a", "b", "c"]]],
    [
      "sent0,sent1,hard_neg,hard_neg",
      "w,x,y,z\na,b,c,d\n",
      [
        ["a", "b", "c"],
        ["a", "b", "d"],
      ],
    ],
  ])("--columns %s", async (columns, content, expected) => {
    expect(await texts("a.csv", content, { columns, header: true })).toEqual(expected);
  });

  it("takes the first row for what it is told to be", async () => {
    expect(await texts("a.csv", "dog,hound\ncat,feline\n", { header: false })).toEqual([
      ["dog", "hound"],
      ["cat", "feline"],
    ]);
    expect(await texts("a.csv", "dog,hound\ncat,feline\n", { header: true })).toEqual([["cat", "feline"]]);
  });

  it("says what was understood", async () => {
    const understood = async (...given: Parameters<typeof open>) => (await open(...given)).understood;
    expect(await understood("a.csv", "sent1;sent0\nb;a\n")).toBe("2 columns: sent0, sent1; separated by a semicolon");
    expect(await understood("a.csv", ",sent0\n0,a\n")).toBe("1 column: sent0; left out: the column without a name");
    expect(await understood("a.tsv", "A cat.\tIt sits.\n")).toBe("2 columns: column 1, column 2; no header");
    expect(await understood("a.txt", "a\n")).toBe("one text a line");
    expect(await understood("a.txt", "A cat.\tIt sits.\n")).toBe(
      "one text a line, with its tabs (if they separate columns, name the file .tsv)",
    );
  });

  it.each<[string, string, RegExp]>([
    ["four columns", "id,sent0,sent1,hard_neg\n1,a,b,c\n", /what "id" should be beside "sent0", "sent1", "hard_neg" is not known/],
    ["four columns without names that say it", "a1,b1,c1,d1\n1 x y z,2,3,4\n", /has 4 columns: a1, b1, c1, d1/],
    ["two columns for one thing", "text,sentence\na,b\n", /text and sentence both look like sent0/],
    ["a number after another role's name", "sent0,sent1,answer9\na,b,c\n", /what "answer9" should be/],
    ["a negative without a positive", "query,negative\na,b\n", /has sent0 \(query\), hard_neg \(negative\)/],
    ["numbers that nothing explains", "left,right,degree\nA cat sits.,It sits there.,4.5\n", /"degree" holds numbers/],
    ["numbers in a table without a header", "A cat sits.,It sits.,4.5\n", /"column 3" holds numbers/],
    ["a first row that may be a header", "dog,hound\ncat,feline\n", /the first row \(dog, hound\) may name the columns/],
  ])("refuses %s", async (_, content, message) => {
    await expect(read("a.csv", content)).rejects.toThrow(DataError);
    await expect(read("a.csv", content)).rejects.toThrow(message);
    await expect(read("a.csv", content)).rejects.toMatchObject({ remedy: expect.stringMatching(/--columns|--header/) });
  });

  it("names the option that decides whether the first row is a header", async () => {
    await expect(read("a.csv", "dog,hound\ncat,feline\n")).rejects.toMatchObject({ option: "header" });
    await expect(read("a.csv", "a1,b1,c1,d1\n1 x y z,2,3,4\n")).rejects.toSatisfy((error: DataError) => !("option" in error));
  });

  it.each<[string, RegExp]>([
    ["sent0=nowhere", /has no column "nowhere"; it has "nr", "frage"/],
    ["text=frage", /there is no "text"/],
    ["sent0", /names 1 columns, and .* has 2/],
    ["sent0,what", /"what" is neither a column/],
  ])("refuses --columns %s", async (columns, message) => {
    await expect(read("a.csv", "nr,frage\n1,Was ist das?\n", { columns, header: true })).rejects.toThrow(OptionError);
    await expect(read("a.csv", "nr,frage\n1,Was ist das?\n", { columns, header: true })).rejects.toThrow(message);
  });
});

it.each(["sent0,sent1", "sent0=question"])("says that a plain text has no columns to choose with --columns %s", async (columns) => {
  await expect(read("a.txt", "A cat.\tIt sits.\n", { columns })).rejects.toMatchObject({ remedy: expect.stringContaining(".tsv") });
});

describe("kinds of examples", () => {
  it.each<[string, string, Example]>([
    ["sentences", "text\na\n", { texts: ["a"] }],
    ["pairs", "sent0,sent1\na,b\n", { texts: ["a", "b"] }],
    ["triplets", "anchor,positive,negative\na,b,c\n", { texts: ["a", "b", "c"] }],
    ["scored pairs", "score,sentence1,sentence2\n3.80,a,b\n", { texts: ["a", "b"], score: 3.8 }],
    ["labelled pairs", "question1,question2,is_duplicate\na,b,1\n", { texts: ["a", "b"], score: 1 }],
    ["labelled texts", "label,text\n3,a\n", { texts: ["a"], label: "3" }],
  ])("%s", async (kind, content, example) => {
    const table = await open("a.csv", content);
    expect(table.kind).toBe(kind);
    expect(await collect(table.examples)).toEqual([example]);
  });

  it("counts what was missing", async () => {
    const table = await open("a.jsonl", '{"sent0":"a","sent1":"b"}\n{"sent0":"","sent1":null}\n');
    await collect(table.examples);
    expect(table.missing()).toBe(2);
  });

  it.each<[string, string, RegExp]>([
    ["a score with a decimal comma", "sentence1,sentence2,score\na,b,3,8\n", /4 values for the 3 columns/],
    ["a score that is no decimal number", "sentence1,sentence2,score\na,b,0x10\n", /expected a number in score, found "0x10"/],
    ["a missing score", "sentence1,sentence2,score\na,b,1\nc,d,\n", /line 3: expected a number in score, found ""/],
    ["classes of pairs", "premise,hypothesis,label\na,b,2\n", /line 2: expected 0 or 1 in label, found "2"/],
    ["classes in words", "premise,hypothesis,label\na,b,constructor\n", /found "constructor"/],
    ["a missing label", "text,label\na,\n", /expected a label in label/],
  ])("refuses %s", async (_, content, message) => {
    await expect(read("a.csv", content)).rejects.toThrow(DataError);
    await expect(read("a.csv", content)).rejects.toThrow(message);
  });

  it("says what to do with classes: numbers may be scores, names of NLI's are not", async () => {
    const remedy = (label: string) => read("a.csv", `premise,hypothesis,label\na,b,${label}\n`).catch((error: DataError) => error.remedy);
    expect(await remedy("2")).toContain("--columns …,score=label");
    expect(await remedy("neutral")).toContain("a contradiction can be the hard_neg of its pair");
  });

  it.each<[string, string, string | Uint8Array, RegExp]>([
    ["only a header", "a.csv", "sent0,sent1\n", /holds no example/],
    ["nothing", "a.csv", "", /is empty/],
    ["no line", "a.txt", "", /holds no example/],
    ["bytes that are no UTF-8", "a.csv", Uint8Array.of(0x61, 0x0a, 0xff, 0x0a), /a\.csv is not UTF-8 text: byte 2 is 0xff/],
    ["UTF-16", "a.csv", new Uint8Array(new Uint16Array([0xfeff, 0x61, 0x0a]).buffer), /it looks like UTF-16/],
    ["a number", "a.jsonl", '{"a":1}\n', /a\.jsonl, line 1: expected a text in a, found 1/],
    ["a list of sentences", "a.jsonl", '{"query":["a","b"],"pos":["c"]}\n', /expected a text in query, found \["a", "b"\]/],
    ["an empty list", "a.jsonl", '{"query":"a","pos":["b"],"neg":[]}\n', /expected a text in neg, found \[\]/],
    ["a list of numbers", "a.jsonl", '{"query":"a","pos":["b",3]}\n', /expected a text in pos, found 3/],
    [
      "a list in a scored pair",
      "a.jsonl",
      '{"sentence1":"a","sentence2":["b"],"score":1}\n',
      /expected a text in sentence2, found \["b"\]/,
    ],
    ["another field", "a.jsonl", '{"a":"x"}\n{"b":"x"}\n', /line 2: a value "b" beside a/],
    ["a value nested deep", "a.json", `[{"sent0":${"[".repeat(5000)}${"]".repeat(5000)}}]`, /row 1: expected a text in sent0, found \[\[/],
  ])("refuses %s", async (_, name, content, message) => {
    await expect(read(name, content)).rejects.toThrow(DataError);
    await expect(read(name, content)).rejects.toThrow(message);
  });
});

describe("FlagEmbedding's files", () => {
  const lines = `{"query":"a","pos":["b","c"],"neg":["d","e"]}\n{"query":"f","pos":["g"],"neg":["h",""]}\n`;

  it("are examples of each positive with each hard negative", async () => {
    const table = await open("a.jsonl", lines);
    expect(table.kind).toBe("triplets");
    expect((await collect(table.examples)).map(({ texts }) => texts.join(""))).toEqual(["abd", "abe", "acd", "ace", "fgh", "fg "]);
    expect(table.missing()).toBe(1);
    expect(await texts("a.jsonl", '{"query":"a","pos":["b","c"]}\n')).toEqual([
      ["a", "b"],
      ["a", "c"],
    ]);
  });

  it("have each text once a row where only texts are read", async () => {
    expect((await collect((await open("a.jsonl", lines)).texts)).join("")).toBe("abcdefgh ");
  });

  it("have scores and prompts that are left out when the others are named", async () => {
    const scored = '{"query":"a","pos":["b"],"neg":["c"],"pos_scores":[0.9],"neg_scores":[0.1],"prompt":"p","type":"normal"}\n';
    await expect(open("a.jsonl", scored)).rejects.toThrow(/"pos_scores", "neg_scores", "prompt", "type"/);
    expect(await texts("a.jsonl", scored, { columns: "query,pos,neg" })).toEqual([["a", "b", "c"]]);
  });
});

describe("a choice of columns by role", () => {
  it("takes names whatever signs they have", async () => {
    const columns = { sent0: "Question, in full", sent1: "a=b" };
    expect(await texts("a.csv", '"Question, in full",id,a=b\nx,1,y\n', { columns })).toEqual([["x", "y"]]);
  });

  it("refuses a column that is not there", async () => {
    await expect(open("a.csv", "question,answer\nx,y\n", { columns: { sent0: "questions" } })).rejects.toThrow(/no column "questions"/);
  });
});

describe("rows with problems", () => {
  it.each<[string, string, string, readonly string[], readonly string[]]>([
    ["no number", "a.csv", "s1,s2,score\na,b,1\nc,d,n/a\ne,f,2\n", ["a", "e"], ["a.csv, line 3: expected a number"]],
    ["too many values", "a.csv", "sent0,sent1\na,b\nc,d,e\nf,g\n", ["a", "f"], ["a.csv, line 3: 3 values"]],
    ["no JSON", "a.jsonl", '{"sent0":"a"}\n{"sent0":\n{"sent0":"b"}\n', ["a", "b"], ["a.jsonl, line 2: not JSON"]],
    ["another kind of row", "a.json", '[{"sent0":"a"},7,{"sent0":"b"}]', ["a", "b"], ["a.json, row 2: expected an object"]],
    ["another type", "a.jsonl", '{"sent0":"a"}\n{"sent0":5}\n', ["a"], ["a.jsonl, line 2: expected a text"]],
  ])("are told and left out: %s", async (_, name, content, first, messages) => {
    const problems: string[] = [];
    const found = await read(name, content, { onProblem: ({ message }) => problems.push(message) });
    expect(found.map((example) => example.texts[0])).toEqual(first);
    expect(problems).toHaveLength(messages.length);
    for (const [at, message] of messages.entries()) expect(problems[at]).toContain(message.replace("a.", "data/a."));
    await expect(read(name, content)).rejects.toThrow(DataError);
  });
});

describe("readExamples", async () => {
  const folder = await temporaryFolder();

  it("gives the texts of a file on disk, and refuses what is more than texts", async () => {
    await writeFile(join(folder, "pairs.csv"), "sent0,sent1\na,b\n");
    await writeFile(join(folder, "scored.csv"), "sentence1,sentence2,score\na,b,1\n");
    expect(await collect(readExamples(join(folder, "pairs.csv")))).toEqual([["a", "b"]]);
    await expect(collect(readExamples(join(folder, "scored.csv")))).rejects.toThrow(/holds scored pairs/);
  });

  it("says of an address and of a folder that they are no files", async () => {
    await expect(collect(readExamples("https://example.com/pairs.csv"))).rejects.toThrow(/pairs\.csv is an address/);
    await expect(collect(readExamples("."))).rejects.toThrow(". is a folder");
    await expect(collect(readExamples(folder))).rejects.toThrow(`${folder} is a folder`);
  });

  it.skipIf(process.platform === "win32")("reads a pipe, which has no size", async () => {
    const pipe = join(folder, "pipe.csv");
    execFileSync("mkfifo", [pipe]);
    const [read] = await Promise.all([collect(readExamples(pipe)), writeFile(pipe, "sent0,sent1\na,b\n")]);
    expect(read).toEqual([["a", "b"]]);
  });

  it("refuses another ending and a file that is not there", async () => {
    await expect(collect(readExamples(join(folder, "a.docx")))).rejects.toThrow(OptionError);
    for (const name of ["nowhere.csv", "nowhere.jsonl", "nowhere.parquet"])
      await expect(collect(readExamples(join(folder, name)))).rejects.toThrow(FileError);
    await expect(collect(readExamples(join(folder, "no", "where.txt")))).rejects.toThrow(SimcseError);
  });
});

describeWithSharedData("training files", (data) => {
  it("NLI triplets", async () => {
    const examples = await collect(readExamples(join(data, "train/nli_triplets.clean.csv")));
    expect(examples).toHaveLength(10_953);
    expect(examples.every((example) => example.length === 3 && example.every((text) => text.trim() !== ""))).toBe(true);
  });
});
