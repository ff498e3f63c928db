/** Smaller vocabularies: what stays, which ids it gets, and that texts without a dropped token are tokenised as before. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FormatError, OptionError } from "../../../src/errors.ts";
import { MemoryFolder } from "../../../src/io/folder.ts";
import { addedToken } from "../../../src/io/tokenizer/added-tokens.ts";
import { checkedDefinition } from "../../../src/io/tokenizer/checked-definition.ts";
import { openOfficialEngine } from "../../../src/io/tokenizer/official-engine.ts";
import { countTokens, type PrunedTokenizer, pruneTokenizer } from "../../../src/io/tokenizer/prune.ts";
import { learnVocabulary } from "../../../src/io/tokenizer/vocabulary.ts";
import { loadTokenizer, type Tokenizer, wordPieceTokenizer } from "../../../src/io/tokenizer.ts";
import { tinySentences } from "../../tiny-model.ts";

const load = (files: Readonly<Record<string, object>>) =>
  loadTokenizer(
    new MemoryFolder(
      "model",
      Object.entries(files).map(([name, content]) => [name, JSON.stringify(content)] as const),
    ),
  );

const definitionOf = ({ files }: Tokenizer) => JSON.parse(files.get("tokenizer.json")!) as Record<string, unknown>;

/** Throws unless each text without a dropped token has its old tokens; returns the number of such texts. */
async function unchangedTexts(before: Tokenizer, { tokenizer, oldIds }: PrunedTokenizer, texts: readonly string[]): Promise<number> {
  const official = await openOfficialEngine("pruned", checkedDefinition("pruned", definitionOf(tokenizer)));
  const kept = new Set(oldIds);
  let unchanged = 0;
  for (const text of texts) {
    const ids = tokenizer.encode(text, 1000);
    expect(ids.slice(1, -1), text).toEqual(official.encode(text, 1000));
    const old = before.encode(text, 1000);
    if (!old.every((id) => kept.has(id))) continue;
    expect(
      ids.map((id) => oldIds[id]),
      text,
    ).toEqual(old);
    unchanged++;
  }
  return unchanged;
}

