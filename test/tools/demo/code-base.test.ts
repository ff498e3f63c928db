/** From a folder to what is learned, and to lines on a terminal. */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { readCodeBase, sampleEntries } from "../../../tools/demo/code-base.ts";
import { lessonsOf, scoresByKind } from "../../../tools/demo/lessons.ts";
import { Page } from "../../../tools/demo/page.ts";
import { inWords } from "../../../tools/demo/words.ts";
import { temporaryFolder } from "../../tiny-model.ts";

const folder = await temporaryFolder();
const docs = Array.from({ length: 40 }, (_, i) => `/** Counts the things of kind ${i}. */\nexport function countThings${i}(): number {}\n`);

beforeAll(async () => {
  const files: Record<string, string> = {
    "src/things.ts": docs.join("\n"),
    "src/copy.ts": docs[0]!,
    "src/things.test.ts": docs[1]!.replaceAll("Things", "Tests"),
    "node_modules/other/index.js": docs[2]!.replaceAll("Things", "Others"),
    ".hidden/a.ts": docs[3]!.replaceAll("Things", "Hidden"),
    "README.md": "# How things are counted\r\n\r\nOne after another, from the first to the last.\r\n",
    "notes.txt": "# Not read\n\nNot read at all.\n",
  };
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
});

describe("a code base", () => {
  it("holds each content once, without tests, libraries, hidden folders and other files", async () => {
    const { files, entries } = await readCodeBase(folder);
    expect(files).toBe(3);
    expect(entries).toHaveLength(41);
    expect(entries[0]).toEqual({
      kind: "sections",
      path: "README.md",
      line: 3,
      description: "How things are counted",
      content: "One after another, from the first to the last.",
    });
    expect(new Set(entries.map(({ path }) => path))).toEqual(new Set(["README.md", "src/copy.ts", "src/things.ts"]));
  });

  it("is learned from a part of its descriptions and tested on the others, among all contents", async () => {
    const { entries } = await readCodeBase(folder);
    const { training, held, test } = lessonsOf(entries, folder);
    expect(training.length + held.length).toBe(41);
    expect(held.length).toBeGreaterThan(3);
    expect(training.some(([description]) => held.includes(description!))).toBe(false);
    expect(test.data.corpus.size).toBe(41);
    for (const [query, wanted] of test.data.relevant) {
      const { content } = entries.find(({ description }) => description === query)!;
      expect([...wanted.keys()]).toEqual([inWords(content)]);
    }
    expect(lessonsOf(entries.toReversed(), folder).held.toSorted()).toEqual(held.toSorted());
  });

  it("is sampled by what it contains, whatever the order", async () => {
    const { entries } = await readCodeBase(folder);
    const sample = sampleEntries(entries, 10);
    expect(sample).toHaveLength(10);
    expect(entries.filter((entry) => sample.includes(entry))).toEqual(sample);
    expect(new Set(sampleEntries(entries.toReversed(), 10))).toEqual(new Set(sample));
    expect(sampleEntries(entries, 41)).toBe(entries);
  });

  it("names a folder that is none", async () => {
    await expect(readCodeBase(join(folder, "README.md"))).rejects.toThrow("README.md is no folder");
  });
});

it("names are read as words", () => {
  expect(inWords("holdOut(maxTokens: number): HTTPResponse in src/hold_out.ts")).toBe(
    "hold Out(max Tokens: number): HTTP Response in src hold out.ts",
  );
});

it("scores are by kind, from ranks", async () => {
  const { entries } = await readCodeBase(folder);
  const code = entries.filter(({ kind }) => kind === "code").map(({ description }) => description!);
  const ranks = new Map([
    [code[0]!, 1],
    [code[1]!, 4],
    [code[2]!, 11],
    [code[3]!, 0],
    ["How things are counted", 2],
  ]);
  expect(scoresByKind(ranks, entries)).toEqual([
    { kind: "code", queries: 4, accuracy: 0.25, mrr: 1.25 / 4 },
    { kind: "sections", queries: 1, accuracy: 0, mrr: 0.5 },
    { kind: "all", queries: 5, accuracy: 0.2, mrr: 1.75 / 5 },
  ]);
});

describe("the page", () => {
  function printed(columns: number | undefined, print: (page: Page) => void): string[] {
    const lines: string[] = [];
    const stream = { columns, isTTY: false, write: (text: string) => lines.push(text) };
    print(new Page(stream as unknown as NodeJS.WriteStream));
    return lines.join("").split("\n");
  }

  it.each([50, 80, 200, undefined])("fits a terminal of %s columns", (columns) => {
    const long = "a text of many words that goes on ".repeat(10);
    const place = `${"deep/".repeat(30)}file.ts:12`;
    const score = { kind: "sections", queries: 1234, accuracy: 1, mrr: 0.5 } as const;
    const lines = printed(columns, (page) => {
      page.fact("code", long);
      page.note(long);
      page.question(long);
      page.results([{ score: 0.5, text: long, place }], "before");
      page.results([{ score: 0.25, text: "short\u001b[31m", place: "a.ts:1" }]);
      page.scores([score], [score]);
    });
    const widest = Math.min((columns ?? 101) - 1, 100);
    for (const line of lines.filter((text) => !/accuracy|before|sections/.test(text))) expect(line.length).toBeLessThanOrEqual(widest);
    expect(lines.join("\n")).toContain("file.ts:12");
    expect(lines.join("\n")).not.toContain("\u001b");
  });

  it("shows scores in percent, before and after", () => {
    const before = { kind: "all", queries: 10, accuracy: 0.123, mrr: 0.25 } as const;
    const lines = printed(80, (page) => page.scores([before], [{ ...before, accuracy: 0.2, mrr: 0.3 }]));
    expect(lines.at(-2)).toMatch(/^ +all +10 +12\.3 +20\.0 +25\.0 +30\.0$/);
  });
});
