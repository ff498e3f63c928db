/** The index of `SimCSE`: built, changed, searched, saved and loaded; and invalid files. */
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { ClosedError, FileError, FormatError, OptionError } from "../../../src/errors.ts";
import { openFolder } from "../../../src/io/folder-node.ts";
import { encodeSafetensors, openSafetensors, type TensorToWrite } from "../../../src/io/weights/safetensors.ts";
import { precisions } from "../../../src/kernels/search/precision.ts";
import type { Filter } from "../../../src/simcse/search/metadata.ts";
import { SimCSE } from "../../../src/simcse/simcse-node.ts";
import { openTestDevice } from "../../device.ts";
import { temporaryFolder, tinySentences, writeTinyModel } from "../../tiny-model.ts";

const device = await openTestDevice();
const folder = await temporaryFolder();
const modelFolder = join(folder, "model");
await writeTinyModel(modelFolder);
const load = async (pooler: "avg" | "cls_before_pooler" = "avg") => SimCSE.loadFrom(device, await openFolder(modelFolder), { pooler });
const model = await load();
afterAll(() => model.close());

const everything = { topK: 10, threshold: -1 };

describe("an index", () => {
  it("is searched by one query or several", async () => {
    await model.buildIndex(tinySentences);
    const results = await model.search(tinySentences[2]!);
    expect(results[0]).toMatchObject({ id: 2, sentence: tinySentences[2] });
    expect(results[0]!.score).toBeCloseTo(1, 5);
    expect(results.length).toBeLessThanOrEqual(5);
    for (const { score } of results) expect(score).toBeGreaterThanOrEqual(0.6);
    expect(await model.search([tinySentences[2]!, tinySentences[3]!])).toEqual([results, await model.search(tinySentences[3]!)]);
    expect(await model.search(await model.encode([tinySentences[2]!]))).toEqual([results]);
    const [all] = await model.search([tinySentences[0]!], everything);
    const expected = await model.similarity(tinySentences[0]!, tinySentences);
    expect(all!.map(({ id }) => id)).toEqual([...expected.keys()].sort((a, b) => expected[b]! - expected[a]!));
    expect(await model.search([])).toEqual([]);
  });

  it("takes ids, gives others running numbers, and removes by them", async () => {
    await model.buildIndex([
      { id: "cat", sentence: tinySentences[0]! },
      tinySentences[1]!,
      { id: 7, sentence: tinySentences[2]! },
      tinySentences[3]!,
    ]);
    const ids = async () => (await model.search(tinySentences[0]!, everything)).map(({ id }) => id).toSorted();
    expect(await ids()).toEqual([0, 7, 8, "cat"]);
    await expect(model.addToIndex([tinySentences[4]!, { id: "cat", sentence: "x" }])).rejects.toThrow(OptionError);
    expect(await ids()).toEqual([0, 7, 8, "cat"]);
    expect(await model.removeFromIndex([7, "dog", "cat"])).toBe(2);
    await model.addToIndex([tinySentences[4]!]);
    expect(await ids()).toEqual([0, 8, 9]);
    await expect(model.addToIndex([{ id: Number.NaN, sentence: "x" }])).rejects.toThrow(OptionError);
  });

  it("takes vectors that exist, and refuses those of other sentences, wherever they are", async () => {
    const vectors = await model.encode(tinySentences);
    await model.buildIndex(tinySentences, { vectors });
    expect(model.index.length).toBe(tinySentences.length);
    for (const wrong of [0, tinySentences.length >> 1, tinySentences.length - 1]) {
      const data = vectors.data.map((value, i) => (Math.floor(i / vectors.dimension) === wrong ? -value : value));
      await expect(model.buildIndex(tinySentences, { vectors: { ...vectors, data } })).rejects.toThrow(
        `given for sentences[${wrong}] is not`,
      );
    }
  });

  it("takes vectors of zeros from a model that makes them, and no others", async () => {
    const zeros = join(folder, "zeros");
    await writeTinyModel(zeros, {
      tensors: (all) => all.map((one) => (/output\.LayerNorm/.test(one.name) ? { ...one, data: () => new Uint8Array(32 * 4) } : one)),
    });
    await using none = await SimCSE.loadFrom(device, await openFolder(zeros), { pooler: "avg" });
    const vectors = await none.encode(tinySentences);
    expect(vectors.data.every((value) => value === 0)).toBe(true);
    await none.buildIndex(tinySentences, { vectors });
    expect(none.index.length).toBe(tinySentences.length);
    await expect(none.buildIndex(tinySentences, { vectors: await model.encode(tinySentences) })).rejects.toThrow("sentences[0] is not");
    await expect(model.buildIndex(tinySentences, { vectors })).rejects.toThrow("sentences[0] is not");
  });

  it("is built from a stream", async () => {
    async function* stream() {
      yield* tinySentences;
    }
    const progress: number[] = [];
    await model.buildIndex(stream(), { onProgress: (done) => progress.push(done) });
    expect(model.index.length).toBe(6);
    expect(progress.at(-1)).toBe(6);
  });

  it("names an id that is given twice, and replaces sentences where it is asked to", async () => {
    await model.buildIndex([{ id: "a", sentence: "one" }, "two"]);
    await expect(model.addToIndex([{ id: "a", sentence: "again" }])).rejects.toThrow(
      'sentences[0] has the id "a", which is in the index already',
    );
    const twice = [{ id: "b", sentence: "x" }, "y", { id: "b", sentence: "z" }];
    await expect(model.buildIndex(twice)).rejects.toThrow('sentences[2] has the id "b", as sentences[0] has');
    await model.addToIndex([{ id: "a", sentence: tinySentences[0]! }, "three"], { upsert: true });
    expect(model.index.list().map(({ id, sentence }) => [id, sentence])).toEqual([
      [0, "two"],
      ["a", tinySentences[0]],
      [1, "three"],
    ]);
    expect((await model.search(tinySentences[0]!, { topK: 1 }))[0]).toMatchObject({ id: "a" });
  });

  it("removes one id that is given as a text, and not its letters", async () => {
    await model.buildIndex(["a", "b", "ab"].map((id) => ({ id, sentence: id })));
    expect(await model.removeFromIndex("ab")).toBe(1);
    expect(model.index.entries.map(({ id }) => id)).toEqual(["a", "b"]);
  });

  it.each<[string, unknown, string]>([
    ["another field for the sentence", [{ id: 1, text: "x" }], 'sentences[0] has no text in the field "sentence"'],
    ["an unknown field", [{ sentence: "x", meta: {} }], 'sentences[0] has an unknown field "meta"'],
    ["a number", ["x", 5], "sentences[1] is the number 5"],
    ["nothing", [undefined], "sentences[0] is undefined"],
    ["a text in place of a list", "x", "sentences must be texts"],
    ["an empty id", [{ id: "", sentence: "x" }], "sentences[0].id is an empty text"],
    [
      "a date as metadata",
      [{ sentence: "x", metadata: { at: new Date(0) } }],
      "sentences[0].metadata.at is a Date, which JSON does not have",
    ],
    ["a map as metadata", [{ sentence: "x", metadata: new Map() }], "sentences[0].metadata must be a JSON object, but is a Map"],
    ["metadata that JSON does not have", [{ sentence: "x", metadata: { n: [1, Number.NaN] } }], "sentences[0].metadata.n.1 is NaN"],
  ])("refuses %s", async (_, sentences, message) => {
    const built = model.buildIndex(sentences as string[]);
    await expect(built).rejects.toThrow(OptionError);
    await expect(built).rejects.toThrow(message);
  });

  it("is replaced while a search and a change use it", async () => {
    await model.buildIndex(tinySentences);
    const before = model.index;
    const [found, , after] = await Promise.all([
      model.search(tinySentences, everything),
      model.buildIndex(tinySentences.slice(0, 2)),
      model.search(tinySentences[0]!, everything),
    ]);
    expect(found.length).toBe(6);
    expect(after.length).toBeGreaterThan(0);
    expect(model.index.length).toBe(2);
    await expect(before.search(new Float32Array(32).fill(1))).rejects.toThrow(ClosedError);
  });

  it("is the one that was asked for last, whichever is ready first", async () => {
    const many = Array.from({ length: 200 }, (_, i) => `${tinySentences[i % 6]} ${i}`);
    await Promise.all([model.buildIndex(many), model.buildIndex(tinySentences.slice(0, 3))]);
    expect(model.index.length).toBe(3);
  });

  it("gets what is added, and loses what is removed, after the calls before: none is lost in an index that is replaced", async () => {
    await using fresh = await load();
    const many = Array.from({ length: 200 }, (_, i) => ({ id: `m${i}`, sentence: `${tinySentences[i % 6]} ${i}` }));
    const stopped = new AbortController();
    const [, , removed, , aborted, , last] = await Promise.allSettled([
      fresh.buildIndex(tinySentences),
      fresh.addToIndex([{ id: "late", sentence: "late" }]),
      fresh.removeFromIndex(["late", 0]),
      fresh.buildIndex(many),
      fresh.buildIndex(tinySentences, { signal: stopped.signal }),
      fresh.addToIndex(many.map(({ id, sentence }) => ({ id: `again ${id}`, sentence }))),
      fresh.buildIndex(tinySentences.slice(0, 1)).then(() => fresh.index.length),
      stopped.abort(),
    ]);
    expect([removed, aborted.status, last]).toEqual([{ status: "fulfilled", value: 2 }, "rejected", { status: "fulfilled", value: 1 }]);
    const [, added] = await Promise.all([fresh.buildIndex(many), fresh.addToIndex(["one more"]).then(() => fresh.index.length)]);
    expect(added).toBe(201);
  });

  it("must be there", async () => {
    await using fresh = await load();
    await expect(fresh.search("x")).rejects.toThrow(OptionError);
    await expect(fresh.addToIndex(["x"])).rejects.toThrow(OptionError);
    await expect(fresh.saveIndex(join(folder, "never"))).rejects.toThrow(OptionError);
    expect(await readdir(folder)).not.toContain("never");
  });

  it("keeps its order while searches and changes come at once", async () => {
    await model.buildIndex(tinySentences);
    const [first, , second] = await Promise.all([
      model.search(tinySentences[0]!, everything),
      model.removeFromIndex([0]),
      model.search(tinySentences[1]!, everything),
      model.addToIndex(["A cat sleeps."]),
    ]);
    for (const { id, sentence } of [...first, ...second]) expect(sentence).toBe(id === 6 ? "A cat sleeps." : tinySentences[id as number]);
  });
});

