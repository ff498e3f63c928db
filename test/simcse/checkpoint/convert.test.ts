/**
 * Conversions: names, dtypes and files are as the reader of each format expects, a second conversion changes nothing, and all readers,
 * including ONNX Runtime, give the same vectors.
 */
import { InferenceSession, Tensor } from "onnxruntime-web";
import { describe, expect, it } from "vitest";
import { FormatError, OptionError } from "../../../src/errors.ts";
import { type Folder, MemoryFolder, readJson } from "../../../src/io/folder.ts";
import { encodeSafetensors } from "../../../src/io/weights/safetensors.ts";
import { openTorchCheckpoint } from "../../../src/io/weights/torch-checkpoint.ts";
import { openWeights } from "../../../src/io/weights.ts";
import { readConfig } from "../../../src/simcse/checkpoint/checkpoint.ts";
import { huggingFaceFiles, openConvertible, sentenceTransformersFiles } from "../../../src/simcse/checkpoint/convert.ts";
import { onnxFiles } from "../../../src/simcse/checkpoint/convert-onnx.ts";
import { poolerTypes } from "../../../src/simcse/model/poolers.ts";
import { SimCSE } from "../../../src/simcse/simcse.ts";
import type { LoadOptions } from "../../../src/simcse/simcse-options.ts";
import { openTestDevice } from "../../device.ts";
import { goldenOf, kinds, publishedFolder, written } from "../../golden-models.ts";

const device = await openTestDevice();

async function vectors(folder: Folder, kind: keyof typeof kinds, options: LoadOptions = {}): Promise<Float32Array> {
  await using model = await SimCSE.loadFrom(device, folder, { ...options, dtype: "f32" });
  return (await model.encode(textsOf(kind))).data;
}

/** The cosine of row i of two matrices of unit vectors, [rows, 32]. */
function cosine(a: Float32Array, b: Float32Array, i: number): number {
  return a.subarray(i * 32, i * 32 + 32).reduce((sum, value, at) => sum + value * b[i * 32 + at]!, 0);
}

function textsOf(kind: keyof typeof kinds): string[] {
  return goldenOf(kind).sentences.negatives!.map((ids) => kinds[kind].text(ids.slice(1, -1)));
}

