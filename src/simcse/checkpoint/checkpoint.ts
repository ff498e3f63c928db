/**
 * Model folders in Hugging Face's layout (`config.json`, weights, tokenizer files) and in that of sentence-transformers.
 *
 * Reads checkpoints in any form of weights, with or without the encoder's name (`bert.`) or that of a wrapper before the names of tensors,
 * with the legacy names gamma and beta, with or without a masked language model's head; and SimCSE's own, whose head is `mlp.dense` or,
 * converted, `pooler.dense`. Writes the converted form, which transformers opens with the head as its pooler.
 */
import { FileError, FormatError } from "../../errors.ts";
import { checkFolder, type Folder, findObject, type NamedContent, pathIn } from "../../io/folder.ts";
import type { Tokenizer } from "../../io/tokenizer.ts";
import { checkFinite } from "../../io/weights/finite.ts";
import { encodeSafetensors, f32Tensor, type TensorToWrite } from "../../io/weights/safetensors.ts";
import type { Weights } from "../../io/weights/tensor-file.ts";
import { JoinedWeights, openRequiredWeights, openWeights, originOf, type PlacedTensor } from "../../io/weights.ts";
import { bytesPerElement, elementCount, sameShape } from "../../kernels/language/operation.ts";
import type { TransformerConfig } from "../../nn/architectures/architecture.ts";
import { configText, longestSentence, parseConfig } from "../../nn/architectures/architectures.ts";
import { isAdapter } from "../../nn/lora.ts";
import { show } from "../../show.ts";
import { allEnded } from "../all-ended.ts";
import { type TextPreparation, unprepared } from "../embedding/prompts.ts";
import type { SimCseConfig, SimCseModel } from "../model/model.ts";
import { officialPooler } from "../model/official-models.ts";
import { type PoolerType, parsePooler } from "../model/poolers.ts";
import { headDimension, type SentenceHeadConfig } from "../model/sentence-head.ts";
import { CheckpointNames, checkpointName, isMaskedHead, isSentenceHead } from "./checkpoint-names.ts";
import { lowerCased } from "./lower-cased.ts";
import { readTextSettings } from "./sentence-texts.ts";
import { findTransformer, type ModuleWeights, readSentenceModules, type SentenceModules, SIMCSE_MLP } from "./sentence-transformers.ts";
import { type WeightsDtype, weightsForms } from "./written-weights.ts";

/** The original truncates sentences to this many tokens. */
export const usualLength = 128;

/** Bytes of a large tensor that are read and written to the GPU at a time. */
export const streamBytes = 8 * 2 ** 20;
/** Bytes that are read together and written before waiting for the GPU: until then they take host memory. */
const pendingBytes = 4 * streamBytes;

/** The information in a model folder's configuration files. */
export interface CheckpointConfig {
  /** The folder of the transformer's files: the model folder, or a folder inside it for sentence-transformers. */
  readonly folder: Folder;
  /** Where a sentence-transformers folder has the weights of the modules after its transformer. */
  readonly modules: readonly ModuleWeights[];
  readonly transformer: TransformerConfig;
  /** Present if this package made the model. */
  readonly simcse: SimCseConfig | null;
  /** Whether SimCSE made the model. Then its tensors `pooler.dense` are the trained head, not BERT's own. */
  readonly hasTrainedHead: boolean;
  /**
   * The pooler from the model's files, or known from the name of an official model; null if neither says it, or if the model has a
   * `sentenceHead`.
   */
  readonly pooler: PoolerType | null;
  /**
   * The modules after a sentence-transformers model's transformer, if they are not one of the poolers. Such a model encodes and cannot be
   * trained.
   */
  readonly sentenceHead: SentenceHeadConfig | null;
  /**
   * Sentences are truncated to this many tokens, special tokens included: the model's own value, or 128, but no more than the model
   * supports.
   */
  readonly maxLength: number;
  /** How texts are prepared before tokenising. */
  readonly texts: TextPreparation;
}

/** Options of `readConfig`. */
export interface ReadConfigOptions {
  /** The pooler to use instead of the model's own; sentence-transformers modules that it does not need are then left out. */
  readonly pooler?: PoolerType | undefined;
}

