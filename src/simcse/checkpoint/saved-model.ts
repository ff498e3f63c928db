/**
 * A trained model as files: those that transformers opens, and those with which sentence-transformers opens the same folder and computes
 * the same vectors.
 */
import type { NamedContent } from "../../io/folder.ts";
import type { Tokenizer } from "../../io/tokenizer.ts";
import { encodeSafetensors, f32Tensor } from "../../io/weights/safetensors.ts";
import { WEIGHTS_FILES } from "../../io/weights.ts";
import type { TextPreparation } from "../embedding/prompts.ts";
import type { SimCseConfig, SimCseModel } from "../model/model.ts";
import { parsePooler } from "../model/poolers.ts";
import { modelFiles } from "./checkpoint.ts";
import { DENSE_FOLDER, moduleFiles } from "./sentence-transformers.ts";

/** Poolers that sentence-transformers also has. */
const inSentenceTransformers: ReadonlySet<string> = new Set(["cls", "cls_before_pooler", "avg"]);

/** Whether a model with this pooler is saved so that sentence-transformers opens it. */
export function isInSentenceTransformers(pooler: string): boolean {
  return inSentenceTransformers.has(pooler);
}

/**
 * The files of a model, to be written in this order; `texts` says how it prepares texts. Tensors are read from the device as their file is
 * written.
 */
export function savedModelFiles(model: SimCseModel, tokenizer: Tokenizer, simcse: SimCseConfig, texts: TextPreparation): NamedContent[] {
  const files = modelFiles(model, tokenizer, simcse);
  const pooler = parsePooler(simcse.pooler_type);
  if (!isInSentenceTransformers(pooler)) return files;
  const dense = pooler === "cls" ? [{ name: `${DENSE_FOLDER}/${WEIGHTS_FILES[0]}`, content: encodeSafetensors(denseTensors(model)) }] : [];
  return [...moduleFiles(pooler, simcse.max_seq_length, model.config.hidden_size, texts), ...dense, ...files];
}

function denseTensors(model: SimCseModel) {
  return ["weight", "bias"].map((name) => {
    const own = `mlp.dense.${name}`;
    return f32Tensor(`linear.${name}`, model.store.pieces.get(own)!.shape, () => model.readMerged(own));
  });
}
