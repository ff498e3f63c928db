import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { NonFiniteError, OptionError } from "../../../src/errors.ts";
import type { Capabilities } from "../../../src/gpu/capabilities.ts";
import { MemoryFolder } from "../../../src/io/folder.ts";
import { openFolder } from "../../../src/io/folder-node.ts";
import { encodingDtype } from "../../../src/simcse/model/encoding-dtype.ts";
import { SimCSE } from "../../../src/simcse/simcse-node.ts";
import { openTestDevice } from "../../device.ts";
import { temporaryFolder, tinySentences, writeTinyModel } from "../../tiny-model.ts";

const device = await openTestDevice();
const load = async (folder: string, dtype: "f16" | "f32", pooler?: "avg") =>
  SimCSE.loadFrom(device, await openFolder(folder), { dtype, ...(pooler && { pooler }) });

/** Of all lengths and kinds, so that some batch has each. */
const sentences = [
  ...tinySentences,
  "Yes.",
  "",
  "The committee postponed the vote on the new bridge because nobody could say what it would cost to keep it open in winter.",
  "const total = rows.reduce((sum, row) => sum + row.price, 0);",
  "Our train was late again, so we missed the connection in Zürich and spent the night on a bench, talking about everything and nothing.",
  "How do I get my money back if the parcel never arrives?",
  "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
  "3.14159 26535 89793 23846",
  "Il a plu toute la journée, mais les enfants ont quand même joué dehors.",
  "The cat that the dog that the man owned chased climbed the tree.",
  `${"A very long sentence repeats itself, and repeats itself once more. ".repeat(4)}`,
];

function cosines(a: Float32Array, b: Float32Array, dimension: number): number[] {
  return Array.from({ length: a.length / dimension }, (_, row) => {
    let [dot, aa, bb] = [0, 0, 0];
    for (let i = row * dimension; i < (row + 1) * dimension; i++) {
      dot += a[i]! * b[i]!;
      aa += a[i]! ** 2;
      bb += b[i]! ** 2;
    }
    return dot / Math.sqrt(aa * bb);
  });
}

describe("the repository's own model", () => {
  it("gives the vectors of f32, to a cosine of 0.9999, in half the memory", async () => {
    await using whole = await load("models/simcse-small-en", "f32");
    await using halves = await load("models/simcse-small-en", "f16");
    expect([whole.dtype, halves.dtype]).toEqual(["f32", "f16"]);
    const [expected, found] = [await whole.encode(sentences), await halves.encode(sentences)];
    expect(found.data).not.toEqual(expected.data);
    for (const cosine of cosines(found.data, expected.data, found.dimension)) expect(cosine).toBeGreaterThan(0.9999);
    expect(halves.model.store.bytes / whole.model.store.bytes).toBeLessThan(0.51);
    const [of16, of32] = [halves, whole].map(({ encoder }) => encoder.plan.bytes.total);
    expect(of16! / of32!).toBeLessThan(0.7);
  });
});

describe("a checkpoint in f32", async () => {
  const folder = join(await temporaryFolder(), "model");
  await writeTinyModel(folder);
  const whole = await load(folder, "f32", "avg");
  const halves = await load(folder, "f16", "avg");
  afterAll(() => {
    whole.close();
    halves.close();
  });

  it("is saved as it was, though the device has it rounded", async () => {
    const name = "bert.embeddings.word_embeddings.weight";
    expect(await halves.model.store.read(name)).not.toEqual(await whole.model.store.read(name));
    const [from16, from32] = [new MemoryFolder("f16"), new MemoryFolder("f32")];
    await halves.save(from16);
    await whole.save(from32);
    const size = await from32.size("model.safetensors");
    expect(await from16.read("model.safetensors", 0, size)).toEqual(await from32.read("model.safetensors", 0, size));
  });

  it("is trained from its own weights", async () => {
    await using trained = await load(folder, "f16", "avg");
    const { store } = whole.model;
    for await (const _ of trained.train(tinySentences, { batchSize: 2, epochs: 1, learningRate: 1e-30 }));
    expect(trained.dtype).toBe("f32");
    for (const name of store.pieces.keys()) expect(await trained.model.store.read(name)).toEqual(await store.read(name));
  });

  it("makes and opens the same indexes in both", async () => {
    const place = await temporaryFolder();
    for (const [from, to] of [
      [whole, halves],
      [halves, whole],
    ] as const) {
      await from.buildIndex(tinySentences);
      await from.saveIndex(join(place, "an.index"));
      await to.loadIndex(join(place, "an.index"));
      expect((await to.search(tinySentences[2]!))[0]!.sentence).toBe(tinySentences[2]);
    }
  });

  it("says which dtype to use when halves cannot hold its numbers", async () => {
    const large = join(await temporaryFolder(), "large");
    await writeTinyModel(large, {
      tensors: (all) =>
        all.map((tensor) =>
          tensor.name.endsWith("output.dense.bias")
            ? { ...tensor, data: () => new Uint8Array(new Float32Array(32).fill(1e6).buffer) }
            : tensor,
        ),
    });
    await using overflowing = await load(large, "f16", "avg");
    const encoded = overflowing.encode(tinySentences);
    await expect(encoded).rejects.toThrow(NonFiniteError);
    await expect(encoded).rejects.toMatchObject({ remedy: expect.stringContaining("dtype f32") });
  });
});

it("is the default where matrix units multiply halves, except for training", () => {
  const matrices = [{ componentType: "f16", resultComponentType: "f32", M: 16, N: 16, K: 16 }];
  const capable = { features: new Set(["shader-f16"]), subgroupSize: 32, subgroupMatrices: matrices } as unknown as Capabilities;
  expect(encodingDtype({}, capable)).toBe("f16");
  expect(encodingDtype({ training: true }, capable)).toBe("f32");
  expect(encodingDtype({ dtype: "f32" }, capable)).toBe("f32");
  expect(encodingDtype({}, { ...capable, subgroupMatrices: [] })).toBe("f32");
  expect(() => encodingDtype({ dtype: "f16", training: true }, capable)).toThrow(OptionError);
  expect(() => encodingDtype({ dtype: "f8" as "f16" }, capable)).toThrow("There is no dtype");
});
