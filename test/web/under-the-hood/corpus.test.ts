/**
 * The toy corpus: it has the properties that it claims. Every number here is deterministic, because the corpus comes from a fixed seed; the bounds
 * are those that the page needs, not the values of this seed.
 */
import { describe, expect, it } from "vitest";
import { spearman } from "../../../src/simcse/evaluation/metrics/correlation.ts";
import { heldOutPairs, trainingSentences } from "../../../web/under-the-hood/toy/corpus.ts";
import { DOMAINS } from "../../../web/under-the-hood/toy/domains.ts";
import { grade, MAX_TOKENS, type Meaning, words } from "../../../web/under-the-hood/toy/grammar.ts";

const training = trainingSentences();
const pairs = heldOutPairs();
const heldOut = pairs.flatMap(({ a, b }) => [a, b]);
const everything = [...training, ...heldOut];

const documentFrequency = new Map<string, number>();
for (const sentence of training)
  for (const word of new Set(words(sentence))) documentFrequency.set(word, (documentFrequency.get(word) ?? 0) + 1);
const idf = (word: string): number => Math.log((training.length + 1) / ((documentFrequency.get(word) ?? 0) + 1));

function bag(sentence: string, weight: (word: string) => number): Map<string, number> {
  const counts = new Map<string, number>();
  for (const word of words(sentence)) counts.set(word, (counts.get(word) ?? 0) + weight(word));
  return counts;
}

function cosine(a: Map<string, number>, b: Map<string, number>): number {
  const dot = [...a].reduce((sum, [word, value]) => sum + value * (b.get(word) ?? 0), 0);
  return dot / Math.hypot(...a.values()) / Math.hypot(...b.values());
}

const scoreOf = (weight: (word: string) => number): number =>
  spearman(
    // Rounded, so that equal bags tie in any order of summation.
    pairs.map(({ a, b }) => Number(cosine(bag(a, weight), bag(b, weight)).toFixed(9))),
    pairs.map(({ score }) => score),
  );

describe("the toy corpus", () => {
  it("has thousands of training sentences, all different", () => {
    expect(training.length).toBeGreaterThanOrEqual(6000);
    expect(training.length).toBeLessThanOrEqual(10000);
    expect(new Set(training).size).toBe(training.length);
  });

  it("has about 400 held-out pairs of distinct sentences, and at least 30 of every grade", () => {
    expect(pairs.length).toBeGreaterThanOrEqual(360);
    expect(pairs.length).toBeLessThanOrEqual(480);
    expect(new Set(heldOut).size).toBe(heldOut.length);
    for (const score of [0, 1, 2, 3, 4, 5]) expect(pairs.filter((pair) => pair.score === score).length).toBeGreaterThanOrEqual(30);
  });

  it("has no held-out sentence in the training sentences", () => {
    const known = new Set(training.map((sentence) => sentence.toLowerCase()));
    expect(heldOut.filter((sentence) => known.has(sentence.toLowerCase()))).toEqual([]);
  });

  it("is the same for the same seed and another for another", () => {
    expect(trainingSentences()).toEqual(training);
    expect(heldOutPairs()).toEqual(pairs);
    expect(trainingSentences(7)).not.toEqual(training);
    expect(heldOutPairs(7)).not.toEqual(pairs);
  });

  it("has sentences of 10 to 22 words on average, and none beyond 32 tokens with [CLS] and [SEP]", () => {
    const average = training.reduce((sum, sentence) => sum + sentence.split(" ").length, 0) / training.length;
    expect(average).toBeGreaterThanOrEqual(10);
    expect(average).toBeLessThanOrEqual(22);
    expect(MAX_TOKENS + 2).toBeLessThan(32);
    expect(everything.filter((sentence) => words(sentence).length > MAX_TOKENS)).toEqual([]);
  });

  it("is well-formed English as far as a pattern can tell", () => {
    const faults = [
      /\ba [aeiou]/i,
      /\ban [^aeiou]/i,
      / {2}/,
      / [,.]/,
      /,,|,\./,
      /\b(\w+) \1\b(?<!that that)/i,
      /undefined|null|NaN/,
      /^[^A-Z]/,
      /[^.]$/,
    ];
    for (const fault of faults) expect(everything.filter((sentence) => fault.test(sentence))).toEqual([]);
  });

  it("names nothing twice in one table of a domain", () => {
    for (const { actors, deeds, places, name } of DOMAINS) {
      for (const list of [actors, places, deeds.map(({ past }) => past), deeds.flatMap(({ objects }) => objects)]) {
        expect(new Set(list).size, name).toBe(list.length);
      }
    }
  });

  // Deterministic numbers: counting words does not give the grades, but knowing which words matter does.
  it("is graded poorly by plain bags of words and well by idf-weighted ones", () => {
    const plain = scoreOf(() => 1);
    const weighted = scoreOf(idf);
    expect(plain).toBeGreaterThan(0.3);
    expect(plain).toBeLessThan(0.5);
    expect(weighted).toBeGreaterThanOrEqual(0.7);
    expect(weighted - plain).toBeGreaterThanOrEqual(0.25);
  });
});

describe("grade", () => {
  const meaning: Meaning = { domain: 1, actor: 0, deed: 2, object: 1, place: 3, time: 4, manner: null };
  const cases: readonly [string, number, Partial<Meaning>][] = [
    ["the same", 5, {}],
    ["another time", 4, { time: 5 }],
    ["the place left out", 4, { place: null }],
    ["another time and place", 3, { time: 5, place: 0 }],
    ["another place and time, and a manner", 3, { time: 5, place: 0, manner: 1 }],
    ["a related object", 3, { object: 0 }],
    ["a related object at another time", 2, { object: 0, time: 5 }],
    ["another actor", 2, { actor: 1 }],
    ["another actor and a related object", 1, { actor: 1, object: 0 }],
    ["another deed in the same circumstances", 1, { deed: 0 }],
    ["another domain with the same numbers", 0, { domain: 2 }],
  ];
  it.each(cases)("%s is %i", (_, expected, change) => {
    expect(grade(meaning, { ...meaning, ...change })).toBe(expected);
    expect(grade({ ...meaning, ...change }, meaning)).toBe(expected);
  });
});
