import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { FileError, FormatError, OptionError, ShapeError } from "../../src/errors.ts";
import type { Folder } from "../../src/io/folder.ts";
import { openFolder, writeFolderAtomically } from "../../src/io/folder-node.ts";
import { fileSource } from "../../src/io/text/source.ts";
import { loadTokenizer } from "../../src/io/tokenizer.ts";
import { openSafetensors, type TensorToWrite } from "../../src/io/weights/safetensors.ts";
import type { Weights } from "../../src/io/weights/tensor-file.ts";
import { openWeights } from "../../src/io/weights.ts";
import { inspectWeights, loadWeights, modelFiles, readConfig } from "../../src/simcse/checkpoint/checkpoint.ts";
import { beirSet } from "../../src/simcse/evaluation/sets/read-set.ts";
import { SimCseModel } from "../../src/simcse/model/model.ts";
import { poolerTypes } from "../../src/simcse/model/poolers.ts";
import { openStoredIndex } from "../../src/simcse/search/index-file.ts";
import { SimCSE } from "../../src/simcse/simcse-node.ts";
import type { LoadOptions } from "../../src/simcse/simcse-options.ts";
import { openTestDevice } from "../device.ts";
import { temporaryFolder, tinyConfig, tinySentences, writeTinyModel } from "../tiny-model.ts";

const device = await openTestDevice();
const folder = await temporaryFolder();
const plain = join(folder, "plain");

async function embed(path: string, options: Parameters<typeof SimCSE.loadFrom>[2] = { pooler: "cls" }): Promise<Float32Array> {
  await using model = await SimCSE.loadFrom(device, await openFolder(path), options);
  return (await model.encode(tinySentences)).data;
}

beforeAll(async () => {
  await writeTinyModel(plain);
});

const renamed = (rename: (name: string) => string) => (tensors: TensorToWrite[]) =>
  tensors.map((tensor) => ({ ...tensor, name: rename(tensor.name) }));
const positions: TensorToWrite = { name: "embeddings.position_ids", dtype: "I64", shape: [1, 40], data: () => new Uint8Array(320) };

