/**
 * Model folders as Hugging Face lays them out: `config.json`, `model.safetensors`, tokenizer files.
 *
 * Read: BERT checkpoints with or without the `bert.` prefix, with the legacy names gamma and beta, and SimCSE's own, whose head is `mlp.dense` or,
 * converted, `pooler.dense`. Written: the converted form, which transformers opens as a BertModel with the head as its pooler.
 */
import { FormatError } from "../errors.ts";
import { type FileContent, type Folder, pathIn, readJson } from "../io/folder.ts";
import { encodeSafetensors, openSafetensors, type Safetensors } from "../io/safetensors.ts";
import type { Tokenizer } from "../io/tokenizer.ts";
import { type BertConfig, parseBertConfig } from "../nn/bert-config.ts";
import type { SimCseConfig, SimCseModel } from "./model.ts";

const weightsFile = "model.safetensors";

/** Floats on their way to the GPU at a time. */
const streamBytes = 8 * 2 ** 20;

export interface CheckpointConfig {
  readonly bert: BertConfig;
  /** Present where SimCSE made the model: then its `pooler` is the head that was trained. */
  readonly simcse: SimCseConfig | null;
}

/** Reads `config.json`. Throws `FileError` when it is missing and `FormatError` when it describes no BERT. */
export async function readConfig(folder: Folder): Promise<CheckpointConfig> {
  const json = await readJson<Record<string, unknown>>(folder, "config.json");
  return { bert: parseBertConfig(pathIn(folder, "config.json"), json), simcse: (json.simcse as SimCseConfig | undefined) ?? null };
}

/** Whether the folder holds weights, and whether among them a head for the [CLS] token. */
export async function inspectWeights(folder: Folder): Promise<{ readonly weights: Safetensors | null; readonly hasHead: boolean }> {
  if (!(await folder.has(weightsFile))) return { weights: null, hasHead: false };
  const weights = await openSafetensors(folder, weightsFile);
  return { weights, hasHead: findName(weights, "mlp.dense.weight") !== null };
}

export interface LoadOptions {
  /** `checkpoint` loads the head too; `fresh` leaves it to be initialised, as SimCSE does with a BERT that was trained for something else. */
  readonly head: "checkpoint" | "fresh";
}

/**
 * Streams a checkpoint's tensors to the GPU, one after another. Throws `FormatError` naming the file and the tensor that is missing, or has
 * another shape or a dtype that is not a float's.
 */
export async function loadWeights(model: SimCseModel, weights: Safetensors, { head }: LoadOptions): Promise<void> {
  const wanted = [...model.store.pieces].filter(([name]) => head === "checkpoint" || !name.startsWith("mlp."));
  const found = wanted.map(([name, { shape }]) => {
    const source = findName(weights, name);
    if (source === null) {
      throw new FormatError(
        `${weights.path} has no tensor ${checkpointName(name)}.`,
        name.startsWith("mlp.")
          ? "The checkpoint has no pooler: use --pooler cls_before_pooler or avg, or a checkpoint that was converted with its MLP."
          : "Use a checkpoint of a BERT model that fits the config.json beside it.",
      );
    }
    const info = weights.tensors.get(source)!;
    if (info.shape.length !== shape.length || info.shape.some((size, i) => size !== shape[i])) {
      throw new FormatError(
        `${weights.path}: ${source} has shape [${info.shape.join(", ")}]; config.json asks for [${shape.join(", ")}].`,
        "Use the config.json that belongs to these weights.",
      );
    }
    return { name, source };
  });
  for (const { name, source } of found) {
    for await (const { offset, data } of weights.streamF32(source, streamBytes)) model.store.write(name, data, offset);
  }
}

/** Other names of a tensor in checkpoints of other ages, the usual one first. */
function aliases(name: string): string[] {
  const bare = name.replace(/^bert\./, "");
  const heads = name.startsWith("mlp.")
    ? [name, ...["pooler.dense.", "bert.pooler.dense."].map((prefix) => name.replace("mlp.dense.", prefix))]
    : [bare, `bert.${bare}`];
  const legacy = (alias: string) => alias.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
  return [...heads, ...heads.map(legacy)];
}

function findName(weights: Safetensors, name: string): string | null {
  return aliases(name).find((alias) => weights.tensors.has(alias)) ?? null;
}

/** The name a tensor is saved under. */
function checkpointName(name: string): string {
  return name.replace(/^bert\./, "").replace(/^mlp\./, "pooler.");
}

/** Throws `FormatError` when the tokenizer has ids that the word embedding has no row for. */
export function checkVocabulary(folder: Folder, tokenizer: Tokenizer, { vocab_size }: BertConfig): void {
  if (tokenizer.vocabSize <= vocab_size) return;
  throw new FormatError(
    `${folder.name}: the vocabulary has ${tokenizer.vocabSize} tokens; the word embedding has ${vocab_size} rows (vocab_size in config.json).`,
    "Use the tokenizer files that belong to the model.",
  );
}

/** The files of a model folder, to be written in this order. */
export function modelFiles(model: SimCseModel, tokenizer: Tokenizer, simcse: SimCseConfig): { name: string; content: FileContent }[] {
  const config = {
    architectures: ["BertModel"],
    ...model.config,
    hidden_act: "gelu",
    position_embedding_type: "absolute",
    torch_dtype: "float32",
    simcse,
  };
  const tensors = [...model.store.pieces].map(([name, { shape }]) => ({
    name: checkpointName(name),
    dtype: "F32" as const,
    shape: [...shape],
    data: async () => new Uint8Array((await model.store.read(name)).buffer),
  }));
  return [
    { name: "config.json", content: `${JSON.stringify(config, null, 2)}\n` },
    ...[...tokenizer.files].map(([name, content]) => ({ name, content })),
    { name: weightsFile, content: encodeSafetensors(tensors) },
  ];
}
