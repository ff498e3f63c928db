/** What the app makes of the visitor's data before it is trained on: sensible roles, the texts that are shown, their lengths. */
import { expect, it } from "vitest";
import { roleProblem } from "../../web/app/roles.ts";
import { lengthsOf } from "../../web/worker/lengths.ts";
import type { LoadedData } from "../../web/worker/loaded-data.ts";
import { belonging, shownTexts } from "../../web/worker/shown-texts.ts";
import { tinyConfig, tinySentences } from "../tiny-model.ts";

it.each<[Parameters<typeof roleProblem>[0], RegExp | null]>([
  [["sent0"], null],
  [["sent0", null, "sent1"], null],
  [["sent0", "sent1", "hard_neg"], null],
  [["sent1", "sent0", "score"], null],
  [["sent0", "sent1", "label"], null],
  [[null, null], /Choose which column is "Text/],
  [["sent0", "sent0"], /Two columns are "Text/],
  [["sent0", "hard_neg"], /needs a text that does belong/],
  [["sent0", "score"], /needs two texts/],
  [["sent0", "sent1", "hard_neg", "score"], /do not go together/],
  [["sent0", "sent1", "label", "score"], /not both/],
])("roles %j", (roles, problem) => {
  if (problem === null) expect(roleProblem(roles)).toBeNull();
  else expect(roleProblem(roles)).toMatch(problem);
});

const data = (parts: Pick<LoadedData, "kind" | "training" | "held">) => ({ ...parts, texts: [] }) as unknown as LoadedData;

it("shows held-out pairs first, links what belongs together, and searches the second texts", () => {
  const shown = shownTexts(
    data({
      kind: "pairs",
      held: [{ texts: ["q1", "a1"] }],
      training: [{ texts: ["q2", "a2"] }, { texts: ["q3", "a1"] }, { texts: ["q4", "a4"] }],
    }),
    { searched: 2, mapped: 6 },
  );
  expect(shown.searched).toEqual(["a1", "a2"]);
  expect(shown.mapped).toEqual(["q1", "a1", "q2", "a2", "q3"]);
  expect([...shown.links]).toEqual([0, 1, 2, 3, 4, 1]);
});

it("shows sentences without links", () => {
  const shown = shownTexts(data({ kind: "sentences", held: [], training: [{ texts: ["a"] }, { texts: ["b"] }] }), {
    searched: 9,
    mapped: 9,
  });
  expect([shown.searched, shown.mapped, shown.links.length]).toEqual([["a", "b"], ["a", "b"], 0]);
});

it("takes the upper half of the scores for what belongs together", () => {
  const scored = [0, 2, 2.6, 5].map((score) => ({ texts: ["a", "b"], score }));
  expect(belonging(scored).map(({ score }) => score)).toEqual([2.6, 5]);
});

it("measures lengths in tokens", () => {
  const { tokenizer } = tinyConfig();
  const lengths = lengthsOf(tinySentences, tokenizer);
  const each = tinySentences.map((text) => tokenizer.encode(text, 1000).length).sort((a, b) => a - b);
  expect(lengths).toMatchObject({ longest: each.at(-1), p95: each.at(-1), measured: 6 });
  expect(lengths.counts.reduce((sum, count) => sum + count, 0)).toBe(6);
});
