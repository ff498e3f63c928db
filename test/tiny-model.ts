/** A model folder small enough for any test: BERT of one layer or a few, hidden 32, random weights, a vocabulary of the words it is given. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { writeFileAtomically } from "../src/io/folder-node.ts";
import { learnVocabulary } from "../src/io/tokenizer/vocabulary.ts";
import { wordPieceTokenizer } from "../src/io/tokenizer.ts";
import { encodeSafetensors, type TensorToWrite } from "../src/io/weights/safetensors.ts";
import { elementCount } from "../src/kernels/language/operation.ts";
import { architectureOf, parseConfig } from "../src/nn/architectures/architectures.ts";
import { namedPieces } from "../src/nn/parameters/parameter.ts";
import { normal } from "../src/nn/random.ts";

export const tinySentences = [
  "A cat sleeps on the warm stove.",
  "The old piano needs a new string.",
  "Two children plant beans behind the shed.",
  "Rain fell all night on the harbour.",
  "She reads the letter twice before supper.",
  "A train leaves for the coast at noon.",
];

/** A folder that is removed after the test file. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "simcse-test-"));
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export function tinyConfig() {
  const vocabulary = learnVocabulary(tinySentences, 200);
  const json = {
    model_type: "bert",
    vocab_size: vocabulary.length,
    hidden_size: 32,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    intermediate_size: 64,
    max_position_embeddings: 40,
  };
  return { json, tokenizer: wordPieceTokenizer(vocabulary, { lowerCase: true }) };
}

export interface TinyModelOptions {
  /** 1 if absent. */
  readonly layers?: number;
  /** Fields of config.json to replace. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Changes the tensors that are written; `null` writes none. */
  readonly tensors?: ((tensors: TensorToWrite[]) => TensorToWrite[]) | null;
}

/** Writes the model into `folder`, which it makes if need be. Its tensors have the names of Hugging Face's BertModel, pooler included. */
export async function writeTinyModel(
  folder: string,
  { layers = 1, config = {}, tensors = (all) => all }: TinyModelOptions = {},
): Promise<void> {
  const { json: ofOneLayer, tokenizer } = tinyConfig();
  const json = { ...ofOneLayer, num_hidden_layers: layers };
  const parsed = parseConfig("config.json", json);
  const transformer = architectureOf(parsed).create(parsed, () => null);
  const shapes = new Map([...namedPieces(transformer)].map(([name, { shape }]) => [name, shape]));
  shapes.set("pooler.dense.weight", [32, 32]).set("pooler.dense.bias", [32]);
  const all: TensorToWrite[] = [...shapes].map(([name, shape]) => ({
    name,
    dtype: "F32",
    shape: [...shape],
    data: () => new Uint8Array(normal(7, name, elementCount(shape), 0.1).buffer),
  }));
  await mkdir(folder, { recursive: true });
  await writeFileAtomically(join(folder, "config.json"), JSON.stringify({ ...json, ...config }));
  for (const [name, content] of tokenizer.files) await writeFileAtomically(join(folder, name), content);
  if (tensors !== null) await writeFileAtomically(join(folder, "model.safetensors"), encodeSafetensors(tensors(all)));
}
