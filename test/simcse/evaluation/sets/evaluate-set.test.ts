import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { OptionError } from "../../../../src/errors.ts";
import { evaluateOn, evaluateSet, setMetrics } from "../../../../src/simcse/evaluation/sets/evaluate-set.ts";
import type { EvaluationSet } from "../../../../src/simcse/evaluation/sets/evaluation-set.ts";
import { setOfExamples } from "../../../../src/simcse/evaluation/sets/read-set.ts";
import { openTestDevice } from "../../../device.ts";
import { uniform } from "../../../uniform.ts";

const golden = JSON.parse(readFileSync(new URL("../../../golden/own_sets.json", import.meta.url), "utf8")) as {
  readonly texts: number;
  readonly dimension: number;
  readonly topics: number;
  readonly pairs: readonly (readonly [number, number])[];
  readonly scores: readonly number[];
  readonly labels: readonly number[];
  readonly scored: Readonly<Record<string, number>>;
  readonly labelled: Readonly<Record<string, number>>;
  readonly relevant: Readonly<Record<string, readonly number[]>>;
  readonly first_document: number;
  readonly ranking: Readonly<Record<string, number>>;
  readonly triplets: readonly (readonly [number, number, number])[];
  readonly triplet_accuracy: number;
};

const device = await openTestDevice();
const { dimension } = golden;
const noise = uniform(31, golden.texts * dimension);
const topics = uniform(32, golden.topics * dimension);

/** The vector of text "i", as test/golden/own_sets.py makes it. */
const vector = (i: number) =>
  Array.from({ length: dimension }, (_, k) => topics[(i % golden.topics) * dimension + k]! * 0.75 + noise[i * dimension + k]!);
const encode = async (texts: string[]) => Float32Array.from(texts.flatMap((text) => vector(Number(text))));
const score = (set: EvaluationSet) => evaluateSet(set, { encode, device });

const pairs = golden.pairs.map(([a, b], i) => ({ a: `${a}`, b: `${b}`, score: golden.scores[i]!, label: golden.labels[i]! }));
const range = (start: number, end: number) => Array.from({ length: end - start }, (_, i) => `${start + i}`);
const retrieval = {
  kind: "retrieval",
  name: "faq",
  data: {
    queries: new Map(range(0, golden.first_document).map((id) => [id, id])),
    corpus: new Map(range(golden.first_document, golden.texts).map((id) => [id, id])),
    relevant: new Map(Object.entries(golden.relevant).map(([query, documents]) => [query, new Map(documents.map((id) => [`${id}`, 1]))])),
  },
} satisfies EvaluationSet;

/** Within float64's rounding: both sides take the cosine in float64. */
function expectClose(found: Readonly<Record<string, number>>, expected: Readonly<Record<string, number>>): void {
  expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort());
  for (const [name, value] of Object.entries(expected)) expect(found[name], name).toBeCloseTo(value, 10);
}

describe("scores on a set of one's own equal scikit-learn's, SciPy's and sentence-transformers'", () => {
  it("pairs with a vector of zeros, whose cosine is 0", async () => {
    const withZeros = async (texts: string[]) => Float32Array.from(texts.flatMap((text) => (text === "0" ? [0, 0] : [1, Number(text)])));
    const data = [
      { a: "1", b: "2", score: 5, label: 1 },
      { a: "0", b: "1", score: 1, label: 0 },
      { a: "1", b: "-9", score: 0, label: 0 },
    ];
    const scored = await evaluateSet({ kind: "scored pairs", name: "s", data }, { encode: withZeros, device });
    expect(scored.metrics.spearman).toBeCloseTo(1, 12);
    const labelled = await evaluateSet({ kind: "labelled pairs", name: "l", data }, { encode: withZeros, device });
    expect(labelled.metrics).toMatchObject({ ap: 1, accuracy: 1, f1: 1 });
    expect(labelled.predictions[1]).toMatchObject({ cosine: 0 });
  });

  it("scored pairs", async () => {
    const { metrics, n, main } = await score({ kind: "scored pairs", name: "pairs", data: pairs });
    expectClose(metrics, golden.scored);
    expect([n, main]).toEqual([pairs.length, "spearman"]);
  });

  it("labelled pairs", async () => {
    expectClose((await score({ kind: "labelled pairs", name: "pairs", data: pairs })).metrics, golden.labelled);
  });

  it("retrieval, ranked on the device; queries without a relevant text are left out", async () => {
    const { metrics, n, predictions } = await score(retrieval);
    expectClose(metrics, golden.ranking);
    expect(n).toBe(Object.keys(golden.relevant).length);
    expect(predictions.filter(({ rank_of_first_relevant: rank }) => rank === 1).length / n).toBeCloseTo(golden.ranking["accuracy@1"]!, 10);
  });

  it("triplets", async () => {
    const data = golden.triplets.map(([anchor, positive, negative]) => ({
      anchor: `${anchor}`,
      positive: `${positive}`,
      negative: `${negative}`,
    }));
    expectClose((await score({ kind: "triplets", name: "triplets", data })).metrics, { accuracy: golden.triplet_accuracy });
  });
});

