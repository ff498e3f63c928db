/** The tables of a packed batch, beside a plain description of each. */
import { expect, it } from "vitest";
import { dropoutKey } from "../../../src/kernels/batch.ts";
import { BatchPacker } from "../../../src/simcse/model/batch.ts";

const capacity = { sentences: 3, tokens: 2000, vocabulary: 50, positions: 2000, firstPosition: 2, uncounted: 1 };
const packer = new BatchPacker(capacity, { indices: true });

/** Rows in the order of their ids, and where each id's rows begin and how many they are. */
function sorted(ids: readonly number[]) {
  const order = ids.map((_, row) => row).sort((a, b) => ids[a]! - ids[b]! || a - b);
  const distinct = [...new Set(ids)].sort((a, b) => a - b);
  const runs = distinct.flatMap((id) => [id, order.findIndex((row) => ids[row] === id), ids.filter((other) => other === id).length, 0]);
  return { order, runs, count: distinct.length };
}

// The second batch is smaller: nothing of the first may be left. Keys of a sentence begin anew after 1,024 positions.
it.each([[[1500, 3, 40]], [[7, 1]]])("has the tokens of sentences of %j, their keys and their rows sorted", (lengths) => {
  const sentences = lengths.map((length, i) => ({ ids: Array.from({ length }, (_, j) => (i + j * 7) % 50), key: i * 100 }));
  const { inputs, live } = packer.pack(sentences);
  const rows = sentences.flatMap(({ ids, key }, sentence) =>
    ids.map((id, position) => {
      const counted = ids.slice(0, position).filter((other) => other !== 1).length;
      return [id, id === 1 ? 1 : 2 + counted, sentence, dropoutKey(key, position)] as const;
    }),
  );
  const [word, position] = [sorted(rows.map(([id]) => id)), sorted(rows.map(([, place]) => place))];
  const starts = lengths.map((_, i) => lengths.slice(0, i).reduce((sum, length) => sum + length, 0));
  expect(Object.fromEntries(Object.entries(inputs).map(([name, data]) => [name, [...data]]))).toEqual({
    tokens: rows.flat(),
    sentences: lengths.flatMap((length, i) => [starts[i], length]),
    "word order": word.order,
    "word runs": word.runs,
    "position order": position.order,
    "position runs": position.runs,
  });
  expect(live).toEqual({
    tokens: rows.length,
    sentences: lengths.length,
    "distinct words": word.count,
    "distinct positions": position.count,
  });
});

it("refuses what is no token of the vocabulary", () => {
  for (const id of [50, -1, 1.5, Number.NaN]) {
    expect(() => packer.pack([{ ids: [3, id], key: 0 }])).toThrow(`Token 1 of a sentence is ${id}`);
  }
});
