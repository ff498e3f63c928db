/**
 * Converts checkpoints from one form to another, tensor by tensor and without a GPU: SimCSE's own training checkpoints (`mlp.dense`, the
 * prefix `bert.`, classes `…ForCL`) and PyTorch's files into safetensors that transformers opens, and into sentence-transformers folders.
 *
 * Converting a converted model changes nothing.
 */
import { OptionError } from "../../errors.ts";
import type { Folder, NamedContent } from "../../io/folder.ts";
import { loadTokenizer, type Tokenizer } from "../../io/tokenizer.ts";
import { encodeSafetensors, type TensorToWrite } from "../../io/weights/safetensors.ts";
import type { Weights } from "../../io/weights/tensor-file.ts";
import { missingWeights } from "../../io/weights.ts";
import type { TransformerConfig } from "../../nn/architectures/architecture.ts";
import { longestSentence } from "../../nn/architectures/architectures.ts";
import { checkLength } from "../embedding/encoder-options.ts";
import type { TextPreparation } from "../embedding/prompts.ts";
import { modelTensors } from "../model/model.ts";
import type { PoolerType } from "../model/poolers.ts";
import { checkpointFiles, fitConfig, inspectWeights, type LocatedTensor, locateTensors, readConfig } from "./checkpoint.ts";
import { checkpointName } from "./checkpoint-names.ts";
import { DENSE_FOLDER, moduleFiles, SIMCSE_MLP } from "./sentence-transformers.ts";
import { checkWeightsDtype, tensorsToWrite, type WeightsDtype, weightsForms } from "./written-weights.ts";

/** Options of `openConvertible`. */
export interface ConvertOptions {
  /** The pooler to save with the model, instead of the model's own. */
  readonly pooler?: PoolerType | undefined;
  /** The length in tokens that sentences are truncated to, instead of the model's own. */
  readonly maxLength?: number | undefined;
}

/** A checkpoint opened for conversion. */
export interface Convertible {
  readonly transformer: TransformerConfig;
  readonly weights: Weights;
  readonly tokenizer: Tokenizer;
  /** Null if neither the model nor the options say it. */
  readonly pooler: PoolerType | null;
  readonly maxLength: number;
  /** How texts are prepared before tokenising. */
  readonly texts: TextPreparation;
  /** Every tensor of the model and its name in the checkpoint, including a head if there is one. */
  readonly tensors: readonly LocatedTensor[];
}

/**
 * Opens a model folder. Throws the errors of reading its parts, FormatError for the pooler cls without a head, and OptionError for a length
 * that the model does not support.
 */
export async function openConvertible(given: Folder, options: ConvertOptions = {}): Promise<Convertible> {
  const { texts, ...saved } = await readConfig(given, { pooler: options.pooler });
  const { folder } = saved;
  if (saved.sentenceHead !== null) {
    throw new OptionError(
      `${given.name} has modules after its pooling that no other format here has a place for.`,
      "Use the folder as it is, or give a pooler (--pooler) to convert its transformer without them.",
    );
  }
  const { weights, hasHead } = await inspectWeights(saved);
  if (weights === null) throw await missingWeights(folder);
  const tokenizer = await loadTokenizer(folder);
  const transformer = fitConfig(folder, tokenizer, saved.transformer);
  const pooler = options.pooler ?? saved.pooler;
  const maxLength = options.maxLength ?? saved.maxLength;
  checkLength(maxLength, longestSentence(transformer));
  const tensors = locateTensors(weights, transformer, modelTensors(transformer, { mlp: hasHead || pooler === "cls" }));
  return { transformer, weights, tokenizer, pooler, maxLength, texts, tensors };
}

/**
 * The files of the model in the form that transformers opens, to be written in this order. F16 halves the weights' size, I8 quarters it.
 * transformers does not open I8: convert such a model back first. Throws OptionError for an unknown dtype.
 */
export function huggingFaceFiles(
  { transformer, weights, tokenizer, pooler, maxLength, tensors }: Convertible,
  dtype: WeightsDtype,
): NamedContent[] {
  checkWeightsDtype(dtype);
  const simcse = pooler === null ? null : { pooler_type: pooler, max_seq_length: maxLength };
  const written = tensors.flatMap((tensor) => toWrite(weights, tensor, checkpointName(transformer, tensor.name), dtype));
  return checkpointFiles(transformer, simcse, tokenizer, written, dtype);
}

/**
 * The same with the files that sentence-transformers reads. Throws OptionError if it does not have the pooler, or the pooler or dtype is
 * not known.
 */
export function sentenceTransformersFiles(model: Convertible, dtype: WeightsDtype): NamedContent[] {
  checkWeightsDtype(dtype);
  const { pooler, maxLength, transformer, weights, texts, tensors } = model;
  if (pooler === null) throw poolerUnknown(weights.path);
  const dense = tensors
    .filter(({ name }) => name.startsWith(SIMCSE_MLP))
    .flatMap((tensor) => toWrite(weights, tensor, tensor.name.replace(SIMCSE_MLP, "linear."), dtype));
  return [
    ...moduleFiles(pooler, maxLength, transformer.hidden_size, texts),
    ...(pooler === "cls" ? [{ name: `${DENSE_FOLDER}/${weightsForms[dtype].file}`, content: encodeSafetensors(dense) }] : []),
    ...huggingFaceFiles(model, dtype),
  ];
}

/** A tensor of a checkpoint, to be written under `name`. */
export function toWrite(weights: Weights, { source, shape }: LocatedTensor, name: string, dtype: WeightsDtype): TensorToWrite[] {
  return tensorsToWrite({ name, shape, from: { path: weights.path, source }, values: () => weights.readF32(source) }, dtype);
}

/** The error for a model that does not say how its embeddings are made, if that must be known. */
export function poolerUnknown(path: string): OptionError {
  return new OptionError(`${path}: the model does not say which pooler its embeddings are made with.`, "Give it with --pooler.");
}
