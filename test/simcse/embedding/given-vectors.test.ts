/** Vectors that callers give in place of texts: the same result in every form that they may have. */
import { afterAll, expect, it } from "vitest";
import { OptionError, ShapeError } from "../../../src/errors.ts";
import { openFolder } from "../../../src/io/folder-node.ts";
import { project } from "../../../src/simcse/distillation/principal-components.ts";
import type { Embeddings } from "../../../src/simcse/embedding/embeddings.ts";
import { floatEmbeddings } from "../../../src/simcse/embedding/given-vectors.ts";
import { int8Ranges, quantizeInt8 } from "../../../src/simcse/embedding/int8-ranges.ts";
import { similarPairs } from "../../../src/simcse/search/similar-pairs.ts";
import { VectorIndex } from "../../../src/simcse/search/vector-index.ts";
import { SimCSE } from "../../../src/simcse/simcse-node.ts";
import { openTestDevice } from "../../device.ts";
import { temporaryFolder, tinySentences, writeTinyModel } from "../../tiny-model.ts";

const device = await openTestDevice();
const folder = await temporaryFolder();
await writeTinyModel(folder);
const model = await SimCSE.loadFrom(device, await openFolder(folder), { pooler: "avg" });
afterAll(() => model.close());

const f32 = await model.encode(tinySentences);
const { length, dimension } = f32;
const [f16, int8, binary] = await Promise.all(
  (["f16", "int8", "binary"] as const).map((precision) => model.encode(tinySentences, { precision })),
);
/** What a caller in JavaScript may give. */
const given = (vectors: unknown) => vectors as Embeddings;

const forms: readonly [name: string, vectors: Embeddings, error: number][] = [
  // An error of 2⁻¹¹ of each number, and of 1/254 of a row's largest, changes a cosine by less.
  ["halves", given(f16), 2 ** -11],
  ["bytes with scales", given(int8), 1 / 64],
  ["f64", given({ length, dimension, data: Float64Array.from(f32.data) }), 0],
  ["numbers in a list, as JSON has them", given({ length, dimension, data: [...f32.data] }), 0],
];

it.each(forms)("takes %s in the place of f32", async (_, vectors, error) => {
  const near = (found: readonly number[], expected: readonly number[]) => {
    expect(found.length).toBe(expected.length);
    for (const [i, value] of expected.entries()) expect(Math.abs(found[i]! - value), `number ${i}`).toBeLessThanOrEqual(error);
  };
  const cosines = async (of: Embeddings) => (await model.similarity(tinySentences, of)).flatMap((row) => [...row]);
  near(await cosines(vectors), await cosines(f32));
  const scores = async (of: Embeddings) => (await model.paraphrases(of)).map(({ score }) => score);
  near(await scores(vectors), await scores(f32));
  near(
    (await similarPairs(device, vectors)).map(({ score }) => score),
    await scores(f32),
  );
  await model.buildIndex(tinySentences, { vectors });
  const best = await model.search(vectors, { topK: 1, threshold: -1 });
  expect(best.map(([first]) => first!.id)).toEqual(tinySentences.map((_, i) => i));
  const one = { matrix: Float32Array.from({ length: dimension }, (_, i) => Number(i === 1)), from: dimension, to: 1 };
  near([...project(vectors, one).data], [...project(f32, one).data]);
  using index = new VectorIndex(device, dimension);
  index.add(vectors.data);
  expect((await index.search(f32.data, { topK: 1 })).map(([first]) => first!.row)).toEqual(tinySentences.map((_, i) => i));
});

it("makes f32 of an index's vectors once, and not for each chunk of its sentences", async () => {
  const texts = Array.from({ length: 2500 }, (_, i) => tinySentences[i % tinySentences.length]!);
  const { data } = await model.encode(texts, { precision: "f16" });
  let reads = 0;
  const vectors = {
    length: texts.length,
    dimension,
    get data() {
      reads++;
      return data;
    },
  };
  await model.buildIndex(texts, { vectors: given(vectors) });
  expect([model.index.length, reads]).toEqual([texts.length, 1]);
});

it("measures the ranges of halves as those of f32", () => {
  const exact = floatEmbeddings(given(f16));
  expect(quantizeInt8(given(f16), int8Ranges(given(f16)))).toEqual(quantizeInt8(exact, int8Ranges(exact)));
});

it("multiplies bytes by the scales of their rows", () => {
  const data = Int8Array.of(127, -64, 10, 0);
  const scales = Float32Array.of(0.5, 2);
  expect(floatEmbeddings(given({ length: 2, dimension: 2, data, scales })).data).toEqual(Float32Array.of(63.5, -32, 20, 0));
});

it.each<[string, unknown, string]>([
  ["bits", binary, "a Uint8Array"],
  ["the bytes of f32", { length, dimension, data: f32.data.buffer }, "The numbers of vectors are"],
  ["nothing", { length, dimension, data: null }, "The numbers of vectors are null"],
  ["texts in a list", { length, dimension, data: [...f32.data].map(String) }, "an array with other values than numbers"],
  ["what JSON makes of an array of floats", JSON.parse(JSON.stringify(f32)), "an object with 0, 1"],
  ["an incomplete row", { length, dimension, data: f32.data.subarray(1) }, `numbers are no ${length} vectors of ${dimension}`],
  ["numbers without their dimension", { data: f32.data }, "numbers are no"],
])("refuses %s", async (_, vectors, message) => {
  for (const use of [
    () => model.similarity("a", given(vectors)),
    () => model.clusters(given(vectors)),
    () => model.search(given(vectors)),
    async () => int8Ranges(given(vectors)),
  ]) {
    await expect(use()).rejects.toThrow(ShapeError);
    await expect(use()).rejects.toThrow(message);
  }
});

it("says how one vector alone is given, and which call has no such option", async () => {
  const vector = (await model.encode("a")) as unknown as Embeddings;
  for (const use of [() => model.search(vector), () => model.similarity("a", vector), () => model.paraphrases(vector)])
    await expect(use()).rejects.toThrow(OptionError);
  await expect(model.search(vector)).rejects.toThrow("One vector alone");
  await expect(model.paraphrases(["a"], { topK: 1 } as never)).rejects.toThrow("paraphrases has no option");
  await expect(model.clusters(["a"], { min: 1 } as never)).rejects.toThrow("clusters has no option");
});
