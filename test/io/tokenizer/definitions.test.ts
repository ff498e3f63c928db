import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { FormatError } from "../../../src/errors.ts";
import { MemoryFolder } from "../../../src/io/folder.ts";
import { addedToken } from "../../../src/io/tokenizer/added-tokens.ts";
import { loadTokenizer } from "../../../src/io/tokenizer.ts";
import { compare, type DefinitionCases } from "./differential.ts";

const golden = JSON.parse(readFileSync(new URL("../../golden/tokenizer_definitions.json", import.meta.url), "utf8")) as DefinitionCases;

describe("definitions drawn from the grammar of tokenizer.json", () => {
  it("give the ids of the official library", async () => {
    let equal = 0;
    for (const one of golden.cases) {
      const comparison = await compare(golden, one);
      expect(comparison.differences, JSON.stringify(one.definition).slice(0, 800)).toEqual([]);
      equal += comparison.equal;
    }
    // Refusing would be no difference either.
    expect(equal).toBeGreaterThan(0.95 * 2 * golden.texts.length * golden.cases.length);
  });

  it("give the first ids of a long text from as much of it as they need", async () => {
    const long = Array(8).fill(golden.texts.join(" x y the lower ")).join(" a b ");
    for (const { definition } of golden.cases) {
      const tokenizer = await loadTokenizer(new MemoryFolder("case", [["tokenizer.json", JSON.stringify(definition)]]));
      const whole = tokenizer.encode(long, 1_000_000).slice(1, -1);
      const isCutLeft = (definition as { truncation: { direction: string } | null }).truncation?.direction === "Left";
      for (const length of [3, 10, 40, 200]) {
        const kept = isCutLeft ? whole.slice(2 - length) : whole.slice(0, length - 2);
        expect(tokenizer.encode(long, length).slice(1, -1), JSON.stringify(definition).slice(0, 800)).toEqual(kept);
      }
    }
  });
});

/** A WordLevel definition in the official library's hands, with other parts. */
function wordLevel(parts: object): object {
  const token = (id: number, content: string, more = {}) => ({ ...addedToken(id, content, true), ...more });
  return {
    version: "1.0",
    added_tokens: ["[PAD]", "[UNK]", "[CLS]", "[SEP]"].map((content, id) => token(id, content)),
    normalizer: null,
    pre_tokenizer: { type: "WhitespaceSplit" },
    post_processor: { type: "BertProcessing", sep: ["[SEP]", 3], cls: ["[CLS]", 2] },
    decoder: null,
    model: { type: "WordLevel", vocab: { "[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, a: 4, "b!": 5 }, unk_token: "[UNK]" },
    ...parts,
  };
}

const load = (definition: object) => loadTokenizer(new MemoryFolder("model", [["tokenizer.json", JSON.stringify(definition)]]));

describe("the official library", () => {
  it("runs what the fast tokenizer does not, and is cut by us", async () => {
    const tokenizer = await load(wordLevel({ padding: { strategy: { Fixed: 9 }, pad_id: 0 }, truncation: { max_length: 3 } }));
    expect(tokenizer.encode("a b! c a", 16)).toEqual([2, 4, 5, 1, 4, 3]);
    expect(tokenizer.encode("a b! c a", 4)).toEqual([2, 4, 5, 3]);
    expect(tokenizer.encode("", 4)).toEqual([2, 3]);
    expect(tokenizer.decode([2, 4, 5, 3])).toBe("a b!");
  });

  const deep = (depth: number): object => (depth === 0 ? { type: "NFC" } : { type: "Sequence", normalizers: [deep(depth - 1)] });
  const doubling = { type: "Replace", pattern: { String: "a" }, content: "aa" };
  const split = (pattern: object) => ({ pre_tokenizer: { type: "Split", pattern, behavior: "Isolated", invert: false } });
  it.each<[string, object, string]>([
    ["a part that is none", { pre_tokenizer: { type: "Rot13" } }, 'pre_tokenizer has the type "Rot13"; there are BertPreTokenizer,'],
    [
      "one inside another",
      { pre_tokenizer: { type: "Sequence", pretokenizers: [{ type: "constructor" }] } },
      "pre_tokenizer.pretokenizers[0] has",
    ],
    [
      "an option that is none",
      { pre_tokenizer: { type: "Punctuation", behavior: "Cut" } },
      'pre_tokenizer.behavior is "Cut", expected Removed or',
    ],
    ["a missing option", { normalizer: { type: "Strip", strip_left: true } }, "normalizer.strip_right is nothing, expected true or false"],
    [
      "an expression that may hang",
      split({ Regex: "(a+)+$" }),
      'pre_tokenizer.pattern.Regex is "(a+)+$", which may take more than linear time',
    ],
    ["replacements that fill memory", { normalizer: { type: "Sequence", normalizers: Array(40).fill(doubling) } }, "at most 16 are taken"],
    ["deep nesting", { normalizer: deep(60) }, "is nested too deep"],
    [
      "a charsmap that is none",
      { normalizer: { type: "Precompiled", precompiled_charsmap: "AAAA" } },
      "the official tokenizers library refuses it: Precompiled",
    ],
    [
      "a merge whose result is no token",
      {
        model: { type: "BPE", vocab: { "[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, a: 4, b: 5 }, merges: ["a b"], unk_token: "[UNK]" },
      },
      'model.merges[0] needs the token "ab", which the vocabulary does not have',
    ],
    [
      "a Unigram model without an unknown token",
      { model: { type: "Unigram", unk_id: null, vocab: [["[PAD]", 0]] } },
      "model.unk_id is null, expected the id of the unknown token",
    ],
    ["dropout", { model: { type: "BPE", vocab: { "[UNK]": 1 }, merges: [], dropout: 0.1 } }, "model.dropout is 0.1, expected null"],
    [
      "half a surrogate pair",
      { model: { type: "WordLevel", vocab: { "[UNK]": 0, "\ud800": 1 }, unk_token: "[UNK]" } },
      "not a text of Unicode",
    ],
    [
      "an unknown token that is none",
      { model: { type: "WordLevel", vocab: { a: 0 }, unk_token: "b" } },
      'model.unk_token is "b", which the vocabulary',
    ],
  ])("is not given %s", async (_, parts, message) => {
    await expect(load(wordLevel(parts))).rejects.toThrow(message);
    await expect(load(wordLevel(parts))).rejects.toThrow(FormatError);
  });

  it("numbers added tokens from the end of the vocabulary", async () => {
    const definition = wordLevel({}) as { added_tokens: object[] };
    const added = { ...definition.added_tokens[0], content: "x y", id: 77, special: false };
    const tokenizer = await load({ ...definition, added_tokens: [...definition.added_tokens, added] });
    expect(tokenizer.encode("a x y", 16)).toEqual([2, 4, 6, 3]);
    expect(tokenizer.vocabSize).toBe(7);
    // Also where the ids of the vocabulary have gaps (the ids are those of tokenizers 0.23).
    const { model } = wordLevel({}) as { model: { vocab: object } };
    const gaps = await load({
      ...definition,
      added_tokens: [...definition.added_tokens, added],
      model: { ...model, vocab: { ...model.vocab, "b!": 50 } },
    });
    expect(gaps.encode("a x y b!", 16)).toEqual([2, 4, 6, 50, 3]);
  });
});
