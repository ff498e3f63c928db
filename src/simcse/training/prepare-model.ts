/** From a model folder to a model in memory that can be trained: its settings, its heads, and the source of its weights. */
import type { Tuning } from "../../autograd/choices.ts";
import { OptionError } from "../../errors.ts";
import type { Device } from "../../gpu/device.ts";
import type { Folder } from "../../io/folder.ts";
import { loadTokenizer, type Tokenizer } from "../../io/tokenizer.ts";
import type { Weights } from "../../io/weights/tensor-file.ts";
import type { TransformerConfig } from "../../nn/architectures/architecture.ts";
import { hasDropout, longestSentence } from "../../nn/architectures/architectures.ts";
import { type CheckpointConfig, fitConfig, inspectWeights, loadWeights, readConfig, usualLength } from "../checkpoint/checkpoint.ts";
import { type SimCseConfig, SimCseModel } from "../model/model.ts";
import type { PoolerType } from "../model/poolers.ts";
import { trainedParts } from "../model/trained-parts.ts";
import { beginAt, type RunStart, tuningOf } from "./run-start.ts";
import { checkSettings, embeddingPooler, loraOf, type TrainingSettings, trainingDefaults } from "./training-options.ts";
import { isOnlyMasked, type TrainingSet, tokenizedSet } from "./training-set.ts";

/** A model folder opened for training. */
export interface TrainingSource {
  readonly config: CheckpointConfig;
  readonly tokenizer: Tokenizer;
  /** The initial weights; null if the folder has none: they are then fresh. */
  readonly weights: Weights | null;
  /**
   * Whether the weights have a head for the [CLS] token that SimCSE has trained. The head of a plain BERT was trained for another purpose.
   */
  readonly hasTrainedHead: boolean;
}

export interface SourceOptions {
  /** The folder of another config.json; the model's if absent. */
  readonly config?: Folder | undefined;
  /** The folder of another tokenizer; the model's if absent. */
  readonly tokenizer?: Folder | undefined;
  /** The pooler to train; the model's own if absent. */
  readonly pooler?: PoolerType | undefined;
}

/** Opens a model folder, with another config or tokenizer if given. Throws the errors of reading its parts. */
export async function openTrainingSource(
  model: Folder,
  { config: configFolder, tokenizer: tokenizerFolder, pooler }: SourceOptions = {},
): Promise<TrainingSource> {
  const own = await readTrainable(model, pooler);
  const { transformer } = configFolder ? await readConfig(configFolder) : own;
  const tokenizer = await loadTokenizer(tokenizerFolder ?? own.folder);
  const config = { ...own, transformer: fitConfig(own.folder, tokenizer, transformer) };
  const { weights, hasHead } = await inspectWeights(config);
  return { config, tokenizer, weights, hasTrainedHead: isTrainedHead({ hasHead, config, weights }) };
}

/** Whether weights have a head for the [CLS] token that SimCSE has trained. */
export function isTrainedHead(source: {
  readonly hasHead: boolean;
  readonly config: Pick<CheckpointConfig, "hasTrainedHead">;
  readonly weights: Weights | null;
}): boolean {
  return source.hasHead && (source.config.hasTrainedHead || source.weights?.tensors.has("mlp.dense.weight") === true);
}

/**
 * Throws `OptionError` for a model with modules that cannot be trained, unless a pooler is chosen: its transformer is then trained without
 * them.
 */
async function readTrainable(model: Folder, pooler: PoolerType | undefined): Promise<CheckpointConfig> {
  const config = await readConfig(model);
  if (config.sentenceHead === null) return config;
  if (pooler !== undefined) return readConfig(model, { pooler });
  throw new OptionError(
    `${model.name} makes its vectors with modules that cannot be trained here.`,
    "Give a `pooler`, such as avg, to train its transformer without them.",
  );
}