/** The modules of a folder that is not from sentence-transformers. */
const noModules: SentenceModules = { pooler: null, head: null, modules: [] };

/** Reads a folder's configuration. Throws `FileError` when config.json is missing and `FormatError` when it describes no model that is supported. */
export async function readConfig(given: Folder, { pooler }: ReadConfigOptions = {}): Promise<CheckpointConfig> {
  checkFolder(given);
  const inner = await findTransformer(given);
  const modules = inner === null ? noModules : await modulesFor(pooler, given);
  const settings = inner === null ? null : await readTextSettings(given, inner);
  const folder = settings?.texts.lowerCase === true ? await lowerCased(inner!) : (inner ?? given);
  const path = pathIn(folder, "config.json");
  await refuseAdapter(folder);
  const json = await findObject(folder, "config.json");
  if (json === null) {
    throw new FileError(
      `${path} does not exist, so this is no model's folder.`,
      "Give a folder with a model's config.json, weights and tokenizer, or a name on the Hugging Face hub.",
    );
  }
  const simcse = parseSimCse(path, json.simcse);
  const official = officialPooler(given.name);
  const transformer = parseConfig(path, json);
  if (modules.head) headDimension(given.name, modules.head, transformer.hidden_size);
  const saved = simcse && parsePooler(simcse.pooler_type);
  const longest = longestSentence(transformer);
  return {
    folder,
    transformer,
    simcse,
    hasTrainedHead: simcse !== null || official !== null || modules.pooler === "cls",
    pooler: pooler ?? (inner === null ? (saved ?? official) : modules.pooler),
    modules: modules.modules,
    sentenceHead: modules.head,
    // If sentence-transformers sets no limit, the positions do; SimCSE's own models are truncated to 128.
    maxLength: Math.min((settings ? settings.maxLength : (simcse?.max_seq_length ?? usualLength)) ?? longest, longest),
    texts: settings?.texts ?? unprepared,
  };
}

/**
 * Throws `FileError` for a folder with an adapter of PEFT's: transformers applies it to the model that it names, whatever weights are beside
 * it, so these alone would give other vectors.
 */
async function refuseAdapter(folder: Folder): Promise<void> {
  const adapter = await findObject(folder, "adapter_config.json");
  if (adapter === null) return;
  const { base_model_name_or_path: base } = adapter;
  const isAlone = !(await folder.has("config.json"));
  throw new FileError(
    `${folder.name} holds an adapter of PEFT's ${isAlone ? "and no model" : "beside a model"}${typeof base === "string" ? `; it belongs to ${show(base)}` : ""}.`,
    `Load both in Python, merge them (merge_and_unload), and save the model and its tokenizer into one folder${isAlone ? "" : "; or remove adapter_config.json if the adapter is not meant to be used"}.`,
  );
}

/** The sentence-transformers modules that a pooler needs; all of them if no pooler is chosen. */
async function modulesFor(pooler: PoolerType | undefined, folder: Folder): Promise<SentenceModules> {
  if (pooler === undefined) return readSentenceModules(folder);
  if (pooler !== "cls") return noModules;
  const found = await readSentenceModules(folder).catch((error: unknown) => {
    if (error instanceof FormatError) return noModules;
    throw error;
  });
  return found.pooler === "cls" ? found : noModules;
}

function parseSimCse(path: string, value: unknown): SimCseConfig | null {
  if (value === undefined || value === null) return null;
  const { pooler_type, max_seq_length } = value as Partial<SimCseConfig>;
  if (typeof pooler_type === "string" && Number.isInteger(max_seq_length)) return { pooler_type, max_seq_length: max_seq_length as number };
  throw new FormatError(
    `${path}: simcse must name a pooler_type and a max_seq_length, found ${show(value)}`,
    "Correct the field, or remove it and give the pooler yourself.",
  );
}

/** The weights in a folder, including those of modules in folders of their own, and whether there is a head for the [CLS] token. */
export async function inspectWeights({
  folder,
  transformer,
  modules,
}: Pick<CheckpointConfig, "folder" | "transformer" | "modules">): Promise<{ readonly weights: Weights | null; readonly hasHead: boolean }> {
  const encoder = await openWeights(folder);
  const weights = encoder === null || modules.length === 0 ? encoder : await withModules(encoder, modules);
  return { weights, hasHead: weights !== null && new CheckpointNames(weights, transformer).find(`${SIMCSE_MLP}weight`) !== null };
}