describe.each(["bert", "roberta"] as const)("a checkpoint of %s", (kind) => {
  const source = publishedFolder(kind, "source", { architectures: ["BertForCL"] });

  it("becomes Hugging Face's, to the bit, and stays so", async () => {
    const folder = await written(huggingFaceFiles(await openConvertible(source, { pooler: "cls", maxLength: 21 }), "F32"));
    const config = await readJson<Record<string, unknown>>(folder, "config.json");
    expect(config).toMatchObject({
      architectures: [kind === "bert" ? "BertModel" : "RobertaModel"],
      torch_dtype: "float32",
      simcse: { pooler_type: "cls", max_seq_length: 21 },
    });
    const [before, after] = [await openTorchCheckpoint(source, "pytorch_model.bin"), (await openWeights(folder))!];
    const floats = [...before.tensors.keys()].filter((name) => !name.endsWith("position_ids"));
    expect(after.tensors.size).toBe(floats.length);
    for (const name of floats) {
      const converted = name.replace(/^roberta\./, "").replace(/^mlp\./, "pooler.");
      expect(await after.readBytes(converted), name).toEqual(await before.readBytes(name));
    }
    expect(await vectors(folder, kind)).toEqual(await vectors(source, kind, { pooler: "cls", maxLength: 21 }));
    const again = await written(huggingFaceFiles(await openConvertible(folder), "F32"));
    expect(again.files.toSorted()).toEqual(folder.files.toSorted());
    for (const file of folder.files) expect(await again.read(file), file).toEqual(await folder.read(file));
  });

  it("in half precision takes half the bytes and is nearly the same", async () => {
    const folder = await written(huggingFaceFiles(await openConvertible(source, { pooler: "avg" }), "F16"));
    expect(await readJson(folder, "config.json")).toMatchObject({ torch_dtype: "float16" });
    const weights = (await openWeights(folder))!;
    expect(new Set([...weights.tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(["F16"]));
    const [half, single] = [await vectors(folder, kind), await vectors(source, kind, { pooler: "avg" })];
    // Unit vectors through weights that are rounded by 2^-11.
    for (const [i, value] of half.entries()) expect(Math.abs(value - single[i]!)).toBeLessThan(2e-3);
  });

  it("in 8 bits takes about a quarter of the bytes, is nearly the same, and stays as it is", async () => {
    const folder = await written(sentenceTransformersFiles(await openConvertible(source, { pooler: "cls" }), "I8"));
    expect(folder.files).toContain("model.int8.safetensors");
    expect(folder.files).toContain("2_Dense/model.int8.safetensors");
    expect(folder.files).not.toContain("model.safetensors");
    const weights = (await openWeights(folder))!;
    for (const [name, { dtype, shape }] of weights.tensors) expect(dtype, name).toBe(shape.length === 2 ? "I8" : "F32");
    const [rounded, single] = [await vectors(folder, kind), await vectors(source, kind, { pooler: "cls" })];
    for (const [i, value] of rounded.entries()) expect(Math.abs(value - single[i]!)).toBeLessThan(2e-2);
    const floats = await written(sentenceTransformersFiles(await openConvertible(folder), "F32"));
    expect(await vectors(floats, kind)).toEqual(rounded);
    const again = await written(sentenceTransformersFiles(await openConvertible(floats), "I8"));
    for (const file of ["model.int8.safetensors", "2_Dense/model.int8.safetensors"]) {
      expect(await again.read(file), file).toEqual(await folder.read(file));
    }
  });

  it("becomes a folder of sentence-transformers", async () => {
    const folder = await written(
      sentenceTransformersFiles(await openConvertible(source, { pooler: "cls_before_pooler", maxLength: 9 }), "F32"),
    );
    expect(folder.files).toEqual(
      expect.arrayContaining(["modules.json", "1_Pooling/config.json", "sentence_bert_config.json", "tokenizer.json"]),
    );
    expect(await vectors(folder, kind)).toEqual(await vectors(source, kind, { pooler: "cls_before_pooler", maxLength: 9 }));
    const unsaid = await openConvertible(source);
    expect(() => sentenceTransformersFiles(unsaid, "F32")).toThrow(OptionError);
  });

  it("becomes one with SimCSE's MLP as a dense layer, from which the MLP is read", async () => {
    const folder = await written(sentenceTransformersFiles(await openConvertible(source, { pooler: "cls", maxLength: 30 }), "F32"));
    const config = await readJson<Record<string, unknown>>(folder, "config.json");
    // As others write it: nothing of ours in the config, and the transformer without a pooler.
    await folder.write("config.json", JSON.stringify({ ...config, simcse: undefined }));
    const weights = (await openWeights(folder))!;
    const encoder = [...weights.tensors].filter(([name]) => !name.startsWith("pooler."));
    const headless = encodeSafetensors(encoder.map(([name, info]) => ({ ...info, name, data: () => weights.readBytes(name) })));
    const other = new MemoryFolder("other");
    for (const file of folder.files) await other.write(file, file === "model.safetensors" ? headless : await folder.read(file));
    expect(await readConfig(other)).toMatchObject({ pooler: "cls", maxLength: 30, hasTrainedHead: true, simcse: null });
    expect(await vectors(other, kind)).toEqual(await vectors(source, kind, { pooler: "cls", maxLength: 30 }));
  });

  it.each(poolerTypes)("becomes an ONNX graph that gives the same vectors by %s", async (pooler) => {
    const folder = await written(onnxFiles(await openConvertible(source, { pooler })));
    expect(folder.files).toEqual(expect.arrayContaining(["onnx/model.onnx", "config.json", "tokenizer.json"]));
    expect(folder.files).not.toContain("model.safetensors");
    const session = await InferenceSession.create(await folder.read("onnx/model.onnx"));
    // The types of tokens may be left out.
    expect(session.inputNames).toEqual(["input_ids", "attention_mask"]);
    const wanted = await vectors(source, kind, { pooler });
    const ids = goldenOf(kind).sentences.negatives!;
    const longest = Math.max(...ids.map(({ length }) => length));
    const table = (of: (sentence: number[], i: number) => number) =>
      new Tensor("int64", BigInt64Array.from(ids.flatMap((row) => Array.from({ length: longest }, (_, i) => BigInt(of(row, i))))), [
        ids.length,
        longest,
      ]);
    const inputs = {
      input_ids: table((row, i) => row[i] ?? (kind === "bert" ? 0 : 1)),
      attention_mask: table((row, i) => (i < row.length ? 1 : 0)),
    };
    const { sentence_embedding: found, last_hidden_state: hidden } = await session.run(inputs);
    expect(hidden!.dims).toEqual([ids.length, longest, 32]);
    expect(found!.dims).toEqual([ids.length, 32]);
    for (const [i, value] of (found!.data as Float32Array).entries()) expect(Math.abs(value - wanted[i]!), `${i}`).toBeLessThan(1e-5);
    await session.release();

    const halves = await written(onnxFiles(await openConvertible(source, { pooler }), "F16"));
    const inHalves = await InferenceSession.create(await halves.read("onnx/model_fp16.onnx"));
    const { sentence_embedding: rounded } = await inHalves.run(inputs);
    for (const [i] of ids.entries()) expect(cosine(rounded!.data as Float32Array, wanted, i)).toBeGreaterThan(0.9999);
    await inHalves.release();
  });
});

it("what is not said or not there is refused", async () => {
  const unsaid = await openConvertible(publishedFolder("bert"));
  expect(() => onnxFiles(unsaid)).toThrow(OptionError);
  expect(
    (await readJson<object>(await written(huggingFaceFiles(unsaid, "F32")), "config.json")) as { simcse?: unknown },
  ).not.toHaveProperty("simcse");
  await expect(openConvertible(publishedFolder("bert", "other", { hidden_size: 64 }))).rejects.toThrow(FormatError);
  await expect(openConvertible(publishedFolder("bert"), { maxLength: 1000 })).rejects.toThrow("A length of 1000 tokens is not possible");
  await expect(
    openConvertible(new MemoryFolder("empty", [["config.json", await publishedFolder("bert").read("config.json")]])),
  ).rejects.toThrow("empty has none of model.safetensors");
});

it.each(["f16", "constructor"])("refuses weights of the dtype %s in every form", async (dtype) => {
  const model = await openConvertible(publishedFolder("bert"), { pooler: "avg" });
  for (const files of [huggingFaceFiles, sentenceTransformersFiles, onnxFiles])
    expect(() => files(model, dtype as "F16")).toThrow(OptionError);
});
