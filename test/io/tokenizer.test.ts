import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FileError, FormatError, OptionError } from "../../src/errors.ts";
import { MemoryFolder } from "../../src/io/folder.ts";
import { openFolder } from "../../src/io/folder-node.ts";
import { readSentences } from "../../src/io/text.ts";
import { loadTokenizer, type Tokenizer, wordPieceTokenizer } from "../../src/io/tokenizer.ts";
import { describeWithSharedData } from "../shared-data.ts";
import { collect } from "./collect.ts";

const VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "##s", "sat", ",", "!", "élan", "elan", "The", "生"];
const id = (token: string) => VOCABULARY.indexOf(token);

/** A folder of these files; an object becomes JSON. */
function folderOf(files: Readonly<Record<string, string | object>>): MemoryFolder {
  return new MemoryFolder(
    "model",
    Object.entries(files).map(([name, content]) => [name, typeof content === "string" ? content : JSON.stringify(content)] as const),
  );
}

const load = (files: Readonly<Record<string, string | object>>) => loadTokenizer(folderOf(files));
const lines = (tokens: readonly string[]) => tokens.map((token) => `${token}\n`).join("");

/** A tokenizer opened again from the files that it says a model must keep. */
const reopened = (tokenizer: Tokenizer) => loadTokenizer(new MemoryFolder("saved", tokenizer.files));

