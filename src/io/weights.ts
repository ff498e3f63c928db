/**
 * The weights of a model folder, in any of the forms of Hugging Face folders: one file or several with an index, in safetensors or as
 * PyTorch pickles; and in this package's own form with matrices in 8 bits.
 */
import { FileError, FormatError } from "../errors.ts";
import { quoted, show } from "../show.ts";
import { checkFolder, type Folder, pathIn, readJson } from "./folder.ts";
import { isJsonObject } from "./formats/json.ts";
import { openInt8Rows } from "./weights/int8-rows.ts";
import { openSafetensors } from "./weights/safetensors.ts";
import { noSuchTensor, type Weights } from "./weights/tensor-file.ts";
import { openTorchCheckpoint } from "./weights/torch-checkpoint.ts";

type Open = (folder: Folder, file: string) => Promise<Weights>;

/** Files that are searched, the preferred ones first. A folder often has the same model in two forms. */
const FORMS: readonly (readonly [file: string, open: Open])[] = [
  ["model.safetensors", openWithAliases],
  ["model.int8.safetensors", openInt8Rows],
  ["model.safetensors.index.json", (folder, file) => openSharded(folder, file, openWithAliases)],
  ["pytorch_model.bin", openTorchCheckpoint],
  ["pytorch_model.bin.index.json", (folder, file) => openSharded(folder, file, openTorchCheckpoint)],
];

/** The files that `openWeights` searches, the preferred ones first. */
export const WEIGHTS_FILES: readonly string[] = FORMS.map(([file]) => file);

/**
 * Opens a folder's weights, or returns null if it has none. Throws FormatError, naming the file, for weights that are damaged, and FileError
 * for a folder that has only weights in a form that is not read: a model would silently be trained from fresh ones.
 */
export async function openWeights(folder: Folder): Promise<Weights | null> {
  checkFolder(folder);
  for (const [file, open] of FORMS) if (await folder.has(file)) return open(folder, file);
  if ((await otherWeights(folder)).length > 0) throw await missingWeights(folder);
  return null;
}

/** The same for a folder that must have weights. Throws FileError too if it has none. */
export async function openRequiredWeights(folder: Folder): Promise<Weights> {
  const weights = await openWeights(folder);
  if (weights === null) throw await missingWeights(folder);
  return weights;
}

/** Files in which a model's weights may be instead, and what they are. */
const OTHER_WEIGHTS: readonly (readonly [file: string, what: string])[] = [
  ["tf_model.h5", "weights of TensorFlow"],
  ["bert_model.ckpt.index", "a checkpoint of TensorFlow's"],
  ["model.ckpt.index", "a checkpoint of TensorFlow's"],
  ["flax_model.msgpack", "weights of Flax"],
  ["rust_model.ot", "weights of rust-bert"],
  ["onnx/model.onnx", "an ONNX graph"],
  ["onnx/model_quantized.onnx", "an ONNX graph in 8 bits"],
  ["model.onnx", "an ONNX graph"],
  ["openvino/openvino_model.bin", "weights of OpenVINO"],
  ["model.fp16.safetensors", "a variant; rename it to model.safetensors"],
  ["pytorch_model.fp16.bin", "a variant; rename it to pytorch_model.bin"],
  ["pytorch_model.pt", "named otherwise; rename it to pytorch_model.bin"],
  ["model.pt", "named otherwise; rename it to pytorch_model.bin if it is a state dict"],
  ["model-00001-of-00002.safetensors", "a part; model.safetensors.index.json is missing"],
  ["pytorch_model-00001-of-00002.bin", "a part; pytorch_model.bin.index.json is missing"],
  ["adapter_model.safetensors", "an adapter, which needs its base model"],
];

async function otherWeights(folder: Folder): Promise<string[]> {
  const found: string[] = [];
  for (const [file, what] of OTHER_WEIGHTS) if (await folder.has(file)) found.push(`${file} is ${what}`);
  return found;
}

/** The error for a folder without weights where they are needed. */
export async function missingWeights(folder: Folder): Promise<FileError> {
  const found = await otherWeights(folder);
  return new FileError(
    `${folder.name} has none of ${WEIGHTS_FILES.join(", ")}${found.length > 0 ? `: ${found.join(", ")}` : ""}.`,
    found.length > 0
      ? "Load the model in Python and save it with save_pretrained, which writes model.safetensors, or get that file."
      : "Give a folder with a model's weights.",
  );
}

