/**
 * Model folders of sentence-transformers: `modules.json` lists the steps from text to vector, each with its own folder. How texts are
 * prepared is read by sentence-texts.ts.
 *
 * Supported are a transformer, pooling of any kind, and then dense layers, layer norms, dropout (which does nothing here), scaling to unit
 * length, and cutting every vector (`truncate_dim`). If SimCSE has a pooler that does the same, the modules become that pooler, which can be
 * trained; otherwise they become a `SentenceHead`, which encodes. An unknown module is refused by name, because without it the vectors would
 * be different.
 */
import { FormatError, OptionError } from "../../errors.ts";
import { type Folder, fileIn, findObject, type NamedContent, pathIn, readJson, readObject, subfolder } from "../../io/folder.ts";
import type { Pooling } from "../../kernels/pool.ts";
import { show } from "../../show.ts";
import type { TextPreparation } from "../embedding/prompts.ts";
import type { PoolerType } from "../model/poolers.ts";
import { activationNames, type DenseStep, type SentenceHeadConfig, type SentenceStep } from "../model/sentence-head.ts";
import { checkTruth, GET_AGAIN, PROMPTS_FILE, SETTINGS_FILE, SETTINGS_FILES } from "./sentence-texts.ts";

/** A folder of weights, and the names of its tensors in the model: `linear.weight` becomes `sentenceHead.steps.0.linear.weight`. */
export interface ModuleWeights {
  readonly folder: Folder;
  /** The path of `folder` in the model folder. */
  readonly path: string;
  readonly prefix: string;
}

/** The modules after the transformer. */
export interface SentenceModules {
  /** One of SimCSE's poolers, or null if `head` is something else. */
  readonly pooler: PoolerType | null;
  /** The modules after the transformer if they are not one of SimCSE's poolers; null if they are. */
  readonly head: SentenceHeadConfig | null;
  /** Where the weights of the modules after the transformer are. */
  readonly modules: readonly ModuleWeights[];
}

const MODULES_FILE = "modules.json";

/** Where the dense layer is written. */
export const DENSE_FOLDER = "2_Dense";

/** The names of a transformer, those of the first releases too. */
const TRANSFORMERS = ["Transformer", "BERT", "RoBERTa", "DistilBERT", "ALBERT", "CamemBERT", "XLMRoBERTa"];

/** Kinds of pooling by their names in `1_Pooling/config.json`, as a mode and as a flag, in the order of their vectors. */
const POOLINGS: readonly { readonly mode: string; readonly flag: string; readonly pooling: Pooling }[] = [
  { mode: "cls", flag: "pooling_mode_cls_token", pooling: "first" },
  { mode: "max", flag: "pooling_mode_max_tokens", pooling: "max" },
  { mode: "mean", flag: "pooling_mode_mean_tokens", pooling: "mean" },
  { mode: "mean_sqrt_len_tokens", flag: "pooling_mode_mean_sqrt_len_tokens", pooling: "meanSqrtLength" },
  { mode: "weightedmean", flag: "pooling_mode_weightedmean_tokens", pooling: "weightedMean" },
  { mode: "lasttoken", flag: "pooling_mode_lasttoken", pooling: "last" },
];

/** SimCSE's poolers as kinds of pooling. */
const POOLERS: Readonly<Partial<Record<Pooling, PoolerType>>> = { first: "cls_before_pooler", mean: "avg" };

/** The module in PyTorch that has the activations. */
const ACTIVATIONS = "torch.nn.modules.activation.";

/** If given, the transformer is used with this pooler and without the modules after it. */
const WITHOUT_MODULES = "Give a pooler (--pooler avg, for example) to use its transformer without the other modules.";

/**
 * Where the folder of a sentence-transformers model has its transformer, or null if it is not such a folder. Throws `FormatError` for a
 * damaged list of modules.
 */
export async function findTransformer(folder: Folder): Promise<Folder | null> {
  if (!(await folder.has(MODULES_FILE))) return null;
  const [first] = await readModules(folder);
  if (first !== undefined && TRANSFORMERS.includes(first.name)) return first.folder;
  throw new FormatError(
    `${pathIn(folder, MODULES_FILE)} begins with ${show(first?.name ?? null)}, expected Transformer`,
    "Use a model whose first module is a BERT or RoBERTa.",
  );
}