/** Byte-level pieces: two merges and the bytes they need ("Ġ" is the blank). */
const BYTE_PAIRS = {
  "vocab.json": { "<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, Ġ: 4, l: 5, o: 6, w: 7, lo: 8, low: 9, "<mask>": 10 },
  "merges.txt": "#version: 0.2\nl o\nlo w\n",
};

describe("a WordPiece tokenizer", () => {
  const tokenizer = wordPieceTokenizer(VOCABULARY, { lowerCase: true });

  it("puts pieces between [CLS] and [SEP]", () => {
    expect(tokenizer.encode("The cats, sat!", 32)).toEqual(["[CLS]", "the", "cat", "##s", ",", "sat", "!", "[SEP]"].map(id));
    expect(tokenizer.encode("Élan 生生 dog", 32)).toEqual(["[CLS]", "elan", "生", "生", "[UNK]", "[SEP]"].map(id));
    expect(tokenizer.encode("the [MASK]", 32)).toEqual(["[CLS]", "the", "[MASK]", "[SEP]"].map(id));
    expect(tokenizer.decode(tokenizer.encode("The cats, sat!", 32))).toBe("the cats, sat!");
    expect(tokenizer.decode([])).toBe("");
  });

  it("gives [CLS] [SEP] for a text without words", () => {
    for (const text of ["", "   ", "\t\u0000\uFFFD"]) expect(tokenizer.encode(text, 3)).toEqual([id("[CLS]"), id("[SEP]")]);
  });

  it("cuts to the length, special tokens included", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("the", "cats", "sat", ",")), fc.integer({ min: 3, max: 12 }), (words, maxLength) => {
        const whole = tokenizer.encode(words.join(" "), 1000);
        const cut = tokenizer.encode(words.join(" "), maxLength);
        expect(cut.length).toBe(Math.min(maxLength, whole.length));
        expect(cut).toEqual([...whole.slice(0, -1).slice(0, maxLength - 1), id("[SEP]")]);
      }),
    );
    for (const maxLength of [2, 0, -1, 3.5, Number.NaN]) expect(() => tokenizer.encode("the", maxLength)).toThrow(OptionError);
  });

  it("knows its ids and its size", () => {
    const { padId, unknownId, clsId, sepId, maskId, vocabSize } = tokenizer;
    expect([padId, unknownId, clsId, sepId, maskId]).toEqual([0, 1, 2, 3, 4]);
    expect(vocabSize).toBe(VOCABULARY.length);
  });

  it("lower-cases letter by letter, and parts all ideographs", () => {
    const words = wordPieceTokenizer([...VOCABULARY, "οδοσ", "𠮷"], { lowerCase: true });
    expect(words.encode("ΟΔΟΣ 𠮷𠮷", 16)).toEqual([2, 15, 16, 16, 3]);
  });

  it("reads only as much of a text as it keeps, in linear time", () => {
    const words = `${"x".repeat(98)}q `.repeat(20_000);
    expect(tokenizer.encode(words, 512)).toHaveLength(512);
    expect(tokenizer.encode("the".repeat(700_000), 512)).toEqual(["[CLS]", "[UNK]", "[SEP]"].map(id));
    expect(tokenizer.encode("生".repeat(2_000_000), 6)).toEqual(["[CLS]", "生", "生", "生", "生", "[SEP]"].map(id));
  });

  it("keeps case where asked", async () => {
    const cased = wordPieceTokenizer(VOCABULARY, { lowerCase: false });
    expect(cased.encode("The élan", 32)).toEqual(["[CLS]", "The", "élan", "[SEP]"].map(id));
    expect((await reopened(cased)).encode("The élan", 32)).toEqual(cased.encode("The élan", 32));
  });

  it("takes any text", async () => {
    const again = await reopened(tokenizer);
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
        const ids = tokenizer.encode(text, 16);
        expect(ids.length).toBeLessThanOrEqual(16);
        expect(ids.every((token) => Number.isInteger(token) && token >= 0 && token < tokenizer.vocabSize)).toBe(true);
        expect(again.encode(text, 16)).toEqual(ids);
      }),
    );
    expect(tokenizer.encode("the".repeat(20_000), 32)).toEqual(["[CLS]", "[UNK]", "[SEP]"].map(id));
  });

  it("gives the files from which it opens again, and which transformers reads", async () => {
    expect([...tokenizer.files.keys()].sort()).toEqual(["special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt"]);
    expect(tokenizer.files.get("vocab.txt")).toBe(lines(VOCABULARY));
    const config = JSON.parse(tokenizer.files.get("tokenizer_config.json")!) as object;
    expect(config).toMatchObject({ tokenizer_class: "BertTokenizer", do_lower_case: true, cls_token: "[CLS]", mask_token: "[MASK]" });
    const definition = JSON.parse(tokenizer.files.get("tokenizer.json")!) as {
      added_tokens: { id: number; content: string; special: boolean }[];
    };
    expect(definition.added_tokens.map(({ content }) => content)).toEqual(VOCABULARY.slice(0, 5));
    for (const file of tokenizer.files.keys()) {
      if (file !== "vocab.txt" && file !== "tokenizer.json") continue;
      const alone = await load({ [file]: tokenizer.files.get(file)! });
      expect(alone.encode("The cats, sat!", 32)).toEqual(tokenizer.encode("The cats, sat!", 32));
    }
  });

  it("needs a vocabulary with special tokens, one token a line", () => {
    for (const token of ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]) {
      const without = VOCABULARY.filter((other) => other !== token);
      expect(() => wordPieceTokenizer(without, { lowerCase: true })).toThrow(`the vocabulary has no ${token}`);
      expect(() => wordPieceTokenizer(without, { lowerCase: true })).toThrow(FormatError);
    }
    expect(() => wordPieceTokenizer([...VOCABULARY, "a\nb"], { lowerCase: true })).toThrow("token 15 of the vocabulary holds a line break");
  });

  it("does without a mask until it is asked for", async () => {
    const maskless = wordPieceTokenizer(VOCABULARY.slice(0, 4), { lowerCase: true });
    expect(maskless.encode("x", 3)).toEqual([2, 1, 3]);
    expect(() => maskless.maskId).toThrow("the vocabulary has no mask token");
    // null, because transformers would add a mask beyond the embedding otherwise.
    expect(JSON.parse(maskless.files.get("tokenizer_config.json")!)).toMatchObject({ mask_token: null });
    expect((await reopened(maskless)).vocabSize).toBe(4);
  });
});

