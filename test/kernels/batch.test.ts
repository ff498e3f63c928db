/** Dropout keys: unchanged for short sentences, and never the same for two tokens of a batch, however long its sentences are. */
import { expect, it } from "vitest";
import { attention } from "../../src/kernels/attention.ts";
import { dropoutKey, sentenceTable, tokenTable } from "../../src/kernels/batch.ts";
import { f32 } from "../../src/kernels/language/operation.ts";
import { openTestDevice } from "../device.ts";
import { normals } from "./data.ts";
import { build } from "./run.ts";

const device = await openTestDevice();

it("differ for all tokens of long sentences", () => {
  const [sentences, positions] = [64, 8192];
  const keys = new Set<number>();
  for (let sentence = 0; sentence < sentences; sentence++) {
    for (let position = 0; position < positions; position++) keys.add(dropoutKey(sentence, position));
  }
  expect(keys.size).toBe(sentences * positions);
  expect([dropoutKey(0, 0), dropoutKey(3, 1023), dropoutKey(65_535, 5)]).toEqual([0, 3 * 1024 + 1023, 65_535 * 1024 + 5]);
});

it("give attention the same masks for a short sentence, whatever the longest may be; longer ones run too", async () => {
  const [heads, width, count] = [2, 8, 1040];
  const qkv = normals(count * 3 * width, 1);
  // All values are 1 and all queries 0, so that an output is the part of the keys that dropout keeps, doubled.
  for (let row = 0; row < count; row++) {
    qkv.fill(0, row * 3 * width, row * 3 * width + width);
    qkv.fill(1, row * 3 * width + 2 * width, (row + 1) * 3 * width);
  }
  const run = async (length: number, longest: number) => {
    using program = await build(device, (tape) => {
      const tokenRows = tape.extent("tokens", count);
      const sentenceRows = tape.extent("sentences", 1);
      const [tokens, sentences] = [tape.input("tokens", tokenTable(tokenRows)), tape.input("sentences", sentenceTable(sentenceRows))];
      return { y: attention(tape.input("qkv", f32(tokenRows, 3 * width)), { tokens, sentences, longest }, { heads, dropout: 0.5 }) };
    });
    const tokens = new Uint32Array(length * 4);
    for (let position = 0; position < length; position++) tokens[position * 4 + 3] = dropoutKey(0, position);
    program.run({
      inputs: { qkv, tokens, sentences: Uint32Array.of(0, length) },
      live: { tokens: length, sentences: 1 },
      seed: 1,
    });
    return (await program.read("y")).slice(0, length * width);
  };
  expect(await run(20, 2048)).toEqual(await run(20, 1024));
  // Every key beyond position 1,023 is kept or dropped too.
  const long = await run(count, 2048);
  expect(long.every((value) => value > 0 && value < 2)).toBe(true);
});
