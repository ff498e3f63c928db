/** How a folder of sentence-transformers prepares texts before the transformer: its prompts, lower case, and the length to truncate to. */
import { FormatError } from "../../errors.ts";
import { type Folder, findObject, pathIn } from "../../io/folder.ts";
import { show } from "../../show.ts";
import type { TextPreparation } from "../embedding/prompts.ts";
import { checkTransformerSettings } from "./sentence-settings.ts";

/** How texts are prepared before the transformer. */
export interface TextSettings {
  /** Sentences are truncated to this many tokens, special tokens included; null if only the positions limit them. */
  readonly maxLength: number | null;
  readonly texts: TextPreparation;
}

export const PROMPTS_FILE = "config_sentence_transformers.json";
export const SETTINGS_FILE = "sentence_bert_config.json";
/** The settings under the names of older versions too; the first one found counts. */
export const SETTINGS_FILES = [
  SETTINGS_FILE,
  ...["roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"].map((name) => `sentence_${name}_config.json`),
];

export const GET_AGAIN = "Correct the file, or get the model again.";

/** How texts are prepared and where they are truncated, by the folder's own files and those of its transformer. */
export async function readTextSettings(folder: Folder, transformer: Folder): Promise<TextSettings> {
  const settings = await readSettings(transformer);
  return {
    maxLength: await readMaxLength(transformer, settings),
    texts: { ...(await readPrompts(folder)), ...(readLowerCase(settings) && { lowerCase: true }) },
  };
}

/** Every sentence-transformers model has `query` and `document`; they are empty if the model does not set them. */
const USUAL_PROMPTS = { query: "", document: "" };

async function readPrompts(folder: Folder): Promise<TextPreparation> {
  const path = pathIn(folder, PROMPTS_FILE);
  const config = (await findObject(folder, PROMPTS_FILE)) ?? {};
  const { default_prompt_name: name = null } = config;
  const saved = config.prompts ?? {};
  const isPrompts = typeof saved === "object" && !Array.isArray(saved);
  if (!isPrompts || !Object.values(saved).every((prompt) => prompt === null || typeof prompt === "string")) {
    throw new FormatError(`${path}: prompts must be texts by name, found ${show(saved)}`, GET_AGAIN);
  }
  const prompts = {
    ...USUAL_PROMPTS,
    ...Object.fromEntries(Object.entries(saved).map(([key, prompt]) => [key, (prompt as string | null) ?? ""])),
  };
  if (name !== null && !(typeof name === "string" && Object.hasOwn(prompts, name))) {
    throw new FormatError(`${path}: default_prompt_name ${show(name)} is none of its prompts ${show(Object.keys(prompts))}`, GET_AGAIN);
  }
  return { prompts, defaultPromptName: name as string | null };
}

/** The smallest length for truncation: [CLS], a token, [SEP]. */
const LEAST_LENGTH = 3;

/** A transformer's settings, and the name of their file in messages. */
interface TransformerSettings {
  readonly path: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

/** The settings in the transformer's folder. Throws `FormatError` for one that is not supported. */
async function readSettings(folder: Folder): Promise<TransformerSettings> {
  for (const file of SETTINGS_FILES) {
    const settings = await findObject(folder, file);
    if (settings === null) continue;
    const path = pathIn(folder, file);
    checkTransformerSettings(path, settings);
    return { path, settings };
  }
  return { path: pathIn(folder, SETTINGS_FILE), settings: {} };
}

/** Whether texts are lower-cased before anything else. */
function readLowerCase({ path, settings }: TransformerSettings): boolean {
  const said = settings.do_lower_case ?? false;
  checkTruth(path, "do_lower_case", said);
  return said;
}

/** The limit in the settings, or else that of the tokenizer; null if neither has one. */
async function readMaxLength(folder: Folder, { path, settings }: TransformerSettings): Promise<number | null> {
  const { max_seq_length = null } = settings;
  const given = lengthOf(settings.processor_kwargs) ?? lengthOf(settings.tokenizer_args) ?? max_seq_length;
  if (Number.isInteger(given) && (given as number) >= LEAST_LENGTH) return given as number;
  if (given !== null) {
    throw new FormatError(
      `${path}: max_seq_length must be a whole number of at least ${LEAST_LENGTH}, found ${show(given)}`,
      "Correct the file, or remove it: then the model's positions are the limit.",
    );
  }
  const config = (await findObject(folder, "tokenizer_config.json")) ?? {};
  // The first versions of transformers called it max_len.
  const { model_max_length: said = config.max_len } = config;
  // There, a number of 30 digits means no limit.
  return typeof said === "number" && said >= LEAST_LENGTH && Number.isFinite(said) ? Math.floor(said) : null;
}

function lengthOf(options: unknown): unknown {
  return typeof options === "object" && options !== null && "model_max_length" in options ? options.model_max_length : null;
}

/** Throws `FormatError` unless a field is true or false. */
export function checkTruth(path: string, field: string, value: unknown): asserts value is boolean {
  if (typeof value !== "boolean") throw new FormatError(`${path}: ${field} must be true or false, found ${show(value)}`, GET_AGAIN);
}
