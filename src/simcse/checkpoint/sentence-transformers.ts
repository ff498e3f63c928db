/**
 * Model folders of sentence-transformers: `modules.json` lists the steps from text to vector, each with a folder of its own.
 *
 * Read are a transformer, pooling of its last layer by its first token or by the mean, and normalisation, which is what BERT's family is
 * published with; and after the first token a dense layer with tanh, which is SimCSE's MLP. Any other step or way of pooling is refused by its
 * name: left out, the vectors would be others.
 */
import { FormatError, OptionError } from "../../errors.ts";
import { type Folder, type NamedContent, pathIn, readJson, subfolder } from "../../io/folder.ts";
import type { PoolerType } from "../model/poolers.ts";

export interface SentenceTransformer {
  /** Where the transformer's own files are: config.json, weights, tokenizer. */
  readonly folder: Folder;
  readonly pooler: PoolerType;
  /** Where the weights of the dense layer are, if there is one. */
  readonly head: Folder | null;
  /** Tokens a sentence is truncated to, special tokens included; null where the model's own maximum holds. */
  readonly maxLength: number | null;
}

const MODULES_FILE = "modules.json";
const SETTINGS_FILE = "sentence_bert_config.json";

/** Where the dense layer is written. */
export const DENSE_FOLDER = "2_Dense";

/** What a step is, by the last part of its type: `sentence_transformers.models.Pooling`. */
const STEPS = {
  Transformer: "transformer",
  BERT: "transformer",
  RoBERTa: "transformer",
  Pooling: "pooling",
  Dense: "dense",
  Normalize: "normalize",
} as const;

/** The steps that are built here, in their order. */
const ORDER = /^transformer pooling( dense)?( normalize)?$/;

/** Ways of pooling by the names that `1_Pooling/config.json` has for them, as a mode and as a flag. */
const POOLERS: Readonly<Record<string, PoolerType>> = { cls: "cls_before_pooler", mean: "avg" };
const FLAGS: Readonly<Record<string, string>> = { pooling_mode_cls_token: "cls", pooling_mode_mean_tokens: "mean" };

/** The activation of SimCSE's MLP, as `2_Dense/config.json` names it. */
const TANH = "torch.nn.modules.activation.Tanh";

/** The names of the dense layer's tensors, and SimCSE's of the same. */
export const DENSE_TENSORS: Readonly<Record<string, string>> = { "linear.weight": "mlp.dense.weight", "linear.bias": "mlp.dense.bias" };

const REMEDY = "Use a model that pools by cls or mean and has no other modules, or give the folder of its transformer with --pooler.";

/** Reads what a folder says, or gives null where it is none of sentence-transformers'. Throws FormatError for steps that are not built here. */
export async function readSentenceTransformer(folder: Folder): Promise<SentenceTransformer | null> {
  if (!(await folder.has(MODULES_FILE))) return null;
  const path = pathIn(folder, MODULES_FILE);
  const modules = await readJson<unknown>(folder, MODULES_FILE);
  if (!Array.isArray(modules)) throw new FormatError(`${path} is no list of modules`, REMEDY);
  const steps = modules.map((module) => parseModule(path, module));
  const order = steps.map(({ step }) => step).join(" ");
  if (!ORDER.test(order)) throw new FormatError(`${path} has the steps ${order || "none"}, expected transformer pooling`, REMEDY);
  const inside = (step: string) => {
    const found = steps.find((module) => module.step === step);
    return found === undefined ? null : subfolder(folder, found.path);
  };
  const transformer = inside("transformer")!;
  const pooler = await readPooling(inside("pooling")!);
  const head = inside("dense");
  if (head !== null) await checkDense(head, pooler);
  return { folder: transformer, pooler: head === null ? pooler : "cls", head, maxLength: await readMaxLength(transformer) };
}

function parseModule(path: string, module: unknown): { step: string; path: string } {
  const { type, path: place } = (typeof module === "object" && module !== null ? module : {}) as { type?: unknown; path?: unknown };
  if (typeof type !== "string" || typeof place !== "string" || /(^|[/\\])\.\.([/\\]|$)|^[/\\]/.test(place)) {
    throw new FormatError(`${path} describes a module without a type and a folder`, REMEDY);
  }
  const name = type.slice(type.lastIndexOf(".") + 1);
  if (Object.hasOwn(STEPS, name)) return { step: STEPS[name as keyof typeof STEPS], path: place };
  throw new FormatError(`${path} has a module ${name}, which is not supported`, REMEDY);
}

