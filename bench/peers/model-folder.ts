/** The model as files, for peers that read them, created once per run in a temporary folder. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encodeSafetensors } from "../../src/io/weights/safetensors.ts";
import { bertModel } from "./onnx-model.ts";
import { config, initialWeights } from "./work.ts";

/** The files that transformers.js needs in a model folder besides its config. */
export const onnxFile = "onnx/model.onnx";
export const safetensorsFile = "model.safetensors";

export async function writeModelFolder(folder: string): Promise<void> {
  await mkdir(join(folder, "onnx"), { recursive: true });
  await writeFile(join(folder, "config.json"), JSON.stringify({ ...config, architectures: ["BertModel"] }));
  await writeFile(join(folder, onnxFile), bertModel());
  const tensors = [...initialWeights()].map(([name, { shape, data }]) => ({
    name,
    dtype: "F32" as const,
    shape,
    data: () => new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  }));
  await writeFile(join(folder, safetensorsFile), encodeSafetensors(tensors));
}