describe("a WordPiece vocabulary", () => {
  const tokenizer = wordPieceTokenizer(learnVocabulary(tinySentences, 200), { lowerCase: true });

  it("keeps special tokens, single characters, and the most used pieces in their old order", async () => {
    const counts = await countTokens(tokenizer, tinySentences);
    await expect(countTokens(tokenizer, "one text")).rejects.toThrow("The texts are one text");
    for (const text of [null, 5] as never[]) expect(() => tokenizer.encode(text, 16)).toThrow("The text to tokenise is");
    const pruned = await pruneTokenizer(tokenizer, counts, 54);
    const tokens = [...pruned.tokenizer.files.get("vocab.txt")!.trimEnd().split("\n")];
    const before = tokenizer.files.get("vocab.txt")!.trimEnd().split("\n");
    expect(tokens.length).toBe(54);
    expect(pruned.tokenizer.vocabSize).toBe(54);
    expect(tokens).toEqual(pruned.oldIds.map((id) => before[id]));
    expect(pruned.oldIds).toEqual(pruned.oldIds.toSorted((a, b) => a - b));
    const isCharacter = (token: string) => [...token.replace(/^##/, "")].length === 1;
    expect(tokens.filter(isCharacter)).toEqual(before.filter(isCharacter));
    const dropped = before.flatMap((token, id) => (tokens.includes(token) ? [] : [counts[id]!]));
    const chosen = pruned.oldIds.filter((id) => id > 4 && !isCharacter(before[id]!)).map((id) => counts[id]!);
    expect(Math.min(...chosen)).toBeGreaterThanOrEqual(Math.max(...dropped));
    expect(await unchangedTexts(tokenizer, pruned, [...tinySentences, "The cat", "a warm piano."])).toBeGreaterThan(0);
  });

  it("gives up unused characters for more of the used tokens", async () => {
    const sentence = "a warm piano";
    const counts = await countTokens(tokenizer, [sentence]);
    const all = await pruneTokenizer(tokenizer, counts, 54);
    const used = await pruneTokenizer(tokenizer, counts, 30, { dropUnusedCharacters: true });
    expect(await unchangedTexts(tokenizer, used, [sentence])).toBe(1);
    const isUnknown = (of: Tokenizer, word: string) => of.encode(word, 99).includes(of.unknownId!);
    // Letters of the sentence stay, also those that occur in it only within longer tokens.
    for (const letter of "awrmpino") expect(isUnknown(used.tokenizer, letter), letter).toBe(isUnknown(tokenizer, letter));
    expect([isUnknown(all.tokenizer, tinySentences[0]!), isUnknown(used.tokenizer, tinySentences[0]!)]).toEqual([false, true]);
  });

  it("keeps the tokens of added_tokens.json", async () => {
    const files = [...tokenizer.files, ["added_tokens.json", JSON.stringify({ "<url>": tokenizer.vocabSize })] as const];
    const extended = await loadTokenizer(new MemoryFolder("extended", files));
    const pruned = await pruneTokenizer(extended, await countTokens(extended, tinySentences), 55);
    const [, url] = pruned.tokenizer.encode("<url>", 16);
    expect(pruned.oldIds[url!]).toBe(tokenizer.vocabSize);
  });

  it("keeps everything when the size is no limit", async () => {
    const pruned = await pruneTokenizer(tokenizer, new Float64Array(tokenizer.vocabSize), 10_000);
    expect(pruned.oldIds).toEqual(Array.from({ length: tokenizer.vocabSize }, (_, id) => id));
  });

  it("refuses a size without room, and the counts of another tokenizer", async () => {
    const counts = new Float64Array(tokenizer.vocabSize);
    await expect(pruneTokenizer(tokenizer, counts, 20)).rejects.toThrow(/no room for the \d+ special tokens and single characters/);
    await expect(pruneTokenizer(tokenizer, counts.subarray(1), 60)).rejects.toThrow(OptionError);
  });

  it("renumbers special, added and reserved tokens in all files", async () => {
    const vocabulary = "[PAD] [unused0] [unused1] [UNK] [CLS] [SEP] a ##a b ##b ab ba aba [MASK] ça".split(" ");
    const { files } = wordPieceTokenizer(vocabulary, { lowerCase: false });
    const definition = JSON.parse(files.get("tokenizer.json")!) as { added_tokens: object[] };
    const plain = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: false };
    const large = await load({
      "tokenizer.json": {
        ...definition,
        padding: { strategy: "BatchLongest", direction: "Right", pad_to_multiple_of: null, pad_id: 0, pad_type_id: 0, pad_token: "[PAD]" },
        added_tokens: [...definition.added_tokens, { ...plain, id: 15, content: "<url>" }],
      },
      "tokenizer_config.json": {
        ...JSON.parse(files.get("tokenizer_config.json")!),
        added_tokens_decoder: { 13: { ...plain, content: "[MASK]", special: true }, 15: { ...plain, content: "<url>" } },
      },
    });
    const counts = new Float64Array(16);
    const pruned = await pruneTokenizer(large, counts, 13);
    const { tokenizer: small } = pruned;
    // Nothing was counted: "ba" and "aba" and the reserved ones go. Without "ça", ç would become unknown.
    expect(small.files.get("vocab.txt")!.trimEnd().split("\n")).toEqual("[PAD] a ##a [UNK] [CLS] [SEP] b ##b ab ba [MASK] ça".split(" "));
    expect(small.padId).toBe(0);
    expect([small.unknownId, small.clsId, small.sepId, small.maskId]).toEqual([3, 4, 5, 10]);
    expect(small.encode("ab <url> ça aba [MASK] z", 20)).toEqual([4, 8, 12, 11, 8, 2, 10, 3, 5]);
    expect(pruned.oldIds).toEqual([0, 6, 7, 3, 4, 5, 8, 9, 10, 11, 13, 14, 15]);
    expect(Object.keys(JSON.parse(small.files.get("tokenizer_config.json")!).added_tokens_decoder as object)).toEqual(["10", "12"]);
    expect(definitionOf(small)).toMatchObject({ padding: { pad_id: 0 } });
  });
});

/** RoBERTa's tokenizer with a small alphabet; each merge joins two tokens that exist. */
function bytePairs(merges: readonly (readonly [string, string])[]): Record<string, object> {
  const tokens = ["<s>", "<pad>", "</s>", "<unk>", "Ġ", "a", "b", "c", ...merges.map(([left, right]) => left + right), "<mask>"];
  const ids = Object.fromEntries(tokens.map((token, id) => [token, id]));
  const added = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"].map((content) => addedToken(ids[content], content, true));
  return {
    "tokenizer.json": {
      version: "1.0",
      added_tokens: added,
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true },
      post_processor: { type: "RobertaProcessing", cls: ["<s>", 0], sep: ["</s>", 2], trim_offsets: true, add_prefix_space: false },
      model: { type: "BPE", unk_token: "<unk>", vocab: ids, merges },
    },
  };
}