/**
 * The similarity that a folder's model was trained for, if it is not the cosine: dot, euclidean or manhattan; null if it is, or if none is
 * named. This package compares by cosine.
 */
export async function otherSimilarity(folder: Folder): Promise<string | null> {
  if (!(await folder.has(MODULES_FILE))) return null;
  const name = (await findObject(folder, PROMPTS_FILE))?.similarity_fn_name;
  return typeof name === "string" && name !== "cosine" ? name : null;
}

/** A folder as it is written again with another transformer. */
export interface SentenceTransformersLayout {
  /** Where the transformer is in the folder: empty for the folder itself; null if it is not from sentence-transformers. */
  readonly transformer: string | null;
  /** The files that describe the modules and prompts. */
  readonly copied: readonly NamedContent[];
  /** The modules after the transformer that have weights. */
  readonly modules: readonly ModuleWeights[];
}

/** Reads the layout of a model folder. Throws `FormatError` for a module that is not supported. */
export async function sentenceTransformersLayout(folder: Folder): Promise<SentenceTransformersLayout> {
  if ((await findTransformer(folder)) === null) return { transformer: null, copied: [], modules: [] };
  const [transformer, ...after] = (await readModules(folder)) as [Module, ...Module[]];
  const named = [
    ...[MODULES_FILE, PROMPTS_FILE].map((file) => ({ folder, file, name: file })),
    ...SETTINGS_FILES.map((file) => ({ folder: transformer.folder, file, name: fileIn(transformer.path, file) })),
    ...after.map((module) => ({ folder: module.folder, file: "config.json", name: fileIn(module.path, "config.json") })),
  ];
  const copied: NamedContent[] = [];
  for (const { folder, file, name } of named) if (await folder.has(file)) copied.push({ name, content: await folder.read(file) });
  const { modules } = await readSentenceModules(folder);
  return { transformer: transformer.path, copied, modules };
}

interface Module {
  /**
   * The last part of its type, `Pooling` of `sentence_transformers.models.Pooling`; the whole type of a module that is not
   * sentence-transformers' own: a `Dense` of other code may compute something else.
   */
  readonly name: string;
  /** Where it is in the model folder; empty for the model folder itself. */
  readonly path: string;
  readonly folder: Folder;
}

async function readModules(folder: Folder): Promise<Module[]> {
  const path = pathIn(folder, MODULES_FILE);
  const modules = await readJson<unknown>(folder, MODULES_FILE);
  if (!Array.isArray(modules)) throw new FormatError(`${path} is no list of modules`, GET_AGAIN);
  return modules.map((module: unknown) => {
    const { type, path: place } = (typeof module === "object" && module !== null ? module : {}) as { type?: unknown; path?: unknown };
    if (typeof type !== "string" || typeof place !== "string" || /(^|[/\\])\.\.([/\\]|$)|^[/\\]/.test(place)) {
      throw new FormatError(`${path} describes a module without a type and a folder`, GET_AGAIN);
    }
    const isOwn = type.startsWith("sentence_transformers.");
    return { name: isOwn ? type.slice(type.lastIndexOf(".") + 1) : type, path: place, folder: subfolder(folder, place) };
  });
}