/** A module's tensors get its prefix here. SimCSE's MLP is the only dense layer of its module, so its name ends there. */
async function withModules(encoder: Weights, modules: readonly ModuleWeights[]): Promise<Weights> {
  const placed = new Map<string, PlacedTensor>();
  for (const name of encoder.tensors.keys()) placed.set(name, { weights: encoder, source: name });
  for (const { folder, prefix } of modules) {
    const weights = await openRequiredWeights(folder);
    const own = prefix === SIMCSE_MLP ? (name: string) => name.replace(/^linear\./, "") : (name: string) => name;
    for (const source of weights.tensors.keys()) placed.set(prefix + own(source), { weights, source });
  }
  return new JoinedWeights(encoder.path, placed);
}

/** Options of `loadWeights`. */
export interface LoadWeightsOptions {
  /**
   * `checkpoint` also loads the head; `fresh` leaves it to be initialised, as SimCSE does for a BERT whose head was trained for another
   * purpose.
   */
  readonly head: "checkpoint" | "fresh";
  /** Stops between two groups of tensors. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Streams a checkpoint's tensors to the GPU, and returns the names of those that keep their initial values: of fresh heads and of adapters.
 * Tensors are read in the order of the file, many small ones together, so that a folder behind HTTP needs few requests. Throws
 * `FormatError` naming the file and the tensor that is missing, has another shape or a dtype that is not floating-point, or contains a
 * value that is not finite.
 */
export async function loadWeights(model: SimCseModel, weights: Weights, { head, signal }: LoadWeightsOptions): Promise<string[]> {
  const names = new CheckpointNames(weights, model.config);
  const isFresh = (name: string) =>
    isAdapter(name) || (head === "fresh" && name.startsWith("mlp.")) || (isMaskedHead(model.config, name) && names.find(name) === null);
  const wanted = [...model.store.pieces].filter(([name]) => !isFresh(name));
  const located = locateTensors(weights, model.config, wanted);
  for (const group of readTogether(weights, located)) {
    signal?.throwIfAborted();
    // Also after an error: no write may be in progress when the caller frees the model's memory.
    await allEnded(
      group.map(async ({ name, source }) => {
        const origin = originOf(weights, source);
        for await (const { offset, data } of weights.streamF32(source, streamBytes)) {
          checkFinite(origin, origin.source, data, offset);
          model.store.write(name, data, offset);
        }
      }),
    ).finally(() => model.device.finish());
  }
  if (model.trained === null) keepOriginals(model, weights, located);
  return [...model.store.pieces.keys()].filter(isFresh);
}

/** For the tensors that the device has as f16 and the file has more exactly. */
function keepOriginals(model: SimCseModel, weights: Weights, tensors: readonly LocatedTensor[]): void {
  for (const { name, source } of tensors) {
    const isRounded = model.store.pieces.get(name)!.parameter.dtype === "f16" && weights.tensors.get(source)!.dtype !== "F16";
    if (isRounded) model.keepOriginal(name, () => weights.readF32(source));
  }
}

/** Tensors in the order of the file, in groups of at most `pendingBytes`; a larger tensor is a group by itself. */
function readTogether(weights: Weights, tensors: readonly LocatedTensor[]): LocatedTensor[][] {
  const order = new Map([...weights.tensors.keys()].map((source, index) => [source, index]));
  const groups: LocatedTensor[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const tensor of tensors.toSorted((a, b) => order.get(a.source)! - order.get(b.source)!)) {
    const size = bytesPerElement.f32 * elementCount(tensor.shape);
    if (bytes + size > pendingBytes) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)!.push(tensor);
    bytes += size;
  }
  return groups;
}

/** A tensor of a model, and its name in the checkpoint. */
export interface LocatedTensor {
  readonly name: string;
  readonly source: string;
  readonly shape: readonly number[];
}

/**
 * Finds a model's tensors in a checkpoint. Throws `FormatError` for one that is missing or has another shape, and for one of a
 * sentence-transformers module that nothing uses.
 */
