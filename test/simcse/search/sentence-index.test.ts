/** The index of `SimCSE`: built, changed, searched, saved and loaded; and files that are not what they should be. */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { FileError, FormatError, OptionError, SimcseError } from "../../../src/errors.ts";
import { openFolder } from "../../../src/io/folder-node.ts";
import { encodeSafetensors, openSafetensors, type TensorToWrite } from "../../../src/io/weights/safetensors.ts";
import { precisions } from "../../../src/simcse/embedding/precision.ts";
import { SimCSE } from "../../../src/simcse/simcse-node.ts";
import { openTestDevice } from "../../device.ts";
import { temporaryFolder, tinySentences, writeTinyModel } from "../../tiny-model.ts";

const device = await openTestDevice();
const folder = await temporaryFolder();
const modelFolder = join(folder, "model");
await mkdir(modelFolder);
await writeTinyModel(modelFolder);
const load = async (pooler: "avg" | "cls_before_pooler" = "avg") => SimCSE.loadFrom(device, await openFolder(modelFolder), { pooler });
const model = await load();
afterAll(() => model.close());

const everything = { threshold: -2, topK: 10 };

describe("an index", () => {
  it("is searched by one query or several, with the original's defaults", async () => {
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

  it("is built from a stream", async () => {
    async function* stream() {
      yield* tinySentences;
    }
    const progress: number[] = [];
    await model.buildIndex(stream(), { onProgress: (done) => progress.push(done) });
    expect(model.index.length).toBe(6);
    expect(progress.at(-1)).toBe(6);
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
    await expect(other.loadIndex(path)).rejects.toThrow(OptionError);
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
      metadata.version = "2";
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

  it("cut or changed anywhere ends in typed errors or loads", async () => {
    await model.buildIndex(tinySentences, { precision: "int8", rescore: false });
    const path = join(folder, "fuzzed.index");
    await model.saveIndex(path);
    const good = await readFile(path);
    const change = fc.oneof(
      fc.nat(good.length - 1).map((end) => good.subarray(0, end)),
      fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }).map((bytes) => {
        const changed = Buffer.from(good);
        for (const [at, value] of bytes) changed[at] = value;
        return changed;
      }),
    );
    await fc.assert(
      fc.asyncProperty(change, async (bytes) => {
        await writeFile(path, bytes);
        try {
          await model.loadIndex(path);
        } catch (error) {
          expect(error).toBeInstanceOf(SimcseError);
        }
      }),
      { numRuns: 300 },
    );
  });
});
