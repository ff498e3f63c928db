import { describe, expect, it } from "vitest";
import { openExamples } from "../../../../src/io/examples.ts";
import { MemoryFolder } from "../../../../src/io/folder.ts";
import { fileSource } from "../../../../src/io/text/source.ts";
import { holdOut } from "../../../../src/simcse/evaluation/sets/hold-out.ts";
import { beirSet, checkDiffering, evaluationSet, isBeirFolder, setOfExamples } from "../../../../src/simcse/evaluation/sets/read-set.ts";

const folderOf = (files: Readonly<Record<string, string>>) => new MemoryFolder("memory", Object.entries(files));
const relevant = (...texts: string[]) => new Map(texts.map((text) => [text, 1]));
const setOf = async (file: string, text: string, corpus?: readonly string[]) =>
  evaluationSet(await openExamples(fileSource(folderOf({ [file]: text }), file)), "mine", corpus);

describe("a table is evaluated as its columns say", () => {
  it.each([
    ["sentence1,sentence2,score\na,b,4.5\n", { kind: "scored pairs", data: [{ a: "a", b: "b", score: 4.5 }] }],
    ["sentence1,sentence2,label\na,b,1\n", { kind: "labelled pairs", data: [{ a: "a", b: "b", label: 1 }] }],
    ["anchor,positive,negative\na,b,c\n", { kind: "triplets", data: [{ anchor: "a", positive: "b", negative: "c" }] }],
    ["text,label\na,good\n", { kind: "labelled texts", data: [{ text: "a", label: "good" }] }],
  ])("%j", async (text, expected) => {
    expect(await setOf("own.csv", text)).toEqual({ name: "mine", ...expected });
  });

  it("pairs are searched for among all second texts and a corpus; equal queries are one", async () => {
    const set = await setOf("faq.csv", "question,answer\nq,a\nq,b\nr,c\n", ["other", "a"]);
    expect(set).toEqual({
      kind: "retrieval",
      name: "mine",
      data: {
        queries: new Map([
          ["q", "q"],
          ["r", "r"],
        ]),
        corpus: new Map(["a", "b", "c", "other"].map((text) => [text, text])),
        relevant: new Map([
          ["q", relevant("a", "b")],
          ["r", relevant("c")],
        ]),
        skipsSameId: true,
      },
    });
  });

  it.each(["a,b,1\nc,d,0\n", "a,b,1\nc,d,1\n"])("and is known to tell nothing apart: %j", async (rows) => {
    for (const column of ["score", "label"]) {
      const set = await setOf("own.csv", `sentence1,sentence2,${column}\n${rows}`);
      if (rows.endsWith("0\n")) checkDiffering(set);
      else expect(() => checkDiffering(set)).toThrow(`All 2 ${set.kind} of the evaluation set mine have the ${column} 1.`);
    }
  });

  it("refuses single sentences, and a corpus where nothing is searched for", async () => {
    await expect(setOf("own.txt", "a\nb\n")).rejects.toThrow(/holds sentences alone/);
    await expect(setOf("own.csv", "sentence1,sentence2,score\na,b,1\n", ["c"])).rejects.toThrow(/scored pairs, which are not searched for/);
  });
});

