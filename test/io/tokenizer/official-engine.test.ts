import { expect, it } from "vitest";
import { DataError } from "../../../src/errors.ts";
import { MemoryFolder } from "../../../src/io/folder.ts";
import { addedToken } from "../../../src/io/tokenizer/added-tokens.ts";
import { loadTokenizer } from "../../../src/io/tokenizer.ts";

const VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a"];

/** A tokenizer whose library fails on a text with another letter than "a" if its unknown token is none. */
function bytePairs(unk_token: string) {
  const definition = {
    version: "1.0",
    added_tokens: VOCABULARY.slice(0, 4).map((content, id) => addedToken(id, content, true)),
    pre_tokenizer: { type: "WhitespaceSplit" },
    post_processor: { type: "BertProcessing", sep: ["[SEP]", 3], cls: ["[CLS]", 2] },
    model: { type: "BPE", vocab: Object.fromEntries(VOCABULARY.map((token, id) => [token, id])), merges: [], unk_token },
  };
  return loadTokenizer(new MemoryFolder("model", [["tokenizer.json", JSON.stringify(definition)]]));
}

it("names a text that the library fails on, and stops before failures have used up the library's stack", async () => {
  const [sound, failing] = [await bytePairs("[UNK]"), await bytePairs("none")];
  expect(() => failing.encode("b", 16)).toThrow(
    "model/tokenizer.json: the official tokenizers library fails on a text: UnkTokenOutOfVocabulary",
  );
  expect(failing.encode("a", 16)).toEqual([2, 4, 3]);
  for (let times = 0; times < 200; times++) {
    expect(() => failing.encode("b", 16)).toThrow(DataError);
    try {
      expect(sound.encode("a b", 16)).toEqual([2, 4, 1, 3]);
    } catch (error) {
      expect(error).toBeInstanceOf(DataError);
      expect((error as Error).message).toContain("has failed 32 times, and might give wrong ids after more");
    }
  }
  await expect(bytePairs("[UNK]")).rejects.toThrow("has failed 32 times");
});