/** The given settings; missing ones come from the model (pooler and length) and the defaults. Throws `OptionError` for impossible ones. */
export function resolveSettings(
  given: Partial<TrainingSettings>,
  { pooler, maxLength }: Pick<CheckpointConfig, "pooler" | "maxLength">,
): TrainingSettings {
  const chosen = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const ofModel = pooler === null ? {} : { maxLength, ...(!given.mlpOnlyTrain && { pooler }) };
  const settings = { ...trainingDefaults, ...ofModel, ...chosen };
  checkSettings(settings);
  return settings;
}

/**
 * The training set, and the length to train with unless one is `given`: that of the examples' longest sentence at most, because a step has
 * memory for batches of the longest sentences. The examples are tokenised once and kept.
 */
export function fitLength(
  set: TrainingSet,
  settings: TrainingSettings,
  given: number | undefined,
): { readonly set: TrainingSet; readonly settings: TrainingSettings } {
  if (given !== undefined || isOnlyMasked(set)) return { set, settings };
  const tokenized = tokenizedSet(set);
  return { set: tokenized, settings: { ...settings, maxLength: Math.max(3, Math.min(settings.maxLength, tokenized.longest)) } };
}

/**
 * What is saved with the trained model about its embeddings. A model keeps its own length; one without a length gets the default, or the
 * training length.
 */
export function savedConfig({ config }: Pick<TrainingSource, "config">, settings: TrainingSettings): SimCseConfig {
  const own = config.pooler === null ? usualLength : config.maxLength;
  return {
    pooler_type: embeddingPooler(settings),
    max_seq_length: Math.min(Math.max(own, settings.maxLength), longestSentence(config.transformer)),
  };
}

/**
 * Whether both vectors of a sentence are the same in every step: it is its own pair, and nothing is dropped. The loss can then only spread
 * the sentences, which teaches little.
 */
export function hasEqualViews(
  { columns, views, target }: Pick<TrainingSet, "columns" | "views" | "target">,
  { dropout, loraDropout }: Pick<TrainingSettings, "dropout" | "loraDropout">,
  config: TransformerConfig,
): boolean {
  const drops = loraDropout > 0 || (dropout === null ? hasDropout(config) : dropout > 0);
  return columns === 1 && views === 2 && target === null && !drops;
}

/** The heads and memory for training with these settings on this set. */
export function modelNeeds(settings: TrainingSettings, set: Pick<TrainingSet, "views" | "target">) {
  const { pooler, mlm, fp16 } = settings;
  const onlyMasked = isOnlyMasked(set);
  const heads = { mlp: pooler === "cls" && !onlyMasked, mlm: mlm || onlyMasked };
  return { training: true, ...heads, halves: fp16, ...trainedParts({ freeze: settings.freeze, lora: loraOf(settings) }) };
}

/** How a source becomes a model that can be trained. */
interface Preparation {
  readonly settings: TrainingSettings;
  readonly set: Pick<TrainingSet, "views" | "target">;
  readonly start: RunStart | null;
  /** The choice of kernels at the beginning; a checkpoint has its own. */
  readonly tuning?: Tuning | undefined;
}

/**
 * Allocates a model for training and sets its weights: those of the source, or fresh ones by the seed if it has none; at a checkpoint, those
 * of the checkpoint. Returns the names of the source's fresh tensors. Throws `CapacityError` when the device has no room.
 */
export async function prepareModel(
  device: Device,
  { config, weights, hasTrainedHead }: TrainingSource,
  { settings, set, start, tuning }: Preparation,
): Promise<{ readonly model: SimCseModel; readonly fresh: readonly string[] }> {
  const needs = modelNeeds(settings, set);
  const model = await SimCseModel.allocate(device, config.transformer, { ...needs, tuning: tuningOf(start) ?? tuning });
  try {
    const all = [...model.store.pieces.keys()];
    const fresh = weights === null ? all : await loadWeights(model, weights, { head: hasTrainedHead ? "checkpoint" : "fresh" });
    await beginAt(start, model, { fresh, seed: settings.seed });
    return { model, fresh };
  } catch (error) {
    model.close();
    throw error;
  }
}
