/** Which files of a model the page copies: what its modules name, and no more. */
import { expect, it } from "vitest";
import { MemoryFolder } from "../../src/io/folder.ts";
import { filesOf } from "../../web/worker/kept-models.ts";
import type { LoadedData } from "../../web/worker/loaded-data.ts";
import { type BaseModel, Session } from "../../web/worker/session.ts";

const folder = (files: readonly string[], modules: readonly { readonly path: string }[] = []) =>
  new MemoryFolder("model", [
    ...files.map((name) => [name, new Uint8Array(1)] as const),
    ...(modules.length > 0 ? [["modules.json", new TextEncoder().encode(JSON.stringify(modules))] as const] : []),
  ]);

it("takes weights in the best format, and what describes them", async () => {
  const files = ["config.json", "vocab.txt", "pytorch_model.bin", "model.safetensors", "training_args.bin", "onnx/model.onnx"];
  expect(await filesOf(folder(files))).toEqual(["config.json", "vocab.txt", "model.safetensors"]);
});

it("takes the files of every module, wherever the transformer is", async () => {
  const files = ["0_Transformer/config.json", "0_Transformer/sentencepiece.bpe.model", "0_Transformer/pytorch_model.bin"];
  const others = ["1_Pooling/config.json", "2_Dense/config.json", "2_Dense/pytorch_model.bin"];
  const paths = ["0_Transformer", "1_Pooling", "2_Dense", "3_Normalize"].map((path) => ({ path }));
  expect((await filesOf(folder([...files, ...others], paths))).sort()).toEqual([...files, ...others, "modules.json"].sort());
});

it.each([
  ["config.json", []],
  ["weights", ["config.json"]],
])("names a folder without %s", async (what, files) => {
  await expect(filesOf(folder(files))).rejects.toThrow(`model holds no ${what}`);
});

it("forgets the text of another model, whose tokens its lengths were counted in", () => {
  const session = new Session();
  session.setData({ texts: ["a"] } as unknown as LoadedData);
  session.setModel({} as BaseModel);
  expect(session.data).toBeNull();
});
