/** Narrower embeddings: the same vectors where the tables fit into them, and a model folder like any other. */
import { expect, it } from "vitest";
import { OptionError } from "../../../src/errors.ts";
import { MemoryFolder, readObject } from "../../../src/io/folder.ts";
import { bytesOf } from "../../../src/io/formats/bytes.ts";
import { encodeSafetensors } from "../../../src/io/weights/safetensors.ts";
import { openWeights } from "../../../src/io/weights.ts";
import { makeStudent } from "../../../src/simcse/distillation/make-student.ts";
import { SimCSE } from "../../../src/simcse/simcse-node.ts";
import { openTestDevice } from "../../device.ts";
import { goldenOf, kinds, publishedFolder } from "../../golden-models.ts";

const device = await openTestDevice();
const size = 9;
const texts = Object.values(goldenOf("bert").sentences).flat().map(kinds.bert.text);

/** The golden BERT with tables whose centred rows lie in `size` - 1 dimensions. */
async function withFlatTables(): Promise<MemoryFolder> {
  const folder = publishedFolder("bert", "teacher");
  const weights = (await openWeights(folder))!;
  const tensors = [...weights.tensors].map(([name, { dtype, shape }]) => ({
    name,
    dtype,
    shape,
    async data() {
      if (!name.endsWith("_embeddings.weight")) return weights.readBytes(name);
      const width = shape[1]!;
      return bytesOf((await weights.readF32(name)).map((number, at) => (at % width < size - 1 ? number : 0)));
    },
  }));
  const bytes = new MemoryFolder();
  await bytes.write("model.safetensors", encodeSafetensors(tensors));
  folder.delete("pytorch_model.bin");
  await folder.write("model.safetensors", await bytes.read("model.safetensors"));
  return folder;
}

async function vectorsOf(folder: MemoryFolder, dtype: "f16" | "f32" = "f32"): Promise<Float32Array> {
  await using simcse = await SimCSE.loadFrom(device, folder, { pooler: "avg", dtype });
  return (await simcse.encode(texts)).data;
}

it("gives the same vectors if the tables' rows have no more dimensions", async () => {
  const teacher = await withFlatTables();
  const expected = await vectorsOf(teacher);
  const student = await makeStudent(teacher, { embeddingSize: size, texts });
  const config = await readObject(student, "config.json");
  expect(config).toMatchObject({ model_type: "electra", architectures: ["ElectraModel"], embedding_size: size });
  const weights = (await openWeights(student))!;
  expect(weights.tensors.get("embeddings.word_embeddings.weight")!.shape).toEqual([config.vocab_size, size]);
  const worst = (vectors: Float32Array) => vectors.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0);
  // Both compute in f32; LayerNorm's ε weighs a little differently over another width.
  expect(worst(await vectorsOf(student))).toBeLessThan(2e-5);
  // An odd number of halves is not a whole number of words.
  if (device.capabilities.features.has("shader-f16")) expect(worst(await vectorsOf(student, "f16"))).toBeLessThan(4e-3);
});

it("keeps more of the tables with more numbers", async () => {
  const teacher = publishedFolder("bert", "teacher");
  const expected = await vectorsOf(teacher);
  const errors: number[] = [];
  for (const embeddingSize of [4, 16, 31]) {
    const vectors = await vectorsOf(await makeStudent(teacher, { embeddingSize, texts }));
    errors.push(Math.hypot(...vectors.map((value, i) => value - expected[i]!)));
  }
  expect(errors).toEqual(errors.toSorted((a, b) => b - a));
});

it("refuses what is not narrower, has nothing to count, or is no BERT", async () => {
  const teacher = publishedFolder("bert", "teacher");
  for (const embeddingSize of [1, 32, 2.5])
    await expect(makeStudent(teacher, { embeddingSize, texts })).rejects.toMatchObject({ remedy: expect.stringContaining("from 2 to 31") });
  await expect(makeStudent(teacher, { embeddingSize: size })).rejects.toThrow(OptionError);
  await expect(makeStudent(teacher, { embeddingSize: size, texts, config: teacher })).rejects.toThrow("has fresh ones");
  await expect(makeStudent(publishedFolder("roberta"), { embeddingSize: size, texts })).rejects.toThrow("is a roberta");
});
