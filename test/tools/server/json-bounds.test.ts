/** JSON that is too complex to be parsed at once. */
import { expect, it } from "vitest";
import { checkJsonBounds } from "../../../tools/server/json-bounds.ts";

const check = (text: string) => checkJsonBounds(new TextEncoder().encode(text), 1000);

it.each([
  ["a request", '{"input":["a","b"],"model":"m"}'],
  ["marks inside a text", JSON.stringify({ input: `${"[{".repeat(100)}${",:".repeat(5000)}` })],
  ["escaped quotation marks", `{"input":"${'\\\\\\"[['.repeat(100)}"}`],
  ["a text that spans slices", JSON.stringify(["[".repeat(300_000)])],
  ["lists that close again", `[${Array.from({ length: 500 }, () => "[[]]").join(",")}]`],
])("takes %s", async (_, text) => {
  await check(text);
});

it.each([
  ["nests too deep", "[".repeat(65), "deep"],
  ["nests too deep behind a text", `["\\\\",${'{"a":'.repeat(64)}`, "deep"],
  ["has too many fields", `{${Array.from({ length: 5000 }, (_, i) => `"${i}":1`).join(",")}}`, "4096 fields"],
  ["has too many values", `[${"1,".repeat(1000)}1]`, "1000 values"],
])("refuses what %s", async (_, text, message) => {
  await expect(check(text)).rejects.toThrow(message);
});
