/** The weights of a folder in each of their forms, one file or several. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { FileError, FormatError } from "../../src/errors.ts";
import { MemoryFolder } from "../../src/io/folder.ts";
import { missingWeights, openWeights, originOf } from "../../src/io/weights.ts";
import { collect } from "./collect.ts";
import { encode, f32, tensor } from "./weights/tensor-files.ts";

const torch = new Uint8Array(readFileSync(new URL("../golden/torch_zip.bin", import.meta.url)));
const [first, second] = [await encode([tensor("a", "F32", [2], f32(1, 2))]), await encode([tensor("b", "F32", [1], f32(3))])];
const index = (map: unknown) => JSON.stringify({ metadata: { total_size: 12 }, weight_map: map });
const folder = (files: Readonly<Record<string, string | Uint8Array>>) => new MemoryFolder("model", Object.entries(files));

it("are found in each form, safetensors before PyTorch's", async () => {
  expect(await openWeights(folder({ "config.json": "{}" }))).toBeNull();
  expect((await openWeights(folder({ "pytorch_model.bin": torch })))!.path).toBe("model/pytorch_model.bin");
  expect((await openWeights(folder({ "pytorch_model.bin": torch, "model.safetensors": first })))!.path).toBe("model/model.safetensors");
});

it("that are there in another form are named", async () => {
  const other = folder({ "tf_model.h5": "x", "onnx/model.onnx": "x" });
  await expect(openWeights(other)).rejects.toThrow(FileError);
  const { message, remedy } = await missingWeights(other);
  expect(message).toMatch(/: tf_model.h5 is weights of TensorFlow, onnx\/model.onnx is an ONNX graph\.$/);
  expect(remedy).toContain("save_pretrained");
  for (const file of ["bert_model.ckpt.index", "rust_model.ot", "model.pt"])
    await expect(openWeights(folder({ "config.json": "{}", [file]: "x" }))).rejects.toThrow(`: ${file} is `);
});

it("in several files are read as one", async () => {
  const weights = (await openWeights(
    folder({
      "model.safetensors.index.json": index({ a: "model-1-of-2.safetensors", b: "model-2-of-2.safetensors" }),
      "model-1-of-2.safetensors": first,
      "model-2-of-2.safetensors": second,
    }),
  ))!;
  expect([...weights.tensors]).toMatchObject([
    ["a", { dtype: "F32", shape: [2] }],
    ["b", { dtype: "F32", shape: [1] }],
  ]);
  expect(await weights.readF32("a", [2])).toEqual(Float32Array.of(1, 2));
  expect(await weights.readBytes("b")).toEqual(f32(3));
  expect(await collect(weights.streamF32("b", 4))).toEqual([{ offset: 0, data: Float32Array.of(3) }]);
  await expect(weights.readF32("c")).rejects.toThrow('model/model.safetensors.index.json has no tensor "c" among its 2');
  const bins = await openWeights(folder({ "pytorch_model.bin.index.json": index({ f32: "1.bin", scalar: "1.bin" }), "1.bin": torch }));
  expect([...bins!.tensors.keys()]).toEqual(["f32", "scalar"]);
});

it.each<[string, string, string]>([
  ["without a map", "{}", "has no weight_map"],
  ["that is no object", "null", "has no weight_map"],
  ["that is no JSON", "{", "is not valid JSON"],
  ["with a list", index([]), "has no weight_map"],
  ["that names no file", index({ a: 1 }), 'puts the tensor "a" into 1'],
  ["that leads out of the folder", index({ a: "../1.safetensors" }), 'puts the tensor "a" into "../1.safetensors"'],
  [
    "that names the wrong file",
    index({ b: "1.safetensors" }),
    'puts the tensor "b" into 1.safetensors, which does not have it, nor any other',
  ],
])("an index %s is refused", async (_, json, message) => {
  const files = { "model.safetensors.index.json": json, "1.safetensors": first };
  await expect(openWeights(folder(files))).rejects.toThrow(message);
  await expect(openWeights(folder(files))).rejects.toThrow(FormatError);
});

it("a tensor is found by the other names that safetensors' save_model gives in the metadata", async () => {
  const metadata = { format: "pt", "words.weight": "decoder.weight", lost: "other" };
  const tied = await encode([tensor("decoder.weight", "F32", [2], f32(1, 2))], metadata);
  const weights = (await openWeights(folder({ "model.safetensors": tied })))!;
  expect([...weights.tensors.keys()]).toEqual(["decoder.weight", "words.weight"]);
  expect(await weights.readF32("words.weight")).toEqual(Float32Array.of(1, 2));
});

it("a tensor that an index names and its file left out, such as one tied to another, is not there", async () => {
  const json = index({ a: "1.safetensors", "decoder.weight": "1.safetensors" });
  const weights = (await openWeights(folder({ "model.safetensors.index.json": json, "1.safetensors": first })))!;
  expect([...weights.tensors.keys()]).toEqual(["a"]);
  expect(originOf(weights, "a")).toEqual({ path: "model/1.safetensors", source: "a" });
});

it("an index whose file is missing names it", async () => {
  const files = { "model.safetensors.index.json": index({ a: "1.safetensors" }) };
  await expect(openWeights(folder(files))).rejects.toThrow("model/1.safetensors does not exist");
  await expect(openWeights(folder(files))).rejects.toThrow(FileError);
});
