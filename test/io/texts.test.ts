/** Every text of a file: the columns of texts, whatever they mean. */
import { expect, it } from "vitest";
import { openTexts, type TextOptions } from "../../src/io/texts.ts";

async function read(name: string, content: string, options?: TextOptions) {
  const bytes = async function* () {
    yield new TextEncoder().encode(content);
  };
  const { understood, texts } = await openTexts({ name, bytes }, options);
  const found: string[] = [];
  for await (const text of texts) found.push(text);
  return { understood, found };
}

it("are the lines of a plain text, numbers too", async () => {
  expect(await read("a.txt", "12\n\nA cat.\n")).toEqual({ understood: "one text a line", found: ["12", "", "A cat."] });
});

it("are the text columns of a table, row by row, without ids, numbers, scores and labels", async () => {
  const { understood, found } = await read("a.csv", 'id,sent0,note,score,gold_label\n7,"A cat.",x,0.5,yes\n8,"A dog.",,1,no\n');
  expect(understood).toBe("texts of sent0, note; left out: id, score, gold_label");
  expect(found).toEqual(["A cat.", "x", "A dog.", ""]);
  expect((await read("b.tsv", "A cat.\tA dog.\tA cow.\tA hen.\n1\t2\t3\t4\n")).found).toEqual([
    "A cat.",
    "A dog.",
    "A cow.",
    "A hen.",
    "1",
    "2",
    "3",
    "4",
  ]);
});

it("are those of the columns that are named", async () => {
  const table = "x,y,z\nA cat.,1,A cow.\n";
  expect((await read("a.csv", table, { columns: "z,1" })).found).toEqual(["A cow.", "A cat."]);
  await expect(read("a.csv", table, { columns: "w" })).rejects.toThrow('no column "w"; it has "x", "y", "z"');
});

it("refuses a table without texts, and a value that is no text", async () => {
  await expect(read("a.csv", "id,score\n1,2\n")).rejects.toThrow("no column of texts");
  await expect(read("a.jsonl", '{"a": "A cat."}\n{"a": 5}\n')).rejects.toThrow("a.jsonl, line 2: expected a text in a, found 5");
});