describe("loadTokenizer", () => {
  it("builds BERT's from vocab.txt, with the casing that the configuration says", async () => {
    const windows = VOCABULARY.join("\r\n");
    const lower = await load({ "vocab.txt": windows });
    expect(lower.encode("The élan", 32)).toEqual(["[CLS]", "the", "elan", "[SEP]"].map(id));
    expect(lower.files.get("vocab.txt")).toBe(`${windows.replaceAll("\r\n", "\n")}\n`);
    const cased = await load({ "vocab.txt": windows, "tokenizer_config.json": { do_lower_case: false } });
    expect(cased.encode("The élan", 32)).toEqual(["[CLS]", "The", "élan", "[SEP]"].map(id));
    const accents = await load({ "vocab.txt": windows, "tokenizer_config.json": { do_lower_case: true, strip_accents: false } });
    expect(accents.encode("The Élan", 32)).toEqual(["[CLS]", "the", "élan", "[SEP]"].map(id));
  });

  it("takes blank lines of vocab.txt for empty tokens, which need no row", async () => {
    const blank = await load({ "vocab.txt": `${VOCABULARY.join("\n")}\n\n`, "tokenizer_config.json": { do_lower_case: true } });
    expect(blank.vocabSize).toBe(VOCABULARY.length);
    expect(blank.encode("the cats", 16)).toEqual(["[CLS]", "the", "cat", "##s", "[SEP]"].map(id));
    const inside = await load({ "vocab.txt": VOCABULARY.join("\n\n") });
    expect(inside.encode("the cats", 16)).toEqual(["[CLS]", "the", "cat", "##s", "[SEP]"].map((token) => 2 * id(token)));
  });

  it("lets tokenizer_config.json decide about case, accents, ideographs and the first space, as transformers does", async () => {
    const base = JSON.parse(wordPieceTokenizer(VOCABULARY, { lowerCase: true }).files.get("tokenizer.json")!) as object;
    const withConfig = (config: object) => load({ "tokenizer.json": base, "tokenizer_config.json": config });
    const pieces = async (config: object, text: string) =>
      (await withConfig(config))
        .encode(text, 16)
        .slice(1, -1)
        .map((token) => VOCABULARY[token]);
    expect(await pieces({ do_lower_case: false }, "The sat")).toEqual(["The", "sat"]);
    expect(await pieces({ tokenizer_class: "BertTokenizer", strip_accents: false }, "Élan")).toEqual(["élan"]);
    expect(await pieces({ tokenize_chinese_chars: false }, "生the")).toEqual(["[UNK]"]);
    // Other classes leave a tokenizer.json as it is.
    expect(await pieces({ tokenizer_class: "PreTrainedTokenizerFast", do_lower_case: false }, "The")).toEqual(["the"]);
    const added = { 15: { content: "xyz", lstrip: false, rstrip: false, single_word: false, normalized: false, special: false } };
    expect((await withConfig({ added_tokens_decoder: added })).encode("the xyz", 16)).toEqual([2, id("the"), 15, 3]);
    const bytes = JSON.parse((await load(BYTE_PAIRS)).files.get("tokenizer.json")!) as object;
    const spaced = await load({
      "tokenizer.json": bytes,
      "tokenizer_config.json": { tokenizer_class: "RobertaTokenizer", add_prefix_space: true },
    });
    expect(spaced.encode("low", 16)).toEqual([0, 4, 9, 2]);
    expect(spaced.encode("", 16)).toEqual([0, 2]);
  });

  const configured = JSON.parse(readFileSync(new URL("../golden/configured_tokens.json", import.meta.url), "utf8")) as {
    readonly texts: string[];
    readonly definition: object;
    readonly configs: Readonly<Record<string, { readonly config: object; readonly ids: number[][] }>>;
    readonly vocabulary: string[];
    readonly folders: Readonly<Record<string, { readonly files: Readonly<Record<string, object>>; readonly ids: number[][] }>>;
  };

  it.each(Object.entries(configured.configs))(
    "finds the tokens that only the configuration names, as transformers does: %s",
    async (_, { config, ids }) => {
      const tokenizer = await load({ "tokenizer.json": configured.definition, "tokenizer_config.json": config });
      expect(configured.texts.map((text) => tokenizer.encode(text, 32))).toEqual(ids);
      expect(tokenizer.vocabSize).toBe(11);
    },
  );

  it.each(Object.entries(configured.folders))(
    "gives a vocabulary the special tokens that transformers gives it: %s",
    async (_, { files, ids }) => {
      const tokenizer = await load({ "vocab.txt": lines(configured.vocabulary), ...files });
      for (const one of [tokenizer, await reopened(tokenizer)]) {
        expect(configured.texts.map((text) => one.encode(text, 32))).toEqual(ids);
      }
    },
  );

  it("applies added_tokens_decoder to a vocabulary, too, and trims its lines", async () => {
    const token = { lstrip: false, rstrip: false, normalized: false, single_word: false, special: false };
    const tokenizer = await load({
      "vocab.txt": VOCABULARY.map((word) => `${word} \n`).join(""),
      "tokenizer_config.json": { added_tokens_decoder: { "6": { ...token, content: "cat" }, "15": { ...token, content: "<new>" } } },
    });
    // The ids are transformers'.
    expect(tokenizer.encode("thecat <new>", 32)).toEqual([...["[CLS]", "the", "cat"].map(id), 15, id("[SEP]")]);
    expect(tokenizer.vocabSize).toBe(16);
  });

  it("refuses settings that would give other tokens: split_special_tokens, and a type_id around a single text", async () => {
    const vocabulary = { "vocab.txt": lines(VOCABULARY) };
    await expect(load({ ...vocabulary, "tokenizer_config.json": { split_special_tokens: true } })).rejects.toThrow("split_special_tokens");
    const definition = JSON.parse((await load(vocabulary)).files.get("tokenizer.json")!) as {
      post_processor: { single: { Sequence?: { type_id: number } }[] };
    };
    definition.post_processor.single[1]!.Sequence!.type_id = 1;
    await expect(load({ "tokenizer.json": definition })).rejects.toThrow("single[1] has a type_id other than 0");
  });

  it("cuts the beginning where the files say so", async () => {
    const files = { "vocab.txt": lines(VOCABULARY), "tokenizer_config.json": { truncation_side: "left" } };
    expect((await load(files)).encode("the cat sat !", 4)).toEqual(["[CLS]", "sat", "!", "[SEP]"].map(id));
  });

  it("adds the tokens of added_tokens.json", async () => {
    const tokenizer = await load({ "vocab.txt": lines(VOCABULARY), "added_tokens.json": { "<url>": 15, "[ENT]": 16 } });
    expect(tokenizer.vocabSize).toBe(17);
    expect(tokenizer.encode("the <url>cat [ENT]", 32)).toEqual([2, id("the"), 15, id("cat"), 16, 3]);
    expect((await reopened(tokenizer)).encode("the <url>", 32)).toEqual([2, id("the"), 15, 3]);
  });

  it("builds RoBERTa's from vocab.json and merges.txt", async () => {
    const tokenizer = await load(BYTE_PAIRS);
    const { padId, unknownId, clsId, sepId, maskId, vocabSize } = tokenizer;
    expect([padId, unknownId, clsId, sepId, maskId, vocabSize]).toEqual([1, 3, 0, 2, 10, 11]);
    expect(tokenizer.encode("low low", 32)).toEqual([0, 9, 4, 9, 2]);
    expect(tokenizer.encode("low <mask>", 32)).toEqual([0, 9, 10, 2]);
    expect(tokenizer.encode("low low", 4)).toEqual([0, 9, 4, 2]);
    expect(tokenizer.encode("", 3)).toEqual([0, 2]);
    expect([...tokenizer.files.keys()].sort()).toEqual([
      "merges.txt",
      "special_tokens_map.json",
      "tokenizer.json",
      "tokenizer_config.json",
      "vocab.json",
    ]);
    expect((await reopened(tokenizer)).encode("low wow", 32)).toEqual(tokenizer.encode("low wow", 32));
    const spaced = await load({ ...BYTE_PAIRS, "tokenizer_config.json": { add_prefix_space: true } });
    expect(spaced.encode("low", 32)).toEqual([0, 4, 9, 2]);
  });

  it("keeps the files that were there as they were", async () => {
    const files = {
      ...Object.fromEntries(wordPieceTokenizer(VOCABULARY, { lowerCase: true }).files),
      "tokenizer_config.json": '{ "do_lower_case":true,   "model_max_length": 512 }',
      "README.md": "not the tokenizer's",
    };
    const kept = (await load(files)).files;
    expect(kept.has("README.md")).toBe(false);
    for (const [file, text] of kept) expect(text).toBe(files[file as keyof typeof files]);
  });

  it("reads special tokens in each of the forms that files have", async () => {
    const renamed = VOCABULARY.map((token) => (token === "[CLS]" ? "<start>" : token));
    for (const file of ["tokenizer_config.json", "special_tokens_map.json"]) {
      for (const cls_token of ["<start>", { content: "<start>", lstrip: false, __type: "AddedToken" }]) {
        expect((await load({ "vocab.txt": lines(renamed), [file]: { cls_token } })).clsId).toBe(2);
      }
    }
    await expect(load({ "vocab.txt": lines(renamed) })).rejects.toThrow("model/vocab.txt has no [CLS] or <s> among its 15 tokens");
  });

  it("takes special_tokens_map.json where the two differ, unless tokenizer_config.json lists the added tokens", async () => {
    const both = (config: object) =>
      load({
        "vocab.txt": lines(VOCABULARY),
        "tokenizer_config.json": {
          cls_token: "[CLS]",
          sep_token: "[SEP]",
          pad_token: "[PAD]",
          unk_token: "[UNK]",
          mask_token: "[MASK]",
          ...config,
        },
        "special_tokens_map.json": { cls_token: "[SEP]", additional_special_tokens: ["[PAD]"] },
      });
    const clsId = VOCABULARY.indexOf("[CLS]");
    expect((await both({})).clsId).toBe(VOCABULARY.indexOf("[SEP]"));
    expect(
      (
        await both({
          added_tokens_decoder: {
            [clsId]: { content: "[CLS]", lstrip: false, rstrip: false, normalized: false, single_word: false, special: true },
          },
        })
      ).clsId,
    ).toBe(clsId);
  });

  it("adds the tokens of added_tokens.json to a tokenizer.json, unless tokenizer_config.json lists the added tokens", async () => {
    const definition = (await load({ "vocab.txt": lines(VOCABULARY) })).files.get("tokenizer.json")!;
    const size = VOCABULARY.length;
    const withFile = (config: object) =>
      load({ "tokenizer.json": definition, "added_tokens.json": { "[World]": size + 5, "[MASK]": 3 }, "tokenizer_config.json": config });
    const ids = async (config: object) => (await withFile(config)).encode("[World]", 16);
    // Like the official library, it numbers a new token after all others. One that is not special is found in the normalised text.
    expect(await ids({ additional_special_tokens: ["[World]"] })).toEqual([2, size, 3]);
    expect(await ids({})).toEqual([2, size, 3]);
    expect(await ids({ added_tokens_decoder: {} })).not.toContain(size);
    expect((await withFile({})).vocabSize).toBe(size + 1);
  });

  it("takes MPNet's own special tokens from a vocab.txt that has BERT's too", async () => {
    const words = ["<s>", "<pad>", "</s>", "<unk>", ...VOCABULARY, "<mask>"];
    for (const files of [
      { "config.json": JSON.stringify({ model_type: "mpnet" }) },
      { "tokenizer_config.json": { tokenizer_class: "MPNetTokenizer" } },
    ]) {
      const { clsId, sepId, padId, maskId, unknownId } = await load({ "vocab.txt": lines(words), ...files });
      expect([clsId, sepId, padId, maskId, unknownId].map((id) => words[id!])).toEqual(["<s>", "</s>", "<pad>", "<mask>", "[UNK]"]);
    }
    expect(words[(await load({ "vocab.txt": lines(words) })).clsId]).toBe("[CLS]");
  });

  it("needs no unknown token in a byte-level vocabulary, which can spell everything", async () => {
    const written = (await load(BYTE_PAIRS)).files.get("tokenizer.json")!.replaceAll('"<unk>"', '"x"');
    const tokenizer = await load({ "tokenizer.json": written });
    expect([tokenizer.unknownId, tokenizer.encode("low", 32)]).toEqual([null, (await load(BYTE_PAIRS)).encode("low", 32)]);
    expect((await reopened(tokenizer)).encode("low", 32)).toEqual(tokenizer.encode("low", 32));
  });

  it("takes a token's own line for it, and one with white space at its end only where there is no other", async () => {
    const given = [...VOCABULARY.map((token) => (token === "sat" ? "sat " : token)), "the\u00a0", "cat\u3000"];
    const tokenizer = await load({ "vocab.txt": lines(given) });
    expect(tokenizer.encode("the cat sat", 32)).toEqual(["[CLS]", "the", "cat", "sat", "[SEP]"].map(id));
  });

  it("takes the numbers that Python writes and JSON lacks", async () => {
    const config = '{ "model_max_length": Infinity, "x": [NaN, -Infinity, "NaN \\"Infinity"], "cls_token": "the" }';
    expect((await load({ "vocab.txt": lines(VOCABULARY), "tokenizer_config.json": config })).clsId).toBe(id("the"));
  });

  it("puts texts between the tokens of the class where tokenizer.json names none", async () => {
    for (const files of [(await load({ "vocab.txt": lines(VOCABULARY) })).files, (await load(BYTE_PAIRS)).files]) {
      const unframed = { ...JSON.parse(files.get("tokenizer.json")!), post_processor: null };
      for (const config of [{}, JSON.parse(files.get("tokenizer_config.json")!)]) {
        const tokenizer = await load({ "tokenizer.json": unframed, "tokenizer_config.json": config });
        expect(tokenizer.encode("", 32)).toEqual([tokenizer.clsId, tokenizer.sepId]);
        expect([tokenizer.clsId, tokenizer.sepId]).toEqual(files.has("vocab.txt") ? [2, 3] : [0, 2]);
      }
    }
  });

  it("says which files are missing", async () => {
    await expect(load({})).rejects.toThrow(
      "model holds no tokenizer: neither tokenizer.json, nor vocab.txt, nor vocab.json with merges.txt",
    );
    await expect(load({ "vocab.json": BYTE_PAIRS["vocab.json"] })).rejects.toThrow(FileError);
    await expect(load({ "merges.txt": BYTE_PAIRS["merges.txt"] })).rejects.toThrow(FileError);
  });

  const definition = JSON.parse(wordPieceTokenizer(VOCABULARY, { lowerCase: true }).files.get("tokenizer.json")!) as Record<string, object>;
  const unigram = { type: "Unigram", vocab: [["<s>", 0]], unk_id: 0 };
  it.each<[string, Record<string, string | object>, string]>([
    ["a tokenizer.json that is cut", { "tokenizer.json": '{"model": {' }, "model/tokenizer.json is not valid JSON"],
    ["one that is no object", { "tokenizer.json": "[]" }, "model/tokenizer.json must hold a JSON object, found []"],
    ["one without a model", { "tokenizer.json": "{}" }, "model/tokenizer.json: model is null, expected an object"],
    [
      "a model without special tokens",
      { "tokenizer.json": { ...definition, added_tokens: [], model: unigram } },
      "post_processor has the ids 2 and 3",
    ],
    [
      "ids that are none",
      { "tokenizer.json": { ...definition, model: { ...definition.model, vocab: { a: -1 } } } },
      'gives the token "a" the id -1',
    ],
    [
      "added tokens that are none",
      { "tokenizer.json": { ...definition, added_tokens: [null] } },
      "added_tokens[0] is null, expected an object",
    ],
    [
      "an unknown part",
      { "tokenizer.json": { ...definition, normalizer: { type: "Rot13" } } },
      'model/tokenizer.json: normalizer has the type "Rot13"; there are BertNormalizer, ',
    ],
    [
      "no frame of special tokens",
      {
        "tokenizer.json": { ...definition, post_processor: null },
        "tokenizer_config.json": { tokenizer_class: "PreTrainedTokenizerFast" },
      },
      "post_processor puts 0 tokens before a text",
    ],
    [
      "a configuration that is cut",
      { "vocab.txt": lines(VOCABULARY), "tokenizer_config.json": "{" },
      "tokenizer_config.json is not valid JSON",
    ],
    [
      "a class that splits texts with a dictionary",
      { "vocab.txt": lines(VOCABULARY), "config.json": { tokenizer_class: "BertJapaneseTokenizer" } },
      "model/config.json names the class BertJapaneseTokenizer, whose tokenizer is not made from vocab.txt alone",
    ],
    [
      "a class with byte pairs of another kind",
      { ...BYTE_PAIRS, "tokenizer_config.json": { tokenizer_class: "HerbertTokenizerFast" } },
      "names the class HerbertTokenizerFast",
    ],
    [
      "a vocabulary of words beside an XLM-RoBERTa",
      { "vocab.txt": lines(VOCABULARY), "config.json": { model_type: "xlm-roberta" } },
      "model/vocab.txt is not the vocabulary of an XLM-RoBERTa",
    ],
    ["an empty vocabulary", { "vocab.txt": "" }, "model/vocab.txt has no [PAD] or <pad> among its 0 tokens"],
    ["ids of added tokens that are none", { "vocab.txt": lines(VOCABULARY), "added_tokens.json": { x: "y" } }, 'the token "x" the id "y"'],
    [
      "ids in vocab.json that are none",
      { ...BYTE_PAIRS, "vocab.json": { ...BYTE_PAIRS["vocab.json"], l: 1.5 } },
      'the token "l" the id 1.5',
    ],
  ])("refuses %s", async (_, files, message) => {
    await expect(load(files)).rejects.toThrow(message);
    await expect(load(files)).rejects.toThrow(FormatError);
  });
});

