/** The files of a model folder that its tokenizer is made of, and those that a saved model gets. */
import { FormatError } from "../../errors.ts";
import { show } from "../../show.ts";
import { type Folder, findObject, parseObject, pathIn, readObject, readText } from "../folder.ts";
import type { BytePairModel } from "./byte-pairs.ts";
import { configFor, type SpecialTokens, type TokenizerConfig, type TokenizerDefinition } from "./definition.ts";
import { sentencePieceDefinition } from "./sentence-piece.ts";
import { isMadeFrom } from "./transformers-config.ts";
import { pairOf, tokensOf } from "./vocabularies.ts";

export const CONFIG_FILE = "tokenizer_config.json";
export const SPECIAL_FILE = "special_tokens_map.json";
export const DEFINITION_FILE = "tokenizer.json";

/** The tokenizer of an XLM-RoBERTa in its oldest form. */
const SENTENCE_PIECE_FILE = "sentencepiece.bpe.model";

/** The tokenizer of an ALBERT in its oldest form, which is not read. */
const ALBERT_FILE = "spiece.model";

/** Tokens beyond the vocabulary, in folders whose `tokenizer_config.json` does not list them. */
export const ADDED_FILE = "added_tokens.json";

/** The parts of a tokenizer without a `tokenizer.json`. */
const VOCABULARY_FILES = ["vocab.txt", "vocab.json", "merges.txt"];

const MAKE_DEFINITION = "Save the tokenizer with transformers, which makes a tokenizer.json of it.";

/**
 * The files of a tokenizer that exist and are needed. Files that can only repeat the others are not accessed: behind HTTP each access costs
 * a request, and shows as a 404 in a browser's console.
 */
export async function readFiles(folder: Folder): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  const read = (names: readonly string[]) =>
    Promise.all(
      names.map(async (name) => {
        if (await folder.has(name)) files.set(name, await readText(folder, name));
      }),
    );
  await read([DEFINITION_FILE, CONFIG_FILE]);
  const config = objectIn<TokenizerConfig>(folder, files, CONFIG_FILE) ?? {};
  const listsAdded = config.added_tokens_decoder !== undefined;
  const hasDefinition = files.has(DEFINITION_FILE);
  await read([...(listsAdded ? [] : [SPECIAL_FILE, ADDED_FILE]), ...(hasDefinition ? [] : VOCABULARY_FILES)]);
  const hasVocabulary = [DEFINITION_FILE, ...VOCABULARY_FILES.filter((name) => name.startsWith("vocab"))].some((name) => files.has(name));
  if (!hasVocabulary && (await folder.has(SENTENCE_PIECE_FILE))) {
    const named = await checkClass(folder, SENTENCE_PIECE_FILE, config);
    files.set(DEFINITION_FILE, await convertedSentencePiece(folder, named));
  } else if (!hasVocabulary && (await folder.has(ALBERT_FILE))) {
    throw new FormatError(
      `${folder.name} has ${ALBERT_FILE}, the tokenizer of an ALBERT in a form that is not read, and no ${DEFINITION_FILE}`,
      MAKE_DEFINITION,
    );
  }
  return files;
}

/** The object in a JSON file, or undefined if the file does not exist. Throws FormatError when it is not a JSON object. */
export function objectIn<T extends object>(folder: Folder, files: ReadonlyMap<string, string>, file: string): T | undefined {
  const text = files.get(file);
  return text === undefined ? undefined : (parseObject(pathIn(folder, file), text) as T);
}

/**
 * The `tokenizer.json` of a folder with nothing but SentencePiece's file. Throws FormatError unless the folder holds an XLM-RoBERTa, or
 * names its tokenizer, as multilingual BERTs do: other models number the pieces in other ways.
 */
async function convertedSentencePiece(folder: Folder, named: string | null): Promise<string> {
  const model_type = await modelTypeOf(folder);
  const path = pathIn(folder, SENTENCE_PIECE_FILE);
  if (model_type === "xlm-roberta" || named?.startsWith("XLMRoberta")) {
    return `${JSON.stringify(sentencePieceDefinition(path, await folder.read(SENTENCE_PIECE_FILE)))}\n`;
  }
  throw new FormatError(`${path} is read for the model_type "xlm-roberta" only; config.json says ${show(model_type)}`, MAKE_DEFINITION);
}

/** The `model_type` in the `config.json` beside a tokenizer. */
export async function modelTypeOf(folder: Folder): Promise<unknown> {
  return (await folder.has("config.json")) ? (await readObject(folder, "config.json")).model_type : undefined;
}

/**
 * The class of tokenizers that the files name, or null. Throws FormatError for one that more is needed for than a vocabulary, and, where none
 * is named, for another vocabulary than SentencePiece's in an XLM-RoBERTa.
 */
export async function checkClass(folder: Folder, file: Parameters<typeof isMadeFrom>[0], config: TokenizerConfig): Promise<string | null> {
  const model = (await findObject(folder, "config.json")) ?? {};
  const said = { [CONFIG_FILE]: config, "config.json": model };
  for (const [place, { tokenizer_class: name }] of Object.entries(said)) {
    if (typeof name !== "string") continue;
    if (isMadeFrom(file, name)) return name;
    throw new FormatError(
      `${pathIn(folder, place)} names the class ${name}, whose tokenizer is not made from ${file} alone`,
      "Use a model with a tokenizer.json, or with the tokenizer of a BERT, RoBERTa or XLM-RoBERTa.",
    );
  }
  if (model.model_type === "xlm-roberta" && file !== SENTENCE_PIECE_FILE) {
    throw new FormatError(
      `${pathIn(folder, file)} is not the vocabulary of an XLM-RoBERTa, which config.json names`,
      `Use the model's tokenizer.json, or ${SENTENCE_PIECE_FILE} alone; if it was trained with this file, name the tokenizer_class in ${CONFIG_FILE}.`,
    );
  }
  return null;
}

/** The existing files, and those that transformers also needs. */
export function completed(
  files: ReadonlyMap<string, string>,
  definition: TokenizerDefinition,
  special: SpecialTokens,
): ReadonlyMap<string, string> {
  const all = new Map(files);
  const made = configFor(definition, special);
  const names = Object.fromEntries(Object.entries(made).filter(([key, value]) => key.endsWith("_token") && value !== null));
  if (!all.has(DEFINITION_FILE)) all.set(DEFINITION_FILE, `${JSON.stringify(definition)}\n`);
  if (!all.has(CONFIG_FILE)) all.set(CONFIG_FILE, `${JSON.stringify(made, null, 2)}\n`);
  if (!all.has(SPECIAL_FILE)) all.set(SPECIAL_FILE, `${JSON.stringify(names, null, 2)}\n`);
  for (const [name, content] of vocabularyFiles(definition)) all.set(name, content);
  return all;
}

/** The files that libraries without support for `tokenizer.json` read. */
function vocabularyFiles({ model }: TokenizerDefinition): [name: string, content: string][] {
  if (model.type === "WordPiece") {
    const tokens = [...tokensOf(model.vocab)].sort(([, a], [, b]) => a - b);
    // In this file, the index of a line is the token's id.
    return tokens.every(([, id], place) => id === place) ? [["vocab.txt", tokens.map(([token]) => `${token}\n`).join("")]] : [];
  }
  if (model.type !== "BPE") return [];
  const merges = (model as unknown as BytePairModel).merges.map((merge) => pairOf(merge).join(" "));
  return [
    ["vocab.json", JSON.stringify(model.vocab)],
    ["merges.txt", ["#version: 0.2", ...merges, ""].join("\n")],
  ];
}