describe("a vocabulary of byte-pair encoding", () => {
  it("keeps with a token those that it is merged from, and only merges that still work", async () => {
    const large = await load(
      bytePairs([
        ["a", "b"],
        ["b", "c"],
        ["ab", "c"],
        ["c", "c"],
        ["Ġ", "abc"],
      ]),
    );
    const counts = new Float64Array(large.vocabSize);
    counts[10] = 5;
    const { tokenizer, oldIds } = await pruneTokenizer(large, counts, 11);
    // "abc" needs "ab", but not "bc". The mask, whose id is beyond the new size, is the last.
    expect(oldIds).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 13]);
    expect(definitionOf(tokenizer)).toMatchObject({
      model: {
        merges: [
          ["a", "b"],
          ["ab", "c"],
        ],
      },
      added_tokens: [{ id: 0 }, { id: 1 }, { id: 2 }, { id: 3 }, { id: 10 }],
    });
    expect(tokenizer.maskId).toBe(10);
    expect(tokenizer.encode("abc bc<mask>", 20)).toEqual([0, 9, 4, 6, 7, 10, 2]);
    expect(tokenizer.files.get("merges.txt")).toBe("#version: 0.2\na b\nab c\n");
  });

  it("leaves texts without a dropped token as they were", async () => {
    const words = fc.array(fc.stringMatching(/^[abc ]{1,12}$/), { minLength: 20, maxLength: 20 });
    const choices = fc.array(fc.tuple(fc.nat(), fc.nat()), { minLength: 10, maxLength: 30 });
    let unchanged = 0;
    await fc.assert(
      fc.asyncProperty(choices, words, fc.integer({ min: 9, max: 40 }), async (choices, texts, size) => {
        const tokens = ["Ġ", "a", "b", "c"];
        const merges: [string, string][] = [];
        for (const [a, b] of choices) {
          const [left, right] = [tokens[a % tokens.length]!, tokens[b % tokens.length]!];
          if (right.includes("Ġ") || tokens.includes(left + right)) continue;
          merges.push([left, right]);
          tokens.push(left + right);
        }
        const large = await load(bytePairs(merges));
        const pruned = await pruneTokenizer(large, await countTokens(large, texts), size);
        expect(pruned.oldIds.length).toBeLessThanOrEqual(size);
        unchanged += await unchangedTexts(large, pruned, texts);
      }),
      { numRuns: 25 },
    );
    expect(unchanged).toBeGreaterThan(0);
  });

  it("is refused when its tokens depend on their place in a word", async () => {
    const { "tokenizer.json": definition } = bytePairs([["a", "b"]]);
    const { model, ...rest } = definition as { model: object };
    const large = await load({ "tokenizer.json": { ...rest, model: { ...model, end_of_word_suffix: "</w>" } } });
    await expect(pruneTokenizer(large, new Float64Array(large.vocabSize), 9)).rejects.toThrow(FormatError);
  });
});

it("a Unigram vocabulary keeps its scores and its unknown token", async () => {
  const pieces = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁the", "▁cat", "s", "t", "h", "e", "c", "a", "at", "▁dog", "<mask>"];
  const special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"];
  const large = await load({
    "tokenizer.json": {
      version: "1.0",
      added_tokens: special.map((content) => addedToken(pieces.indexOf(content), content, true)),
      pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true },
      post_processor: { type: "RobertaProcessing", cls: ["<s>", 0], sep: ["</s>", 2], trim_offsets: true, add_prefix_space: false },
      model: { type: "Unigram", unk_id: 3, vocab: pieces.map((piece, id) => [piece, special.includes(piece) ? 0 : -1 - id / 10]) },
    },
  });
  const texts = ["the cats", "the cat", "a cat", "zebra"];
  const pruned = await pruneTokenizer(large, await countTokens(large, texts), 15);
  // "▁dog" is not used, but d, o and g are no tokens. "at" is not used either.
  expect(pruned.oldIds).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15]);
  expect(definitionOf(pruned.tokenizer)).toMatchObject({ model: { unk_id: 3 }, added_tokens: [{}, {}, {}, {}, { id: 14 }] });
  expect(await unchangedTexts(large, pruned, texts)).toBe(texts.length);
});
