/** Sends a model's folder to the hub with its card: the one in the folder, or one that is made for it. */
import { basename, resolve } from "node:path";
import { OptionError } from "../../errors.ts";
import { type Folder, readText } from "../../io/folder.ts";
import { openFolder } from "../../io/folder-node.ts";
import { type Pushed, type PushOptions, pushFolder, pushOptions } from "../../io/hub/push-node.ts";
import { checkOptions, splitOptions } from "../../options.ts";
import type { PoolerType } from "../model/poolers.ts";
import { type CardLicence, withLicence } from "../report/card-metadata.ts";
import { modelCard } from "../report/model-card.ts";
import { readConfig } from "./checkpoint.ts";

/** Options of `SimCSE.push`. */
export interface PushModelOptions extends Omit<PushOptions, "texts">, CardLicence {}

/** What a card needs beside the folder. */
interface CardOptions extends CardLicence {
  /** The pooler that a new card states; needed only for a folder that does not name its own. */
  readonly pooler?: PoolerType | undefined;
}

/** A model that was sent. */
export interface PushedModel extends Pushed {
  /** The pooler that the new card states although nothing names it; null if nothing was assumed. */
  readonly assumedPooler: PoolerType | null;
}

const { texts: _, ...sendingOptions } = pushOptions;
const cardOptions = { license: true, language: true, pooler: true } as const;

/** What a new card states for a folder that does not name its pooler: most checkpoints of others are pooled by mean. */
const usualPooler = "avg";

/**
 * Sends the model in the folder at `path` to the repository `name`, under which the card's code then loads it. Throws like `pushFolder` and
 * `readConfig`, and `OptionError` for a pooler that contradicts the folder's.
 */
export async function pushModel(name: string, path: string, options: PushModelOptions & CardOptions = {}): Promise<PushedModel> {
  checkOptions("push", options, { ...sendingOptions, ...cardOptions });
  const [given, sending] = splitOptions<CardOptions, Omit<PushModelOptions, keyof CardLicence>>(options, cardOptions);
  const { text, assumedPooler } = await cardFor(name, path, given);
  const pushed = await pushFolder(name, path, { ...sending, texts: { "README.md": text } });
  return { ...pushed, assumedPooler };
}

interface Card extends Pick<PushedModel, "assumedPooler"> {
  readonly text: string;
}

/** The folder's card, or a new one, with the model's name on the hub. */
async function cardFor(name: string, path: string, { pooler, ...licence }: CardOptions): Promise<Card> {
  const folder = await openFolder(path);
  const card = (await folder.has("README.md"))
    ? await ownCard(folder, basename(resolve(path)), name, pooler)
    : await newCard(folder, name, pooler);
  return Object.keys(licence).length === 0 ? card : { ...card, text: withLicence(card.text, licence) };
}

/** The name by which a card's code loads the model: that of its folder when the card was written. */
const loadedName = /SimCSE\.load\("([^"\\]+)"\)/;

async function ownCard(folder: Folder, folderName: string, name: string, pooler: PoolerType | undefined): Promise<Card> {
  if (pooler !== undefined)
    throw new OptionError(`${folder.name} has a card already, so it needs no pooler.`, "Leave the pooler out, or remove README.md.");
  const card = await readText(folder, "README.md");
  const local = loadedName.exec(card)?.[1] ?? folderName;
  const text = card.replaceAll(JSON.stringify(local), JSON.stringify(name)).replaceAll(`--model ${local} `, `--model ${name} `);
  return { text, assumedPooler: null };
}

async function newCard(folder: Folder, name: string, given: PoolerType | undefined): Promise<Card> {
  const { pooler, sentenceHead, maxLength, transformer } = await readConfig(folder);
  const own = sentenceHead === null ? pooler : "sentence_transformers";
  if (own !== null && given !== undefined && given !== own)
    throw new OptionError(`${folder.name} is a model with the pooler ${own}, not ${given}.`, "Leave the pooler out.");
  const stated = own ?? given ?? usualPooler;
  const report = {
    name: name.slice(name.indexOf("/") + 1),
    folder: name,
    history: [],
    arguments: {},
    pooler: stated,
    modelType: transformer.model_type,
    maxLength: own === null ? undefined : maxLength,
  };
  return { text: modelCard(report), assumedPooler: own === null && given === undefined ? usualPooler : null };
}