/** Reads the modules after the transformer. Throws `FormatError` for one that is not supported. */
export async function readSentenceModules(folder: Folder): Promise<SentenceModules> {
  const path = pathIn(folder, MODULES_FILE);
  const [, pooling, ...after] = await readModules(folder);
  if (pooling?.name !== "Pooling") {
    throw new FormatError(`${path} has ${show(pooling?.name ?? null)} after its transformer, expected Pooling`, WITHOUT_MODULES);
  }
  const { poolings, includePrompt } = await readPooling(pooling.folder);
  const steps: SentenceStep[] = [];
  const modules: ModuleWeights[] = [];
  for (const module of after) {
    if (!Object.hasOwn(STEPS, module.name)) {
      throw new FormatError(`${path} has a module ${show(module.name)}, which is not supported`, WITHOUT_MODULES);
    }
    const step = await STEPS[module.name]!(module.folder);
    if (step === null) continue;
    if (step.kind !== "normalize")
      modules.push({ folder: module.folder, path: module.path, prefix: `sentenceHead.steps.${steps.length}.` });
    steps.push(step);
  }
  const width = await readCut(folder);
  // Scaling to unit length at the end is left to the caller of encode.
  if (width === null) while (steps.at(-1)?.kind === "normalize") steps.pop();
  else steps.push({ kind: "cut", width });
  const pooler = includePrompt && poolings.length === 1 ? poolerOf(poolings[0]!, steps) : null;
  if (pooler === null) return { pooler, head: { poolings, includePrompt, steps }, modules };
  return { pooler, head: null, modules: modules.map((weights) => ({ ...weights, prefix: SIMCSE_MLP })) };
}

/** The length that every vector is cut to in the end, or null. */
async function readCut(folder: Folder): Promise<number | null> {
  const { truncate_dim: width = null } = (await findObject(folder, PROMPTS_FILE)) ?? {};
  if (width === null || isSize(width)) return width;
  throw new FormatError(
    `${pathIn(folder, PROMPTS_FILE)}: truncate_dim must be from 1 to ${MOST_FEATURES}, found ${show(width)}`,
    GET_AGAIN,
  );
}

/** The name of SimCSE's MLP in its checkpoints, before those of its tensors. */
export const SIMCSE_MLP = "mlp.dense.";

/** SimCSE's equivalent pooler, or null. */
function poolerOf(pooling: Pooling, steps: readonly SentenceStep[]): PoolerType | null {
  if (steps.length === 0) return POOLERS[pooling] ?? null;
  const [mlp] = steps;
  const isMlp =
    steps.length === 1 &&
    mlp!.kind === "dense" &&
    mlp!.inFeatures === mlp!.outFeatures &&
    mlp!.bias &&
    mlp!.activation === "Tanh" &&
    !mlp!.residual;
  return pooling === "first" && isMlp ? "cls" : null;
}

async function readPooling(folder: Folder): Promise<Pick<SentenceHeadConfig, "poolings" | "includePrompt">> {
  const path = pathIn(folder, "config.json");
  const config = await readObject(folder, "config.json");
  const { include_prompt: includePrompt = true } = config;
  // Python takes 1 for true.
  const unclear = POOLINGS.find(({ flag }) => ![undefined, null, false, true, 0, 1].includes(config[flag] as boolean));
  if (unclear !== undefined) {
    throw new FormatError(`${path}: ${unclear.flag} must be true or false, found ${show(config[unclear.flag])}`, GET_AGAIN);
  }
  const flags = POOLINGS.filter(({ flag }) => config[flag] === true || config[flag] === 1).map(({ mode }) => mode);
  // The default is the mean.
  const { pooling_mode: said = flags.length === 0 ? "mean" : flags } = config;
  const modes: readonly unknown[] = Array.isArray(said) ? said : [said];
  const poolings = modes.map((mode) => POOLINGS.find((known) => known.mode === mode)?.pooling);
  checkTruth(path, "include_prompt", includePrompt);
  if (poolings.length === 0 || poolings.length > POOLINGS.length || poolings.includes(undefined)) {
    const known = POOLINGS.map(({ mode }) => mode).join(", ");
    throw new FormatError(`${path} pools by ${show(modes)}, expected some of ${known}`, WITHOUT_MODULES);
  }
  return { poolings: poolings as Pooling[], includePrompt };
}

/** Modules that may follow pooling, by class name; null for those that do nothing when encoding. */
const STEPS: Readonly<Record<string, (folder: Folder) => Promise<SentenceStep | null>>> = {
  Dense: readDense,
  LayerNorm: async (folder) => {
    const { dimension } = await readObject(folder, "config.json");
    return { kind: "layerNorm", width: sizeIn(folder, "dimension", dimension) };
  },
  Normalize: async (folder) => {
    checkVectors(folder, (await findObject(folder, "config.json")) ?? {});
    return { kind: "normalize" };
  },
  Dropout: async () => null,
};