describe("metadata", () => {
  const years = [1999, 2005, 2010, 2010, 2015, 2020];
  const build = () =>
    model.buildIndex(
      tinySentences.map((sentence, i) => ({
        id: i,
        sentence,
        metadata: {
          year: years[i]!,
          lang: i % 2 === 0 ? "en" : "de",
          tags: i < 3 ? ["early", "x"] : ["late"],
          ...(i === 5 && { note: null }),
        },
      })),
    );
  const idsOf = (entries: readonly { id: string | number }[]) => entries.map(({ id }) => id).toSorted();

  it.each<[Filter, number[]]>([
    [{}, [0, 1, 2, 3, 4, 5]],
    [{ lang: "de" }, [1, 3, 5]],
    [{ year: 2010 }, [2, 3]],
    [{ year: { gte: 2010 }, lang: "en" }, [2, 4]],
    [{ year: { gt: 1999, lt: 2010 } }, [1]],
    [{ year: { in: [1999, 2020] } }, [0, 5]],
    [{ tags: "early" }, [0, 1, 2]],
    [{ tags: { in: ["late", "none"] } }, [3, 4, 5]],
    [{ note: null }, [5]],
    [{ year: "2010" }, []],
    [{ year: { gte: "2" } }, []],
    [{ toString: "x" }, []],
  ])("is filtered by %j", async (filter, expected) => {
    await build();
    const [all, found] = [
      await model.search(tinySentences[0]!, everything),
      await model.search(tinySentences[0]!, { ...everything, filter }),
    ];
    expect(idsOf(found)).toEqual(expected);
    // The same scores, in the same order.
    expect(found).toEqual(all.filter(({ id }) => expected.includes(id as number)));
    expect(idsOf(model.index.list({ filter }))).toEqual(expected);
  });

  it("comes back with results, follows changes, and is saved", async () => {
    await build();
    await model.search("x", { filter: { lang: "de" } });
    await model.addToIndex([{ id: 1, sentence: "x", metadata: { lang: "en" } }], { upsert: true });
    const filter: Filter = { lang: "en" };
    const before = await model.search("x", { ...everything, filter });
    expect(idsOf(before)).toEqual([0, 1, 2, 4]);
    expect(before.find(({ id }) => id === 1)!.metadata).toEqual({ lang: "en" });
    const path = join(folder, "metadata.index");
    await model.saveIndex(path);
    await model.loadIndex(path);
    expect(await model.search("x", { ...everything, filter })).toEqual(before);
    expect(model.index.list({ offset: 1, limit: 2 }).map(({ id }) => id)).toEqual([2, 3]);
  });

  it("is the index's own: it changes neither with the object that it was made from nor with a result", async () => {
    const metadata = { page: 0, tags: ["x"] };
    await model.buildIndex([]);
    for (const [page, sentence] of tinySentences.entries()) {
      metadata.page = page;
      await model.addToIndex([{ sentence, metadata }]);
    }
    metadata.tags.push("later");
    const pages = () => model.index.list().map((entry) => [entry.metadata!.page, entry.metadata!.tags]);
    const expected = tinySentences.map((_, page) => [page, ["x"]]);
    expect(pages()).toEqual(expected);
    const found = await model.search(tinySentences[0]!, everything);
    for (const result of [...model.index.list(), ...found] as unknown as { sentence: string; metadata: { page: number } }[]) {
      result.sentence = "changed";
      result.metadata.page = 99;
    }
    expect(pages()).toEqual(expected);
    expect(model.index.list().map(({ sentence }) => sentence)).toEqual(tinySentences);
    expect((await model.search("x", { ...everything, filter: { page: 99 } })).length).toBe(0);
    const odd = JSON.parse('{"__proto__":{"a":1},"constructor":"c"}');
    await model.buildIndex([{ sentence: "x", metadata: odd }]);
    expect(JSON.stringify(model.index.list()[0]!.metadata)).toBe(JSON.stringify(odd));
  });

  it.each<[unknown, string]>([
    ["x", "A filter must be an object"],
    [{ year: { above: 3 } }, 'a condition "above"'],
    [{ year: { gtte: 3 } }, "did you mean gte?"],
    [{ year: {} }, 'The filter on "year" has no condition'],
    [{ year: { gte: null } }, 'gte of the filter on "year"'],
    [{ year: { in: 5 } }, 'in of the filter on "year"'],
    [{ year: [1] }, 'The filter on "year" compares with an array'],
  ])("is not filtered by %j", async (filter, message) => {
    await build();
    await expect(model.search("x", { filter: filter as Filter })).rejects.toThrow(message);
  });
});

