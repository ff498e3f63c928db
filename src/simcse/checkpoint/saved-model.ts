/** A trained model as files: what transformers opens, and what makes of the same folder one that sentence-transformers opens with the same vectors. */
import type { NamedContent } from "../../io/folder.ts";
import type { Tokenizer } from "../../io/tokenizer.ts";
import { encodeSafetensors } from "../../io/weights/safetensors.ts";
import { WEIGHTS_FILES } from "../../io/weights.ts";
import type { TextPreparation } from "../embedding/prompts.ts";
import type { SimCseConfig, SimCseModel } from "../model/model.ts";
import { parsePooler } from "../model/poolers.ts";
import { modelFiles } from "./checkpoint.ts";
import { DENSE_FOLDER, moduleFiles } from "./sentence-transformers.ts";

/** Poolers that a folder of sentence-transformers can say. */
const inSentenceTransformers: ReadonlySet<string> = new Set(["cls", "cls_before_pooler", "avg"]);

/** Whether a model with this pooler is saved so that sentence-transformers opens it. */
export function isInSentenceTransformers(pooler: string): boolean {
  return inSentenceTransformers.has(pooler);
}

/**
 * The files of a model, to be written in this order; `texts` is what it does with texts before it tokenises them. Tensors are read from the device as their
 * file is written.
 */
export function savedModelFiles(model: SimCseModel, tokenizer: Tokenizer, simcse: SimCseConfig, texts: TextPreparation): NamedContent[] {
  const files = modelFiles(model, tokenizer, simcse);
  const pooler = parsePooler(simcse.pooler_type);
  if (!isInSentenceTransformers(pooler)) return files;
  const dense = pooler === "cls" ? [{ name: `${DENSE_FOLDER}/${WEIGHTS_FILES[0]}`, content: encodeSafetensors(denseTensors(model)) }] : [];
  return [...moduleFiles(pooler, simcse.max_seq_length, model.config.hidden_size, texts), ...dense, ...files];
}

function denseTensors({ store }: SimCseModel) {
  return ["weight", "bias"].map((name) => ({
    name: `linear.${name}`,
    dtype: "F32" as const,
    shape: [...store.pieces.get(`mlp.dense.${name}`)!.shape],
    data: async () => new Uint8Array((await store.read(`mlp.dense.${name}`)).buffer),
  }));
}
