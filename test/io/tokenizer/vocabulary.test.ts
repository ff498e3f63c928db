import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DataError, OptionError } from "../../../src/errors.ts";
import { openFolder } from "../../../src/io/folder-node.ts";
import { readSentences } from "../../../src/io/text.ts";
import { learnVocabulary, SPECIAL_TOKENS, VocabularyLearner } from "../../../src/io/tokenizer/vocabulary.ts";
import { wordPieceTokenizer } from "../../../src/io/tokenizer.ts";
import { collectGarbage } from "../../garbage.ts";
import { describeWithSharedData } from "../../shared-data.ts";
import { collect } from "../collect.ts";

const CORPUS = ["The cat sat on the mat.", "the cats sat", "A cat, the mat: low lower lowest", "low low lower"];

/** Byte-pair merging in the slow, simple way: recount all pairs for every merge; of equal ones the earlier pieces come first. */
function mergedPlainly(words: Readonly<Record<string, number>>, characters: readonly string[], size: number): string[] {
  const pieces = [...characters];
  let rows = Object.entries(words).map(([word, count]) => ({
    count,
    row: [...word].map((character, i) => pieces.indexOf(i === 0 ? character : `##${character}`)),
  }));
  while (pieces.length < size) {
    const counts = new Map<string, number>();
    for (const { row, count } of rows) {
      for (let i = 1; i < row.length; i++) {
        const pair = `${row[i - 1]} ${row[i]}`;
        counts.set(pair, (counts.get(pair) ?? 0) + count);
      }
    }
    const ranked = [...counts].map(([pair, count]) => ({ pair: pair.split(" ").map(Number) as [number, number], count }));
    ranked.sort((a, b) => b.count - a.count || a.pair[0] - b.pair[0] || a.pair[1] - b.pair[1]);
    const best = ranked[0];
    if (best === undefined || best.count < 2) break;
    const [left, right] = best.pair;
    const merged = pieces[left]! + pieces[right]!.slice(2);
    if (!pieces.includes(merged)) pieces.push(merged);
    const id = pieces.indexOf(merged);
    rows = rows.map(({ count, row }) => {
      const after: number[] = [];
      for (let i = 0; i < row.length; i++) {
        const isPair = row[i] === left && row[i + 1] === right;
        after.push(isPair ? id : row[i]!);
        if (isPair) i++;
      }
      return { count, row: after };
    });
  }
  return pieces;
}

describe("VocabularyLearner", () => {
  it("learns from texts one after another what learnVocabulary learns from all of them", () => {
    const learner = new VocabularyLearner(60, true);
    for (const sentence of CORPUS) learner.add(sentence);
    expect(learner.vocabulary()).toEqual(learnVocabulary(CORPUS, 60));
  });

  it("keeps the words of a text, and not the text", () => {
    const learner = new VocabularyLearner(60, true);
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    // Each has a long word that no other has; a part of a text would keep all of it.
    for (let i = 0; i < 50; i++) learner.add(`${"a b c d ".repeat(2 ** 17)}onewordofitsown${i}`);
    collectGarbage();
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(10 * 2 ** 20);
    expect(learner.vocabulary().length).toBeGreaterThan(SPECIAL_TOKENS.length);
  });
});

describe("learnVocabulary", () => {
  it("starts with the special tokens and learns the words that come often", () => {
    const vocabulary = learnVocabulary(CORPUS, 60);
    expect(vocabulary.slice(0, 5)).toEqual(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]);
    expect(vocabulary).toContain("low");
    expect(vocabulary).toContain("cat");
    expect(vocabulary).toContain("the");
    expect(vocabulary).toContain(".");
    expect(new Set(vocabulary).size).toBe(vocabulary.length);
    expect(vocabulary.length).toBeLessThanOrEqual(60);
  });

  it("keeps case and accents where asked", () => {
    expect(learnVocabulary(["Élan Élan"], 20)).toContain("elan");
    expect(learnVocabulary(["Élan Élan"], 20, { lowerCase: false })).toContain("Élan");
  });

  it("merges as the plain algorithm does", () => {
    const anyWord = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 7 });
    fc.assert(
      fc.property(
        fc.dictionary(anyWord, fc.integer({ min: 1, max: 5 }), { minKeys: 1, maxKeys: 12 }),
        fc.integer({ min: 12, max: 40 }),
        (words, size) => {
          const sentences = Object.entries(words).map(([word, count]) => Array(count).fill(word).join(" "));
          const learned = learnVocabulary(sentences, size + SPECIAL_TOKENS.length).slice(SPECIAL_TOKENS.length);
          const characters = learned.filter((piece) => /^(##)?.$/u.test(piece));
          expect(learned).toEqual(mergedPlainly(words, characters, size));
        },
      ),
    );
  });

  it("never grows beyond its size, and says less when the text has no more", () => {
    for (const size of [6, 7, 10, 20, 40]) expect(learnVocabulary(CORPUS, size).length).toBeLessThanOrEqual(size);
    expect(learnVocabulary(CORPUS, 6)).toHaveLength(6);
    expect(learnVocabulary(CORPUS, 5000).length).toBeLessThan(100);
  });

  it("leaves room for words in a text of many characters", () => {
    const rare = Array.from({ length: 3000 }, (_, i) => String.fromCodePoint(0x4e00 + i)).join("");
    const vocabulary = learnVocabulary([rare, ...Array<string>(5).fill(CORPUS.join(" "))], 200);
    expect(vocabulary).toContain("the");
    expect(vocabulary.filter((piece) => /^(##)?.$/u.test(piece)).length).toBeLessThanOrEqual(98);
  });

  it("takes any text, however long its words", () => {
    const odd = ["\u0000\uFFFD", "x".repeat(50_000), "生活".repeat(20_000), `${"a".repeat(101)} ok ok`, "\ud800 lone", ""];
    const vocabulary = learnVocabulary(odd, 500);
    expect(vocabulary).toContain("ok");
    expect(vocabulary.every((piece) => piece.length <= 102)).toBe(true);
  });

  it("refuses a size without room and a text without words", () => {
    for (const size of [0, 5, 7.5, Number.NaN]) expect(() => learnVocabulary(CORPUS, size)).toThrow(OptionError);
    expect(() => learnVocabulary([], 100)).toThrow(DataError);
    expect(() => learnVocabulary(["", " \t "], 100)).toThrow("the text holds no word");
  });
});

describeWithSharedData("a vocabulary of real sentences", (data) => {
  it("spells nearly all of them, in fewer pieces the larger it is, and is the same every time", async () => {
    const sentences = (await collect(readSentences(await openFolder(data), "train/wiki100k_sentences.txt"))).filter((_, i) => i % 40 === 0);
    const seen = [1000, 4000].map((size) => {
      const vocabulary = learnVocabulary(sentences, size);
      expect(vocabulary).toHaveLength(size);
      const tokenizer = wordPieceTokenizer(vocabulary, { lowerCase: true });
      const ids = sentences.slice(0, 500).flatMap((sentence) => tokenizer.encode(sentence, 512));
      expect(ids.filter((id) => id === tokenizer.unknownId).length).toBeLessThan(ids.length * 0.01);
      return ids.length;
    });
    expect(seen[1]).toBeLessThan(seen[0]! * 0.8);
    expect(learnVocabulary(sentences, 1000)).toEqual(learnVocabulary(sentences, 1000));
    expect(() => learnVocabulary("one text", 1000)).toThrow("The sentences are one text");
  }, 60_000);
});