describe("a saved index", () => {
  const odd = ['quotes " and \\', "newline \n and \u2028", "🐈 \ud800", ""];

  it.each(precisions)("loads again with the same results: %s", async (precision) => {
    const path = join(folder, `${precision}.index`);
    await model.buildIndex([...tinySentences, ...odd.map((sentence, i) => ({ id: `odd ${i}`, sentence }))], { precision });
    await model.removeFromIndex([1]);
    const before = await model.search(tinySentences, everything);
    await model.saveIndex(path);
    await using other = await load();
    await other.loadIndex(path);
    expect(await other.search(tinySentences, everything)).toEqual(before);
    // Running numbers go on, those of removed sentences included.
    await other.removeFromIndex([5]);
    await other.saveIndex(path);
    await other.loadIndex(path);
    await other.addToIndex(["A cat."]);
    expect(other.index.entries.at(-1)!.id).toBe(6);
  });

  it("of no sentences loads too", async () => {
    await model.buildIndex([]);
    await model.saveIndex(join(folder, "empty.index"));
    await model.loadIndex(join(folder, "empty.index"));
    expect(await model.search("x", everything)).toEqual([]);
  });

  it("is refused by a model or pooler that did not make it", async () => {
    await model.buildIndex(tinySentences);
    const path = join(folder, "avg.index");
    await model.saveIndex(path);
    await using other = await load("cls_before_pooler");
    await expect(other.loadIndex(path)).rejects.toThrow(
      /avg\.index was built with the model model, and model has other weights or another pooler/,
    );
    // A fine-tune: one weight differs, by too little to show in any vector.
    await using tuned = await load();
    const { store } = tuned.model;
    const bias = await store.read("bert.encoder.layer.0.output.dense.bias");
    store.write(
      "bert.encoder.layer.0.output.dense.bias",
      bias.map((value) => value + 1e-7),
    );
    await expect(tuned.loadIndex(path)).rejects.toThrow(OptionError);
    await expect(other.loadIndex(join(folder, "nowhere"))).rejects.toThrow(FileError);
    await expect(other.loadIndex(join(modelFolder, "model.safetensors"))).rejects.toThrow(FormatError);
  });

  it("leaves the index that is there when it cannot be loaded", async () => {
    await model.buildIndex(tinySentences);
    await expect(model.loadIndex(join(modelFolder, "model.safetensors"))).rejects.toThrow(FormatError);
    expect(model.index.length).toBe(6);
  });

  const edits: Record<string, (tensors: TensorToWrite[], metadata: Record<string, string>) => TensorToWrite[]> = {
    "another version": (all, metadata) => {
      metadata.version = "3";
      return all;
    },
    "no precision": (all, metadata) => {
      metadata.precision = "f8";
      return all;
    },
    "an absurd dimension": (all, metadata) => {
      metadata.dimension = "1e9";
      return all;
    },
    "no running number": (all, metadata) => {
      delete metadata.next_id;
      return all;
    },
    "more parts than there are": (all, metadata) => {
      metadata.parts = "2";
      return all;
    },
    "vectors of another shape": (all) => all.map((tensor) => (tensor.name === "vectors.0" ? { ...tensor, shape: [12, 16] } : tensor)),
    "a vector that is not finite": (all) =>
      all.map((tensor) => (tensor.name === "vectors.0" ? { ...tensor, data: () => new Uint8Array(6 * 32 * 4).fill(255) } : tensor)),
    "too few sentences": (all) => withSentences(all, '[0,"a"]\n'),
    "sentences that are not JSON": (all) => withSentences(all, "what\n".repeat(6)),
    "an id twice": (all) => withSentences(all, '[0,"a"]\n'.repeat(6)),
    "vectors that are not of unit length": (all) =>
      all.map((tensor) =>
        tensor.name === "vectors.0" ? { ...tensor, data: () => new Uint8Array(new Float32Array(6 * 32).fill(1).buffer) } : tensor,
      ),
    "metadata that is no object": (all) => withSentences(all, '[0,"a",5]\n'.repeat(6)),
    "an id that is no id": (all) => withSentences(all, '[{},"a"]\n'.repeat(6)),
  };
  const withSentences = (all: TensorToWrite[], text: string) =>
    all.map((tensor) =>
      tensor.name === "sentences.0" ? { ...tensor, shape: [text.length], data: () => new TextEncoder().encode(text) } : tensor,
    );

  it.each(Object.entries(edits))("with %s is refused", async (name, edit) => {
    await model.buildIndex(tinySentences);
    await model.saveIndex(join(folder, "good.index"));
    const good = await openSafetensors(await openFolder(folder), "good.index");
    const metadata = { ...good.metadata };
    const tensors = [...good.tensors].map(([tensor, { dtype, shape }]) => ({
      name: tensor,
      dtype,
      shape: [...shape],
      data: () => good.readBytes(tensor),
    }));
    const path = join(folder, `${name.replaceAll(" ", "-")}.index`);
    await writeFile(path, encodeSafetensors(edit(tensors, metadata), metadata));
    await expect(model.loadIndex(path)).rejects.toThrow(FormatError);
  });

  it("of version 1 loads with the probe as its check", async () => {
    await model.buildIndex(tinySentences);
    const before = await model.search(tinySentences, everything);
    await model.saveIndex(join(folder, "old.index"));
    const old = await openSafetensors(await openFolder(folder), "old.index");
    const { model: _name, fingerprint: _fingerprint, ...metadata } = old.metadata;
    const tensors = [...old.tensors].map(([name, { dtype, shape }]) => ({
      name,
      dtype,
      shape: [...shape],
      data: () => old.readBytes(name),
    }));
    await writeFile(join(folder, "v1.index"), encodeSafetensors(tensors, { ...metadata, version: "1" }));
    await model.loadIndex(join(folder, "v1.index"));
    expect(await model.search(tinySentences, everything)).toEqual(before);
    await using other = await load("cls_before_pooler");
    await expect(other.loadIndex(join(folder, "v1.index"))).rejects.toThrow(OptionError);
  });

  it("is not taken for one: a table", async () => {
    await writeFile(join(folder, "faq.csv"), "question,answer\n");
    await expect(model.loadIndex(join(folder, "faq.csv"))).rejects.toThrow("faq.csv is not an index file");
  });
});