interface Golden {
  readonly name: string;
  readonly text: string;
  readonly ids: readonly number[];
  readonly decoded: string;
}

describeWithSharedData("the tokenizers of published models", (data) => {
  const goldens = JSON.parse(readFileSync(join(data, "reference", "transformersjs_tokenizer_goldens.json"), "utf8")) as Record<
    string,
    Golden[]
  >;
  const at = (folder: string) => openFolder(join(data, "tokenizers", folder)).then(loadTokenizer);

  it.each([
    ["bert-base-uncased", "Xenova/bert-base-uncased", 30],
    ["bert-base-uncased", "Xenova/distilbert-base-uncased-finetuned-sst-2-english", 12],
    ["all-MiniLM-L6-v2", "Xenova/bert-base-uncased", 30],
    ["roberta-base", "Xenova/all-distilroberta-v1", 11],
  ])("%s gives the reference ids of %s", async (folder, model, count) => {
    const tokenizer = await at(folder);
    expect(goldens[model]).toHaveLength(count);
    for (const { name, text, ids, decoded } of goldens[model]!) {
      // Pairs of texts are not encoded.
      if (name === "TEXT_PAIR") continue;
      expect(tokenizer.encode(text, 512), name).toEqual(ids);
      // Decoding leaves out special tokens, the unknown one among them.
      if (ids.includes(tokenizer.unknownId!)) continue;
      const frame = tokenizer.clsId === 0 ? /^<s>|<\/s>$/g : /^\[CLS\] ?| ?\[SEP\]$/g;
      expect(tokenizer.decode(ids), name).toBe(decoded.replaceAll(frame, ""));
    }
  });

  it("of BERT are the same from vocab.txt as from tokenizer.json, on real sentences", async () => {
    const folder = await openFolder(join(data, "tokenizers", "bert-base-uncased"));
    const [given, built] = [
      await loadTokenizer(folder),
      await load({ "vocab.txt": new TextDecoder().decode(await folder.read("vocab.txt")) }),
    ];
    const sentences = await collect(readSentences(await openFolder(data), "train/wiki100k_sentences.txt"));
    const sample = sentences.filter((_, i) => i % 50 === 0);
    expect(sample.length).toBeGreaterThanOrEqual(2000);
    for (const sentence of sample) expect(built.encode(sentence, 512)).toEqual(given.encode(sentence, 512));
    for (const name of ["padId", "unknownId", "clsId", "sepId", "maskId", "vocabSize"] as const) expect(built[name]).toBe(given[name]);
  }, 30_000);

  it("open again from the files that they say a model must keep", async () => {
    for (const folder of ["bert-base-uncased", "roberta-base", "all-MiniLM-L6-v2"]) {
      const tokenizer = await at(folder);
      const again = await reopened(tokenizer);
      const text = "The Élan of <mask>, it's 5 o'clock: 生活 🙂";
      expect(again.encode(text, 64)).toEqual(tokenizer.encode(text, 64));
      expect(again.vocabSize).toBe(folder === "roberta-base" ? 50_265 : 30_522);
    }
  });
});