export function locateTensors(
  weights: Weights,
  config: TransformerConfig,
  wanted: Iterable<readonly [string, { readonly shape: readonly number[] }]>,
): LocatedTensor[] {
  const names = new CheckpointNames(weights, config);
  const located = Array.from(wanted, ([name, { shape }]) => {
    const source = names.find(name);
    if (source === null) {
      if (isSentenceHead(name)) throw missingInModule(weights, name);
      throw new FormatError(
        `${weights.path} has no tensor ${checkpointName(config, name)}.`,
        name.startsWith("mlp.")
          ? "The checkpoint has no pooler: use --pooler cls_before_pooler or avg, or a checkpoint that was converted with its MLP."
          : `Use a checkpoint of a model of the type ${config.model_type} that fits the config.json beside it.`,
      );
    }
    const info = weights.tensors.get(source)!;
    if (!sameShape(info.shape, shape)) {
      const origin = originOf(weights, source);
      throw new FormatError(
        `${origin.path}: ${origin.source} has shape ${show(info.shape)}; config.json asks for ${show(shape)}.`,
        "Use the config.json that belongs to these weights.",
      );
    }
    return { name, source, shape };
  });
  const used = new Set(located.map(({ source }) => source));
  const unused = [...weights.tensors.keys()].find((name) => isSentenceHead(name) && !used.has(name));
  if (unused === undefined) return located;
  const { path, source } = originOf(weights, unused);
  throw new FormatError(`${path}: the module's config.json has no place for the tensor ${source}.`, belongingConfig);
}

const belongingConfig = "Use the config.json that belongs to the module's weights.";

/** The error for a tensor that a module after the transformer lacks. The module's other tensors say where it is. */
function missingInModule(weights: Weights, name: string): FormatError {
  const step = /^sentenceHead\.steps\.\d+\./.exec(name)![0];
  const other = [...weights.tensors.keys()].find((known) => known.startsWith(step));
  const { path } = other === undefined ? weights : originOf(weights, other);
  return new FormatError(`${path} has no tensor ${name.slice(step.length)}.`, belongingConfig);
}

/**
 * A config as its tokenizer needs it. RoBERTa's padding takes a row of the position embedding, and is not counted. Where the tokenizer pads
 * with a token around every text, that is so; where config.json names the last token and the tokenizer pads with another, config.json only
 * says where positions begin. Throws `FormatError` when the vocabulary has ids beyond the rows of the word embedding.
 */
export function fitConfig(folder: Folder, tokenizer: Tokenizer, config: TransformerConfig): TransformerConfig {
  const { vocab_size, pad_token_id: padding } = config;
  if (tokenizer.leastRows > vocab_size) {
    throw new FormatError(
      `${folder.name}: the vocabulary has ${tokenizer.leastRows} tokens; the word embedding has ${vocab_size} rows (vocab_size in config.json).`,
      "Use the tokenizer files that belong to the model.",
    );
  }
  const { sepId, padId } = tokenizer;
  return padding !== padId && padding === sepId ? { ...config, padding_has_positions: true } : config;
}

/** The files of a model folder, to be written in this order. Adapters are part of their weights. */
export function modelFiles(model: SimCseModel, tokenizer: Tokenizer, simcse: SimCseConfig): NamedContent[] {
  const tensors = [...model.baseTensors].map(([name, { shape }]) =>
    f32Tensor(checkpointName(model.config, name), shape, () => model.readMerged(name)),
  );
  return checkpointFiles(model.config, simcse, tokenizer, tensors, "F32");
}

/** The same for tensors from any source; `simcse` is null if the pooler is not known. */
export function checkpointFiles(
  transformer: TransformerConfig,
  simcse: SimCseConfig | null,
  tokenizer: Tokenizer,
  tensors: readonly TensorToWrite[],
  dtype: WeightsDtype,
): NamedContent[] {
  const { file, torchDtype } = weightsForms[dtype];
  return [
    { name: "config.json", content: configText(transformer, { torch_dtype: torchDtype, simcse: simcse ?? undefined }) },
    ...[...tokenizer.files].map(([name, content]) => ({ name, content })),
    { name: file, content: encodeSafetensors(tensors) },
  ];
}
