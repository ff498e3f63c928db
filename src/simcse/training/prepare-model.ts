/** From a model folder to a model in memory that can be trained: which settings it brings, which heads it gets, and where its weights come from. */
import type { Tuning } from "../../autograd/choices.ts";
import { OptionError } from "../../errors.ts";
import type { Device } from "../../gpu/device.ts";
import type { Folder } from "../../io/folder.ts";
import { loadTokenizer, type Tokenizer } from "../../io/tokenizer.ts";
import type { Weights } from "../../io/weights/tensor-file.ts";
import { longestSentence } from "../../nn/architectures/bert-config.ts";
import { type CheckpointConfig, checkVocabulary, inspectWeights, loadWeights, readConfig, usualLength } from "../checkpoint/checkpoint.ts";
import { type SimCseConfig, SimCseModel } from "../model/model.ts";
import type { PoolerType } from "../model/poolers.ts";
import { embeddingPooler, type TrainingSettings, trainingDefaults } from "./training-options.ts";
import { type TrainingSet, tokenizedSet } from "./training-set.ts";

/** A model folder opened for training. */
export interface TrainingSource {
  readonly config: CheckpointConfig;
  readonly tokenizer: Tokenizer;
  /** What training begins with; null where the folder has no weights: then they are fresh. */
  readonly weights: Weights | null;
  /** Whether the weights have a head for the [CLS] token that SimCSE has trained. That of a plain BERT was trained for something else. */
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

/** Opens a model folder, with another's config or tokenizer where they are given. Throws what reading its parts throws. */
export async function openTrainingSource(
  model: Folder,
  { config: configFolder, tokenizer: tokenizerFolder, pooler }: SourceOptions = {},
): Promise<TrainingSource> {
  const own = await readTrainable(model, pooler);
  const config = configFolder ? { ...own, bert: (await readConfig(configFolder)).bert } : own;
  const tokenizer = await loadTokenizer(tokenizerFolder ?? config.folder);
  checkVocabulary(config.folder, tokenizer, config.bert);
  const { weights, hasHead } = await inspectWeights(config.folder, config.head);
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

/** Throws `OptionError` for a model with modules that are not trained, unless a pooler is chosen: its transformer is then trained without them. */
async function readTrainable(model: Folder, pooler: PoolerType | undefined): Promise<CheckpointConfig> {
  const config = await readConfig(model);
  if (config.sentenceHead === null) return config;
  if (pooler !== undefined) return readConfig(model, { pooler });
  throw new OptionError(
    `${model.name} makes its vectors with modules that cannot be trained here.`,
    "Give a `pooler`, such as avg, to train its transformer without them.",
  );
}

/** Settings that are given, with the model's pooler and length, and the defaults, for those that are not. */
export function resolveSettings(
  given: Partial<TrainingSettings>,
  { pooler, maxLength }: Pick<CheckpointConfig, "pooler" | "maxLength">,
): TrainingSettings {
  const chosen = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const ofModel = pooler === null ? {} : { maxLength, ...(!given.mlpOnlyTrain && { pooler }) };
  return { ...trainingDefaults, ...ofModel, ...chosen };
}

/**
 * The set and the length to train with, where none is given: no longer than the longest sentence of the examples, since a step has memory for batches of the longest
 * sentences. The examples are tokenised once and kept.
 */
export function fitLength(
  set: TrainingSet,
  settings: TrainingSettings,
): { readonly set: TrainingSet; readonly settings: TrainingSettings } {
  const tokenized = tokenizedSet(set);
  return { set: tokenized, settings: { ...settings, maxLength: Math.max(3, Math.min(settings.maxLength, tokenized.longest)) } };
}

/** What is saved with the trained model: how it embeds. A model keeps its own length; one that says none reads as many tokens as usual, or as it was trained on. */
export function savedConfig({ config }: Pick<TrainingSource, "config">, settings: TrainingSettings): SimCseConfig {
  const own = config.pooler === null ? usualLength : config.maxLength;
  return {
    pooler_type: embeddingPooler(settings),
    max_seq_length: Math.min(Math.max(own, settings.maxLength), longestSentence(config.bert)),
  };
}

/** Whether examples have nothing for a loss of embeddings: their masked words are restored. */
export function isOnlyMasked({ views, target }: Pick<TrainingSet, "views" | "target">): boolean {
  return views === 1 && target === null;
}

/** The heads and the memory that training with these settings on this set needs. */
export function modelNeeds({ pooler, mlm, fp16 }: TrainingSettings, set: Pick<TrainingSet, "views" | "target">) {
  const onlyMasked = isOnlyMasked(set);
  return { training: true, mlp: pooler === "cls" && !onlyMasked, mlm: mlm || onlyMasked, halves: fp16 };
}

/**
 * Allocates a model for training and gives it its weights: those of the source, or fresh ones by the seed where it has none. Returns the names of the tensors that are
 * fresh. Throws `CapacityError` when the device has no room.
 */
export async function prepareModel(
  device: Device,
  { config, weights, hasTrainedHead }: TrainingSource,
  {
    settings,
    set,
    tuning,
  }: { readonly settings: TrainingSettings; readonly set: Pick<TrainingSet, "views" | "target">; readonly tuning?: Tuning | undefined },
): Promise<{ readonly model: SimCseModel; readonly fresh: readonly string[] }> {
  const model = await SimCseModel.allocate(device, config.bert, { ...modelNeeds(settings, set), tuning });
  try {
    model.store.initialize(settings.seed);
    if (weights === null) return { model, fresh: [...model.store.pieces.keys()] };
    return { model, fresh: await loadWeights(model, weights, { head: hasTrainedHead ? "checkpoint" : "fresh" }) };
  } catch (error) {
    model.close();
    throw error;
  }
}