describe("a folder in BEIR's layout", () => {
  const files = {
    "corpus.jsonl": '{"_id":"d1","title":"Title","text":"body"}\n{"_id":"d2","text":"plain"}\n',
    "queries.jsonl": '{"_id":"q1","text":"what"}\n',
    "qrels/test.tsv": "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\n",
  };

  it("is read whole; a grade of 0 is not relevant", async () => {
    expect(await isBeirFolder(folderOf(files))).toBe(true);
    expect(await beirSet(folderOf(files), "beir")).toEqual({
      kind: "retrieval",
      name: "beir",
      data: {
        queries: new Map([["q1", "what"]]),
        corpus: new Map([
          ["d1", "Title body"],
          ["d2", "plain"],
        ]),
        relevant: new Map([["q1", new Map([["d1", 2]])]]),
        skipsSameId: true,
      },
    });
  });

  it("takes the columns of relevance by their names, or three in the usual order", async () => {
    for (const relevance of ["score\tcorpus-id\tquery-id\n2\td1\tq1\n", "q1\td1\t2\n", "qid\tdoc\trel\nq1\td1\t2\n"]) {
      const { data } = await beirSet(folderOf({ ...files, "qrels/test.tsv": relevance }), "beir");
      expect(data).toMatchObject({ relevant: new Map([["q1", new Map([["d1", 2]])]]) });
    }
  });

  it("puts no title before a text whose title is null", async () => {
    const corpus = '{"_id":"d1","title":null,"text":"body"}\n{"_id":"d2","title":NaN,"text":"plain"}\n';
    const { data } = await beirSet(folderOf({ ...files, "corpus.jsonl": corpus }), "beir");
    expect(data).toMatchObject({
      corpus: new Map([
        ["d1", "body"],
        ["d2", "plain"],
      ]),
    });
  });

  it.each([
    ["qrels/test.tsv", "query-id\tcorpus-id\tscore\nq2\td1\t1\n", /no query "q2"/],
    ["qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td3\t1\n", /no document "d3"/],
    ["qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\thigh\n", /expected a grade, found "high"/],
    ["qrels/test.tsv", "q1\t0\td1\t1\n", /has 4 columns/],
    ["qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t\n", /expected a grade, found ""/],
    ["corpus.jsonl", '{"_id":"d1","text":"one"}\n{"_id":"d1","text":"two"}\n', /line 2: the id "d1" occurred before/],
    ["queries.jsonl", '{"id":"q1","text":"what"}\n', /expected "_id" and "text"/],
  ])("refuses %s with %j", async (file, text, message) => {
    await expect(beirSet(folderOf({ ...files, [file]: text }), "beir")).rejects.toThrow(message);
  });

  it("names the file that is missing", async () => {
    const { "queries.jsonl": _, ...rest } = files;
    await expect(beirSet(folderOf(rest), "beir")).rejects.toThrow(/queries\.jsonl is not there/);
  });
});

it.each<[string, unknown, string]>([
  ["pairs", ["a", "b"], 'Example 2 is ["a", "b"], which has no 2 texts'],
  ["triplets", { texts: ["a", "b"] }, "which has no 3 texts"],
  ["scored pairs", { texts: ["a", "b"] }, "Example 2 has the score nothing"],
  ["labelled pairs", { texts: ["a", "b"], score: Number.NaN }, "Example 2 has the score NaN"],
  ["kinds", {}, 'There is no kind of examples "kinds"'],
])("a caller's examples as a set of %s are refused if they are others", (kind, example, message) => {
  const fitting = { texts: ["a", "b", "c"], score: 1 };
  expect(() => setOfExamples({ name: "mine", kind: kind as "pairs", origin: "mine" }, [fitting, example as never])).toThrow(message);
});

describe("holdOut", () => {
  const examples = Array.from({ length: 400 }, (_, i) => ({ texts: [`question ${i % 200}`, `answer ${i % 50}`] }));

  it("keeps about the share back, the same in any order, and equal first texts together", () => {
    const { training, held, overlapping } = holdOut(examples, 0.25);
    expect(training.length + held.length).toBe(400);
    expect(Math.abs(held.length / 400 - 0.25)).toBeLessThan(0.1); // 200 draws: three deviations of 0.03.
    const heldTexts = new Set(held.map(({ texts }) => texts[0]));
    expect(training.some(({ texts }) => heldTexts.has(texts[0]))).toBe(false);
    const reversed = holdOut([...examples].reverse(), 0.25);
    expect(new Set(reversed.held.map(({ texts }) => texts[0]))).toEqual(heldTexts);
    expect(overlapping).toBeGreaterThan(0); // Answers repeat.
  });

  it("refuses a share that is none, and a part without examples", () => {
    for (const share of [0, 1, Number.NaN]) expect(() => holdOut(examples, share)).toThrow(/cannot be kept back/);
    expect(() => holdOut([{ texts: ["a", "b"] }], 0.5)).toThrow(/Of 1 examples none is/);
    const lists = [
      ["a", "b"],
      ["c", "d"],
    ] as never[];
    expect(() => holdOut(lists, 0.5)).toThrow('Example 1 is ["a", "b"], which has no 1 text');
  });
});
