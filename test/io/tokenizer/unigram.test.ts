/** XLM-RoBERTa's kind of tokenizer gives the ids that transformers gives, from its `tokenizer.json` and from SentencePiece's own file. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { FormatError } from "../../../src/errors.ts";
import { MemoryFolder } from "../../../src/io/folder.ts";
import { float, integer, message, text } from "../../../src/io/formats/protobuf.ts";
import { countTokens, pruneTokenizer } from "../../../src/io/tokenizer/prune.ts";
import { loadTokenizer } from "../../../src/io/tokenizer.ts";

const golden = JSON.parse(readFileSync(new URL("../../golden/unigram_tokenizer.json", import.meta.url), "utf8")) as {
  readonly sentencepiece: string;
  readonly definition: { readonly model: { readonly vocab: readonly unknown[] } };
  readonly config: object;
  readonly texts: readonly string[];
  readonly ids: readonly (readonly number[])[];
};
const model = Uint8Array.from(atob(golden.sentencepiece), (byte) => byte.charCodeAt(0));
const oldest = (bytes: Uint8Array, model_type = "xlm-roberta") =>
  new MemoryFolder("xlm-r", [
    ["config.json", JSON.stringify({ model_type })],
    ["sentencepiece.bpe.model", bytes],
  ]);
const published = new MemoryFolder("xlm-r", [
  ["tokenizer.json", JSON.stringify(golden.definition)],
  ["tokenizer_config.json", JSON.stringify(golden.config)],
]);

describe.each([
  ["tokenizer.json", published],
  ["sentencepiece.bpe.model", oldest(model)],
])("from %s", async (_, folder) => {
  const tokenizer = await loadTokenizer(folder);

  it.each(golden.texts.map((text, i) => [text, golden.ids[i]!] as const))("%j", (text, ids) => {
    expect(tokenizer.encode(text, 512)).toEqual(ids);
  });

  it("has the special tokens, and saves the same definition", () => {
    expect([tokenizer.clsId, tokenizer.padId, tokenizer.sepId, tokenizer.unknownId, tokenizer.maskId, tokenizer.vocabSize]).toEqual([
      0, 1, 2, 3, 109, 110,
    ]);
    expect(JSON.parse(tokenizer.files.get("tokenizer.json")!)).toEqual(golden.definition);
  });
});

it("pruned, it gives the texts that it was counted on the same tokens", async () => {
  const large = await loadTokenizer(published);
  const texts = golden.texts.slice(0, 3);
  const { tokenizer, oldIds } = await pruneTokenizer(large, await countTokens(large, texts), 108);
  for (const text of texts) expect(tokenizer.encode(text, 512).map((id) => oldIds[id]!)).toEqual(large.encode(text, 512));
  expect([tokenizer.vocabSize, tokenizer.padId, oldIds[tokenizer.maskId]]).toEqual([108, 1, 109]);
});

it("pieces that its user defined, or that control it, are tokens wherever they stand in a text, as in transformers", async () => {
  const piece = (name: string, kind: number) => message(1, [...text(1, name), ...float(2, 0), ...integer(3, kind)]);
  const parts = [model, ...piece("<sym>", 4), ...piece("[USR]", 4), ...piece("<ctl>", 3)] as Uint8Array[];
  const tokenizer = await loadTokenizer(oldest(new Uint8Array(Buffer.concat(parts))));
  const plain = await loadTokenizer(published);
  const words = (words: string) => plain.encode(words, 512).slice(1, -1);
  expect(tokenizer.encode("a[USR]b <sym>", 512)).toEqual([0, ...words("a"), 110, ...words("b"), 109, 2]);
  expect(tokenizer.encode("<ctl>", 512)).toEqual([0, 111, 2]);
  expect([tokenizer.maskId, tokenizer.vocabSize]).toEqual([112, 113]);
  const { added_tokens } = JSON.parse(tokenizer.files.get("tokenizer.json")!);
  expect(added_tokens.slice(4, 7).map((token: object) => Object.values(token))).toEqual([
    [109, "<sym>", false, false, false, false, false],
    [110, "[USR]", false, false, false, false, false],
    [111, "<ctl>", false, false, false, false, true],
  ]);
});

it("SentencePiece's file is refused when it is damaged, or belongs to a model that numbers its pieces otherwise", async () => {
  for (const bytes of [model.subarray(0, 100), new Uint8Array(), Uint8Array.of(10, 255)]) {
    await expect(loadTokenizer(oldest(bytes))).rejects.toThrow(FormatError);
  }
  const multilingual = oldest(model, "bert");
  await multilingual.write("tokenizer_config.json", JSON.stringify({ tokenizer_class: "XLMRobertaTokenizer" }));
  expect((await loadTokenizer(multilingual)).vocabSize).toBe(110);
  await expect(loadTokenizer(oldest(model, "camembert"))).rejects.toThrow('"xlm-roberta" only; config.json says "camembert"');
});

it("the one of an ALBERT, which is not read, is named with what makes a tokenizer.json of it", async () => {
  const albert = new MemoryFolder("albert", [
    ["config.json", JSON.stringify({ model_type: "albert" })],
    ["tokenizer_config.json", JSON.stringify({ tokenizer_class: "AlbertTokenizer" })],
    ["spiece.model", model],
  ]);
  await expect(loadTokenizer(albert)).rejects.toMatchObject({
    message: "albert has spiece.model, the tokenizer of an ALBERT in a form that is not read, and no tokenizer.json",
    remedy: "Save the tokenizer with transformers, which makes a tokenizer.json of it.",
  });
});