it("labelled texts are separated by the transfer tasks' classifier", async () => {
  // Texts are written as their embeddings; the classes may have any names.
  const data = range(0, 200).map((i) => ({
    text: `${Number(i) % 2 ? 1 : -1},${Math.sin(Number(i))}`,
    label: Number(i) % 2 ? "up" : "down",
  }));
  const written = async (texts: string[]) => Float32Array.from(texts.flatMap((text) => text.split(",").map(Number)));
  const { metrics, n } = await evaluateSet({ kind: "labelled texts", name: "texts", data }, { encode: written, device });
  expect([metrics.accuracy, n]).toEqual([1, 200]);
});

describe("evaluateSet", () => {
  it("is for sets of different names", () => {
    const set = { kind: "scored pairs", name: "held", data: pairs } as const;
    expect(() => evaluateOn([set, retrieval, set], device)).toThrow("Two sets have the name held");
  });

  it("names its metrics after the set, as training logs them", async () => {
    expect(Object.keys(setMetrics([await score({ kind: "scored pairs", name: "held", data: pairs })]))).toEqual([
      "eval_held_spearman",
      "eval_held_pearson",
    ]);
  });

  it("keeps a row's cosine beside it, for looking at the worst", async () => {
    const { predictions } = await score({ kind: "scored pairs", name: "pairs", data: pairs });
    expect(predictions).toHaveLength(pairs.length);
    expect(predictions[0]).toMatchObject({ a: pairs[0]!.a, score: pairs[0]!.score, cosine: expect.any(Number) });
  });

  it.each([
    [{ kind: "scored pairs", name: "none", data: [] }, /none holds nothing/],
    [{ kind: "scored pairs", name: "bad", data: [{ a: "1", b: "2", score: Number.NaN }] }, /Row 1 .*finite/],
    [{ kind: "labelled pairs", name: "bad", data: [pairs[0]!, { a: "1", b: "2", label: 2 }] }, /Row 2 .*0 or 1/],
    [{ kind: "retrieval", name: "none", data: { queries: new Map(), corpus: new Map(), relevant: new Map() } }, /holds nothing/],
  ] satisfies [EvaluationSet, RegExp][])("refuses %o", async (set, message) => {
    await expect(score(set)).rejects.toThrow(message);
  });

  it("gives no score where everything has one label or class, or too few texts have two", async () => {
    const texts = (labels: string): EvaluationSet => ({
      kind: "labelled texts",
      name: "texts",
      data: [...labels].map((label, i) => ({ text: `${i}`, label })),
    });
    const sets: EvaluationSet[] = [
      { kind: "labelled pairs", name: "positive", data: pairs.map((pair) => ({ ...pair, label: 1 })) },
      { kind: "labelled pairs", name: "negative", data: pairs.map((pair) => ({ ...pair, label: 0 })) },
      { kind: "scored pairs", name: "equal", data: pairs.map((pair) => ({ ...pair, score: 3 })) },
      texts("xxxxxxxxxxxx"),
      texts("xyxy"),
    ];
    for (const set of sets) for (const value of Object.values((await score(set)).metrics)) expect(value, set.name).toBeNaN();
  });

  it("does not find a query's own document, by its id, in a set that says so", async () => {
    const { queries, corpus } = retrieval.data;
    const both = new Map([...queries, ...corpus]);
    const relevant = new Map([...queries.keys()].map((id, i, ids) => [id, new Map([[ids[(i + 1) % ids.length]!, 1]])]));
    const first = async (skipsSameId: boolean) =>
      (await score({ kind: "retrieval", name: "same", data: { queries, corpus: both, relevant, skipsSameId } })).predictions[0]!;
    expect(await first(false)).toMatchObject({ query: "0", first: "0" });
    expect((await first(true)).first).not.toBe("0");
  });

  it("does not find a query itself among pairs that go both ways", async () => {
    const examples = [{ texts: ["0", "1"] }, { texts: ["1", "0"] }];
    const { metrics } = await score(setOfExamples({ name: "ways", kind: "pairs", origin: "ways.csv" }, examples));
    expect(metrics["accuracy@1"]).toBe(1);
  });

  it("encodes queries and what they search each in their own way", async () => {
    const sides: Record<string, string[]> = { queries: [], documents: [] };
    const side = (name: string) => (texts: string[]) => {
      sides[name]!.push(...texts);
      return encode(texts);
    };
    const { metrics } = await evaluateSet(retrieval, {
      encode,
      encodeQueries: side("queries"),
      encodeDocuments: side("documents"),
      device,
    });
    expectClose(metrics, golden.ranking);
    expect(sides.documents).toEqual([...retrieval.data.corpus.values()]);
    expect(sides.queries!.length).toBeGreaterThan(0);
    for (const query of sides.queries!) expect(sides.documents).not.toContain(query);
  });

  it("stops when asked to", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(evaluateSet(retrieval, { encode, device, signal })).rejects.toThrow("enough");
  });
});

it.each(["pairs", "constructor"])("refuses a set of the kind %s", async (kind) => {
  await expect(score({ ...retrieval, kind: kind as "retrieval" } as EvaluationSet)).rejects.toThrow(OptionError);
});

it("refuses a set without data, and none", async () => {
  for (const set of [null, { kind: "triplets", name: "x" }])
    await expect(score(set as unknown as EvaluationSet)).rejects.toThrow(OptionError);
});