/** Upper limit of a vector's length: more than any layer has. */
const MOST_FEATURES = 2 ** 20;

const isSize = (value: unknown): value is number => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MOST_FEATURES;

function sizeIn(folder: Folder, field: string, value: unknown): number {
  if (isSize(value)) return value;
  throw new FormatError(`${pathIn(folder, "config.json")}: ${field} must be from 1 to ${MOST_FEATURES}, found ${show(value)}`, GET_AGAIN);
}

/** Throws `FormatError` for a layer of something else than the sentence's vector. */
function checkVectors(folder: Folder, config: Readonly<Record<string, unknown>>): void {
  const vectors = ["module_input_name", "module_output_name"].map((field) => config[field] ?? "sentence_embedding");
  if (vectors.every((vector) => vector === "sentence_embedding")) return;
  throw new FormatError(
    `${pathIn(folder, "config.json")} is a layer from ${vectors.map((vector) => show(vector)).join(" to ")}, expected the sentence's vector`,
    WITHOUT_MODULES,
  );
}

async function readDense(folder: Folder): Promise<DenseStep> {
  const path = pathIn(folder, "config.json");
  const config = await readObject(folder, "config.json");
  const { in_features, out_features, bias = true, activation_function: name = `${ACTIVATIONS}Tanh`, use_residual = false } = config;
  checkVectors(folder, config);
  const activation = activationNames.find((known) => typeof name === "string" && name.startsWith("torch.") && name.endsWith(`.${known}`));
  checkTruth(path, "bias", bias);
  checkTruth(path, "use_residual", use_residual);
  if (activation === undefined) {
    throw new FormatError(
      `${path} is a dense layer with the activation ${show(name)}, expected one of ${activationNames.join(", ")}`,
      WITHOUT_MODULES,
    );
  }
  return {
    kind: "dense",
    inFeatures: sizeIn(folder, "in_features", in_features),
    outFeatures: sizeIn(folder, "out_features", out_features),
    bias,
    activation,
    residual: use_residual,
  };
}

/**
 * The files that turn a folder with `config.json`, weights and tokenizer into a sentence-transformers folder, except the weights of the
 * dense layer in `DENSE_FOLDER` for the pooler cls. Throws OptionError for poolers that sentence-transformers does not have.
 */
export function moduleFiles(pooler: PoolerType, maxLength: number, dimension: number, texts: TextPreparation): NamedContent[] {
  const beforeHead = pooler === "cls" ? "cls_before_pooler" : pooler;
  const pooled = POOLINGS.find(({ pooling }) => POOLERS[pooling] === beforeHead);
  if (pooled === undefined) {
    throw new OptionError(`sentence-transformers does not pool by ${pooler}`, "Choose the pooler cls, cls_before_pooler or avg.");
  }
  const flags = Object.fromEntries(POOLINGS.map(({ flag }) => [flag, flag === pooled.flag]));
  const dense = { in_features: dimension, out_features: dimension, bias: true, activation_function: `${ACTIVATIONS}Tanh` };
  const steps = [
    ["Transformer", ""],
    ["Pooling", "1_Pooling"],
    ...(pooler === "cls" ? [["Dense", DENSE_FOLDER]] : []),
    ["Normalize", pooler === "cls" ? "3_Normalize" : "2_Normalize"],
  ].map(([type, path], idx) => ({ idx, name: String(idx), path, type: `sentence_transformers.models.${type}` }));
  const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  const prompts = { prompts: texts.prompts, default_prompt_name: texts.defaultPromptName, similarity_fn_name: "cosine" };
  return [
    { name: MODULES_FILE, content: json(steps) },
    { name: "1_Pooling/config.json", content: json({ word_embedding_dimension: dimension, ...flags }) },
    ...(pooler === "cls" ? [{ name: `${DENSE_FOLDER}/config.json`, content: json(dense) }] : []),
    { name: PROMPTS_FILE, content: json(prompts) },
    { name: SETTINGS_FILE, content: json({ max_seq_length: maxLength, do_lower_case: texts.lowerCase === true }) },
  ];
}
