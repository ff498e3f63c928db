/** Sequences for masked language modelling, cut from texts of any length. */
import { expect, it } from "vitest";
import { packedSet } from "../../../src/simcse/training/training-set.ts";
import { tinyConfig, tinySentences } from "../../tiny-model.ts";

const { tokenizer } = tinyConfig();

it.each([3, 16, 40])("cuts the tokens of all texts, in their order, into sequences of %i", async (maxLength) => {
  const texts = [tinySentences.join(" ").repeat(20), "", ...tinySentences];
  const set = await packedSet(texts, tokenizer, maxLength);
  const ids = texts
    .map((text) => tokenizer.encode(text, Number.MAX_SAFE_INTEGER).slice(1))
    .filter((own) => own.length > 1)
    .flat();
  const expected = Array.from({ length: Math.ceil(ids.length / (maxLength - 1)) }, (_, i) => [
    tokenizer.clsId,
    ...ids.slice(i * (maxLength - 1), (i + 1) * (maxLength - 1)),
  ]);
  expect(Array.from({ length: set.length }, (_, i) => set.example(i).sentences[0])).toEqual(expected);
});