/**
 * Opens a safetensors file with all names of its tensors. Of tensors that share their bytes, `save_model` of the safetensors library writes
 * one, and says in the metadata what the others were called: `"mpnet.embeddings.word_embeddings.weight": "lm_head.decoder.weight"`.
 */
async function openWithAliases(folder: Folder, file: string): Promise<Weights> {
  const weights = await openSafetensors(folder, file);
  const aliases = Object.entries(weights.metadata).filter(([alias, name]) => weights.tensors.has(name) && !weights.tensors.has(alias));
  if (aliases.length === 0) return weights;
  const names = [...Array.from(weights.tensors.keys(), (name) => [name, name] as const), ...aliases];
  return new JoinedWeights(weights.path, new Map(names.map(([name, source]) => [name, { weights, source }])));
}

/**
 * Opens the files of an index: `weight_map` says which of them holds each tensor. A tensor that its file does not have is left out, as in
 * transformers: indexes also name tensors that were not written because another has the same values.
 */
async function openSharded(folder: Folder, file: string, open: Open): Promise<Weights> {
  const path = pathIn(folder, file);
  const fault = (what: string) => new FormatError(`${path} ${what}`, "Get the index again, with all the files that it names.");
  const { weight_map: map } = (await readJson<{ weight_map?: unknown } | null>(folder, file)) ?? {};
  if (!isJsonObject(map)) throw fault("has no weight_map from tensors to files");
  const shards = new Map<string, Weights>();
  const placed = new Map<string, PlacedTensor>();
  /** A missing tensor of each file. */
  const absent = new Map<string, string>();
  for (const [name, shard] of Object.entries(map as Record<string, unknown>)) {
    if (typeof shard !== "string" || !/^[^/\\]+$/.test(shard) || shard.startsWith(".")) {
      throw fault(`puts the tensor ${quoted(name)} into ${show(shard)}, expected the name of a file beside it`);
    }
    const weights = shards.get(shard) ?? (await open(folder, shard));
    shards.set(shard, weights);
    if (weights.tensors.has(name)) placed.set(name, { weights, source: name });
    else absent.set(shard, name);
  }
  const used = new Set(Array.from(placed.values(), ({ weights }) => weights));
  for (const [shard, name] of absent) {
    if (!used.has(shards.get(shard)!)) throw fault(`puts the tensor ${quoted(name)} into ${shard}, which does not have it, nor any other`);
  }
  return new JoinedWeights(path, placed);
}

/** A tensor of some weights, by its name there. */
export interface PlacedTensor {
  readonly weights: Weights;
  readonly source: string;
}

/** Tensors of several weights under new names; `path` is their common name in messages. */
export class JoinedWeights implements Weights {
  readonly path: string;
  readonly tensors: Weights["tensors"];
  readonly #placed: ReadonlyMap<string, PlacedTensor>;

  constructor(path: string, placed: ReadonlyMap<string, PlacedTensor>) {
    this.path = path;
    this.tensors = new Map([...placed].map(([name, { weights, source }]) => [name, weights.tensors.get(source)!]));
    this.#placed = placed;
  }

  async readBytes(name: string): Promise<Uint8Array> {
    const { weights, source } = this.#place(name);
    return weights.readBytes(source);
  }

  async readF32(name: string, expectedShape?: readonly number[]): Promise<Float32Array> {
    const { weights, source } = this.#place(name);
    return weights.readF32(source, expectedShape);
  }

  async *streamF32(name: string, maxBytes: number): AsyncGenerator<{ offset: number; data: Float32Array }> {
    const { weights, source } = this.#place(name);
    yield* weights.streamF32(source, maxBytes);
  }

  /** Where a tensor really is, and its name there. */
  origin(name: string): PlacedTensor {
    const place = this.#place(name);
    return place.weights instanceof JoinedWeights ? place.weights.origin(place.source) : place;
  }

  #place(name: string): PlacedTensor {
    const place = this.#placed.get(name);
    if (place === undefined) throw noSuchTensor(this, name);
    return place;
  }
}

/** The file that holds a tensor, and the tensor's name in it, for messages. */
export function originOf(weights: Weights, name: string): { readonly path: string; readonly source: string } {
  const { weights: file, source } = weights instanceof JoinedWeights ? weights.origin(name) : { weights, source: name };
  return { path: file.path, source };
}