async function readPooling(folder: Folder): Promise<PoolerType> {
  const config = await readJson<Record<string, unknown>>(folder, "config.json");
  const flags = Object.keys(config).filter((key) => key.startsWith("pooling_mode_") && config[key] === true);
  const modes = typeof config.pooling_mode === "string" ? [config.pooling_mode] : flags.map((flag) => FLAGS[flag] ?? flag);
  const pooler = modes.length === 1 ? POOLERS[modes[0]!] : undefined;
  if (pooler !== undefined) return pooler;
  throw new FormatError(`${pathIn(folder, "config.json")} pools by ${modes.join(" and ") || "nothing"}, expected cls or mean`, REMEDY);
}

/** Throws FormatError unless a dense layer is SimCSE's MLP: square, with a bias, a tanh, and on the first token. */
async function checkDense(folder: Folder, pooler: PoolerType): Promise<void> {
  const { in_features, out_features, bias = true, activation_function } = await readJson<Record<string, unknown>>(folder, "config.json");
  if (pooler === "cls_before_pooler" && in_features === out_features && bias === true && activation_function === TANH) return;
  throw new FormatError(
    `${pathIn(folder, "config.json")} describes a dense layer other than SimCSE's: ${in_features} to ${out_features}, ${activation_function}, after ${pooler}`,
    REMEDY,
  );
}

async function readMaxLength(folder: Folder): Promise<number | null> {
  if (!(await folder.has(SETTINGS_FILE))) return null;
  const path = pathIn(folder, SETTINGS_FILE);
  const settings = await readJson<{ max_seq_length?: unknown; do_lower_case?: unknown }>(folder, SETTINGS_FILE);
  const { max_seq_length: length = null, do_lower_case: lowerCase = false } = settings;
  if (lowerCase !== false && !(await isUncased(folder))) {
    throw new FormatError(
      `${path} lowers the case of texts for a tokenizer that keeps it`,
      "Set do_lower_case in tokenizer_config.json instead.",
    );
  }
  if (length === null || (Number.isInteger(length) && (length as number) >= 3)) return length as number | null;
  throw new FormatError(
    `${path}: max_seq_length must be a whole number of at least 3, found ${JSON.stringify(length)}`,
    "Correct the file, or remove it and give the length yourself.",
  );
}

/** Whether the tokenizer lowers the case itself, as its configuration says it. */
async function isUncased(folder: Folder): Promise<boolean> {
  if (!(await folder.has("tokenizer_config.json"))) return false;
  return (await readJson<{ do_lower_case?: unknown }>(folder, "tokenizer_config.json")).do_lower_case === true;
}

/**
 * The files that make a folder with `config.json`, weights and tokenizer one of sentence-transformers', but for the weights of the dense layer that the
 * pooler cls has in `DENSE_FOLDER`. Throws OptionError for poolers that sentence-transformers does not have.
 */
export function moduleFiles(pooler: PoolerType, maxLength: number, dimension: number): NamedContent[] {
  const beforeHead = pooler === "cls" ? "cls_before_pooler" : pooler;
  const mode = Object.keys(POOLERS).find((name) => POOLERS[name] === beforeHead);
  if (mode === undefined) {
    throw new OptionError(`sentence-transformers does not pool by ${pooler}`, "Choose the pooler cls, cls_before_pooler or avg.");
  }
  const flags = Object.fromEntries(Object.entries(FLAGS).map(([flag, name]) => [flag, name === mode]));
  const others = { pooling_mode_max_tokens: false, pooling_mode_mean_sqrt_len_tokens: false };
  const dense = { in_features: dimension, out_features: dimension, bias: true, activation_function: TANH };
  const steps = [
    ["Transformer", ""],
    ["Pooling", "1_Pooling"],
    ...(pooler === "cls" ? [["Dense", DENSE_FOLDER]] : []),
    ["Normalize", pooler === "cls" ? "3_Normalize" : "2_Normalize"],
  ].map(([type, path], idx) => ({ idx, name: String(idx), path, type: `sentence_transformers.models.${type}` }));
  const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  return [
    { name: MODULES_FILE, content: json(steps) },
    { name: "1_Pooling/config.json", content: json({ word_embedding_dimension: dimension, ...flags, ...others }) },
    ...(pooler === "cls" ? [{ name: `${DENSE_FOLDER}/config.json`, content: json(dense) }] : []),
    { name: SETTINGS_FILE, content: json({ max_seq_length: maxLength, do_lower_case: false }) },
  ];
}