describe("a checkpoint", () => {
  it.each([
    ["with the prefix bert.", renamed((name) => `bert.${name}`)],
    [
      "with gamma and beta",
      renamed((name) => name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")),
    ],
    ["of SimCSE's own training", renamed((name) => (name.startsWith("pooler") ? name.replace("pooler", "mlp") : `bert.${name}`))],
    ["with tensors that are not needed", (tensors: TensorToWrite[]) => [...tensors, positions]],
  ])("%s gives the same vectors", async (name, tensors) => {
    const path = join(folder, name.replaceAll(" ", "-"));
    await writeTinyModel(path, { tensors });
    expect(await embed(path)).toEqual(await embed(plain));
  });

  it("without a pooler is refused for cls and good for the others", async () => {
    const path = join(folder, "headless");
    await writeTinyModel(path, { tensors: (tensors) => tensors.filter(({ name }) => !name.startsWith("pooler")) });
    await expect(embed(path)).rejects.toThrow(FormatError);
    for (const pooler of poolerTypes.filter((type) => type !== "cls")) expect((await embed(path, { pooler })).length).toBe(6 * 32);
  });

  it("that does not say its pooler asks for one", async () => {
    await expect(embed(plain, {})).rejects.toThrow(OptionError);
  });

  it("saved and loaded again gives the same vectors to the bit, under the names transformers knows", async () => {
    const source = await openFolder(plain);
    const config = await readConfig(source);
    const model = await SimCseModel.allocate(device, config.transformer, { training: false, mlp: true });
    const { weights } = await inspectWeights(config);
    await loadWeights(model, weights!, { head: "checkpoint" });
    const path = join(folder, "saved");
    await writeFolderAtomically(path, modelFiles(model, tinyConfig().tokenizer, { pooler_type: "cls", max_seq_length: 32 }), {
      overwrite: false,
    });
    model.close();
    expect(await embed(path, {})).toEqual(await embed(plain));
    const names = (file: Pick<Weights, "tensors">) =>
      [...file.tensors].map(([name, { shape, dtype }]) => ({ name, shape, dtype })).sort((a, b) => (a.name < b.name ? -1 : 1));
    expect(names(await openSafetensors(await openFolder(path), "model.safetensors"))).toEqual(names(weights!));
  });
});

describe("SimCSE", () => {
  it("encodes each sentence as it does alone, whatever stands beside it", async () => {
    await using model = await SimCSE.loadFrom(device, await openFolder(plain), { pooler: "avg", batchSize: 4 });
    const { data, dimension, length } = await model.encode(tinySentences);
    expect([length, dimension]).toEqual([6, 32]);
    for (const [i, sentence] of tinySentences.entries()) expect(await model.encode(sentence)).toEqual(data.slice(i * 32, i * 32 + 32));
    expect(await model.encode([])).toEqual({ length: 0, dimension: 32, data: new Float32Array() });
  });

  it("compares texts and embeddings in every combination", async () => {
    await using model = await SimCSE.loadFrom(device, await openFolder(plain), { pooler: "avg", normalize: false });
    const keys = await model.encode(tinySentences);
    const matrix = await model.similarity(keys, tinySentences);
    expect(matrix.length).toBe(6);
    // f32 dot products of unit vectors of 32 numbers.
    for (const [i, row] of matrix.entries()) expect(row[i]).toBeCloseTo(1, 5);
    const row = await model.similarity(tinySentences[1]!, keys);
    expect(row).toEqual(matrix[1]);
    expect(await model.similarity(tinySentences[1]!, tinySentences[4]!)).toBe(row[4]);
    await expect(model.similarity("x", { length: 1, dimension: 3, data: new Float32Array(3) })).rejects.toThrow(ShapeError);
  });

  it("loads a folder by its path, on a device of its own or a given one", async () => {
    const alone = await SimCSE.load(plain, { pooler: "avg" });
    const vector = await alone.encode(tinySentences[0]!);
    const ended = alone.model.device.lost;
    alone.close();
    expect((await ended).reason).toBe("destroyed");
    await using sharing = await SimCSE.load(plain, { pooler: "avg", device });
    expect(sharing.model.device).toBe(device);
    // Its own device may have faster kernels than the one that the tests run on.
    for (const [i, value] of (await sharing.encode(tinySentences[0]!)).entries()) expect(value).toBeCloseTo(vector[i]!, 5);
    await expect(SimCSE.load(join(folder, "nowhere"))).rejects.toThrow(FileError);
    for (const wrong of ["", null, 5]) await expect(SimCSE.load(wrong as string)).rejects.toThrow(OptionError);
  });

  it("takes the hub's options with its own, and refuses others", async () => {
    await using model = await SimCSE.load(plain, { pooler: "avg", device, offline: true });
    expect(model.dimension).toBe(32);
    await expect(SimCSE.load(plain, { device, ofline: true } as LoadOptions)).rejects.toThrow('load has no option "ofline"');
  });

  it("stops when its signal says so", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(SimCSE.load(plain, { pooler: "avg", device, signal })).rejects.toThrow("enough");
  });

  it("truncates to its length and refuses one that the model does not take", async () => {
    await using model = await SimCSE.loadFrom(device, await openFolder(plain), { pooler: "avg", maxLength: 5 });
    const [long, short] = await Promise.all([model.encode("A cat sleeps on the warm stove."), model.encode("A cat sleeps")]);
    expect(long).toEqual(short);
    await expect(embed(plain, { pooler: "avg", maxLength: 41 })).rejects.toThrow(OptionError);
  });

  it.each([
    ["pooler", { pooler: "max" as "avg" }, 'There is no pooler "max".'],
    ["object's property for a pooler", { pooler: "constructor" as "avg" }, 'There is no pooler "constructor".'],
    ["batch", { pooler: "avg", batchSize: 0 } as const, "A batch of 0 sentences is not possible."],
  ])("refuses what is no %s", async (_, options, message) => {
    const loaded = embed(plain, options);
    await expect(loaded).rejects.toThrow(OptionError);
    await expect(loaded).rejects.toThrow(message);
  });
});

it.each([
  ["a path", plain],
  ["a promise", Promise.resolve(plain)],
  ["nothing", undefined],
])("a folder that is %s is refused, with how to open one", async (_, given) => {
  const folder = given as unknown as Folder;
  const calls = [
    () => SimCSE.loadFrom(device, folder, { pooler: "avg" }),
    () => loadTokenizer(folder),
    () => openWeights(folder),
    () => openStoredIndex(folder, "x"),
    () => beirSet(folder, "x"),
  ];
  for (const call of calls)
    await expect(call()).rejects.toMatchObject({ name: "OptionError", remedy: expect.stringContaining("openFolder") });
  expect(() => fileSource(folder, "x")).toThrow(OptionError);
});
