/** Texts as bytes in pieces: the same bytes as of all texts joined, which could be longer than any text may be. */
import { expect, it } from "vitest";
import { concatenate } from "../../../src/io/formats/bytes.ts";
import { encodeUtf8 } from "../../../src/io/text/utf8.ts";
import { collect } from "../collect.ts";

it.each([
  ["none", []],
  ["short and long ones", ["", "a", "ä€😀".repeat(30_000), "", "😀\n"]],
  ["many", Array.from({ length: 20_000 }, (_, i) => `Zeile ${i}\n`)],
])("are the bytes of the joined texts, in pieces no longer than one text more than 2 ** 16 characters: %s", async (_, texts) => {
  const longest = Math.max(0, ...texts.map((text) => text.length));
  const pieces = await collect(encodeUtf8(texts));
  expect(Buffer.from(concatenate(pieces)).equals(Buffer.from(texts.join("")))).toBe(true);
  // At most three bytes for each of UTF-16's units.
  for (const { length } of pieces) expect(length).toBeLessThanOrEqual(3 * (2 ** 16 + longest));
});
