/**
 * Text to token ids exactly as the model's authors did it. Opens the tokenizer of a Hugging Face folder, in any of the forms of BERT,
 * RoBERTa and XLM-RoBERTa checkpoints, or makes one from a fresh vocabulary. Also returns the files that a saved model needs for the same
 * tokenizer.
 *
 * The ids are those of the official tokenizers library with transformers' configuration. Pairs of texts, padding and attention masks are
 * not made here: batches are packed, one text after the other.
 */
import { FileError, FormatError } from "../errors.ts";
import { show } from "../show.ts";
import { checkFolder, type Folder, findObject, parseObject, pathIn, readObject, readText } from "./folder.ts";
import type { BytePairModel } from "./tokenizer/byte-pairs.ts";
import { checkedDefinition } from "./tokenizer/checked-definition.ts";
import {
  byteLevelDefinition,
  configFor,
  type IdByToken,
  idsOf,
  type NamedToken,
  type SpecialTokens,
  type TokenizerConfig,
  type TokenizerDefinition,
  wordPieceDefinition,
} from "./tokenizer/definition.ts";
import type { TokenizerEngine } from "./tokenizer/engine.ts";
import { FastEngine, isFast } from "./tokenizer/fast-engine.ts";
import { type Frame, frameOf } from "./tokenizer/frame.ts";
import { encodeFramed, type Framing } from "./tokenizer/framing.ts";
import { openOfficialEngine } from "./tokenizer/official-engine.ts";
import { sentencePieceDefinition } from "./tokenizer/sentence-piece.ts";
import type { TokenizerRecipe } from "./tokenizer/thread.ts";
import {
  asConfigured,
  isMadeFrom,
  listedIds,
  mergedConfig,
  withAddedFile,
  withConfiguredTokens,
  withNamedTokens,
} from "./tokenizer/transformers-config.ts";
import { pairOf, tokensOf } from "./tokenizer/vocabularies.ts";

/** Text to token ids and back. */
export interface Tokenizer {
  /** The largest id + 1. */
  readonly vocabSize: number;
  /**
   * The same without tokens that were added to the vocabulary later: the rows that the word embedding must have. A model without rows for
   * the added ones reads all texts that they are not in.
   */
  readonly leastRows: number;
  readonly padId: number;
  /** The token before every text: [CLS], or <s> in RoBERTa. */
  readonly clsId: number;
  /** The token after every text: [SEP], or </s> in RoBERTa. */
  readonly sepId: number;
  /** Throws FormatError if the vocabulary has no mask token; only masked-language-model training needs one. */
  readonly maskId: number;
  /** The token for what the vocabulary cannot spell; null in a byte-level vocabulary without one, which can spell everything. */
  readonly unknownId: number | null;
  /**
   * The ids of a text between `clsId` and `sepId`, at most `maxLength` in total. Longer texts are truncated at the end or, if the files say
   * so (`truncation_side`), at the beginning. An empty text gives the two ids. If the kind of tokenizer allows it, a text is read only as
   * far as it is kept. Throws OptionError unless `maxLength` is a whole number of at least 3.
   */
  encode(text: string, maxLength: number): number[];
  /** The text of ids, without special tokens. Case, accents and spacing may differ from the original text. */
  decode(ids: readonly number[]): string;
  /** What other threads need to give the same ids (`tokenizer/threads.ts`); absent for kinds of tokenizers that only run in one thread. */
  readonly recipe?: TokenizerRecipe | undefined;
  /** Files, name to text, that a folder needs so that this package and transformers open the same tokenizer from it. */
  readonly files: ReadonlyMap<string, string>;
}

const CONFIG_FILE = "tokenizer_config.json";
const SPECIAL_FILE = "special_tokens_map.json";
const DEFINITION_FILE = "tokenizer.json";

/** The tokenizer of an XLM-RoBERTa in its oldest form. */
const SENTENCE_PIECE_FILE = "sentencepiece.bpe.model";

/** The tokenizer of an ALBERT in its oldest form, which is not read. */
const ALBERT_FILE = "spiece.model";

/** Tokens beyond the vocabulary, in folders whose `tokenizer_config.json` does not list them. */
const ADDED_FILE = "added_tokens.json";

/** The parts of a tokenizer without a `tokenizer.json`. */
const VOCABULARY_FILES = ["vocab.txt", "vocab.json", "merges.txt"];

/** Names that a special token may have, the usual one first. */
type UsualNames = Readonly<Record<Role, readonly string[]>>;

/** The names of the special tokens, if no file gives them: in BERT, then in RoBERTa. */
const USUAL_NAMES: UsualNames = {
  pad: ["[PAD]", "<pad>"],
  unknown: ["[UNK]", "<unk>"],
  cls: ["[CLS]", "<s>"],
  sep: ["[SEP]", "</s>"],
  mask: ["[MASK]", "<mask>"],
};

/** The same in MPNet, whose vocabulary also has all of BERT's. */
const MPNET_NAMES: UsualNames = { pad: ["<pad>"], unknown: ["[UNK]"], cls: ["<s>"], sep: ["</s>"], mask: ["<mask>"] };

/** The options of `tokenizer_config.json` that name them. */
const CONFIG_NAMES = { pad: "pad_token", unknown: "unk_token", cls: "cls_token", sep: "sep_token", mask: "mask_token" } as const;

const REMEDY = "Use the files of a BERT, RoBERTa or XLM-RoBERTa model.";
const MAKE_DEFINITION = "Save the tokenizer with transformers, which makes a tokenizer.json of it.";

type Role = keyof SpecialTokens;

/** The parts of a tokenizer, whatever files they come from. */
interface Source {
  /** Its name in messages. */
  readonly path: string;
  /** Every token with its id, except those that only the configuration names: the model may have no rows for them. */
  readonly ids: ReadonlyMap<string, number>;
  readonly definition: TokenizerDefinition;
  readonly config: TokenizerConfig;
  readonly special: SpecialTokens;
}

/**
 * Opens the tokenizer of a model folder: `tokenizer.json`, or `vocab.txt` (BERT), or `vocab.json` with `merges.txt` (RoBERTa),
 * or `sentencepiece.bpe.model` (XLM-RoBERTa), with the settings of `tokenizer_config.json`, `special_tokens_map.json` and
 * `added_tokens.json` if they exist. The truncation length and the padding of a `tokenizer.json` are not applied. Throws FileError when the files are missing; FormatError, naming the part, when they are
 * damaged, when the official library would not take them, when the vocabulary lacks a special token, when a text is not placed between
 * two of them, or when they are of a class that needs more than a vocabulary.
 */
export async function loadTokenizer(folder: Folder): Promise<Tokenizer> {
  checkFolder(folder);
  const files = await readFiles(folder);
  const config = mergedConfig(
    objectIn<TokenizerConfig>(folder, files, CONFIG_FILE) ?? {},
    objectIn<TokenizerConfig>(folder, files, SPECIAL_FILE) ?? {},
  );
  if (config.split_special_tokens === true) {
    throw new FormatError(
      `${pathIn(folder, CONFIG_FILE)}: split_special_tokens is true, which is not supported`,
      "Remove the field: the special tokens in a text are then single tokens.",
    );
  }
  const found = objectIn<Record<string, unknown>>(folder, files, DEFINITION_FILE);
  if (found === undefined) {
    const named = await checkClass(folder, files.has("vocab.txt") ? "vocab.txt" : "vocab.json", config);
    const isMpnet = named === null ? (await modelTypeOf(folder)) === "mpnet" : named.startsWith("MPNet");
    return openTokenizer(fromVocabulary(folder, files, config, isMpnet ? MPNET_NAMES : USUAL_NAMES), files);
  }
  const path = pathIn(folder, DEFINITION_FILE);
  const added = objectIn<IdByToken>(folder, files, ADDED_FILE) ?? {};
  const { ids, definition } = withEveryToken(path, withAddedFile(asConfigured(found, config), added, config), config);
  return openTokenizer({ path, ids, definition, config, special: specialTokens(path, ids, config, { definition }) }, files);
}

/**
 * The files of a tokenizer that exist and are needed. Files that can only repeat the others are not accessed: behind HTTP each access costs
 * a request, and shows as a 404 in a browser's console.
 */
async function readFiles(folder: Folder): Promise<ReadonlyMap<string, string>> {
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
async function modelTypeOf(folder: Folder): Promise<unknown> {
  return (await folder.has("config.json")) ? (await readObject(folder, "config.json")).model_type : undefined;
}

async function openTokenizer(source: Source, files: ReadonlyMap<string, string>): Promise<Tokenizer> {
  const { path, definition } = source;
  const engine = isFast(definition) ? new FastEngine(definition) : await openOfficialEngine(path, definition);
  return new FramedTokenizer(source, engine, files);
}

/**
 * A BERT tokenizer with a fresh vocabulary (see vocabulary.ts); the index of a token is its id. Its `files` open in transformers. Throws
 * FormatError when the vocabulary lacks [PAD], [UNK], [CLS] or [SEP], or has a token with a line break.
 */
export function wordPieceTokenizer(vocabulary: readonly string[], { lowerCase }: { lowerCase: boolean }): Tokenizer {
  const path = "the vocabulary";
  const broken = vocabulary.findIndex((token) => /[\r\n]/.test(token));
  if (broken !== -1) throw new FormatError(`token ${broken} of ${path} holds a line break`, "Remove it: vocab.txt has one token a line.");
  const ids = new Map(vocabulary.map((token, id) => [token, id]));
  const config = { do_lower_case: lowerCase };
  const special = specialTokens(path, ids, config);
  const files = new Map([["vocab.txt", vocabulary.map((token) => `${token}\n`).join("")]]);
  const source = built(path, wordPieceDefinition(ids, special, config), { config, special });
  return new FramedTokenizer(source, new FastEngine(source.definition), files);
}

/**
 * The class of tokenizers that the files name, or null. Throws FormatError for one that more is needed for than a vocabulary, and, where none
 * is named, for another vocabulary than SentencePiece's in an XLM-RoBERTa.
 */
async function checkClass(folder: Folder, file: Parameters<typeof isMadeFrom>[0], config: TokenizerConfig): Promise<string | null> {
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

function fromVocabulary(folder: Folder, files: ReadonlyMap<string, string>, config: TokenizerConfig, usual: UsualNames): Source {
  const listed = listedIds(config);
  const added = listed ?? objectIn<IdByToken>(folder, files, ADDED_FILE) ?? {};
  checkAdded(pathIn(folder, listed === undefined ? ADDED_FILE : CONFIG_FILE), added);
  const words = files.get("vocab.txt");
  if (words !== undefined) {
    const path = pathIn(folder, "vocab.txt");
    const ids = vocabularyIds(linesOf(words));
    const special = specialTokens(path, new Map([...ids, ...Object.entries(added)]), config, { usual });
    return built(path, wordPieceDefinition(ids, special, config, added), { config, special, added });
  }
  const vocabulary = objectIn<IdByToken>(folder, files, "vocab.json");
  const merges = files.get("merges.txt");
  if (vocabulary === undefined || merges === undefined) {
    throw new FileError(
      `${folder.name} holds no tokenizer: neither ${DEFINITION_FILE}, nor vocab.txt, nor vocab.json with merges.txt`,
      "Copy the files of the model's tokenizer into the folder.",
    );
  }
  const path = pathIn(folder, "vocab.json");
  const ids = new Map(Object.entries(vocabulary));
  const special = specialTokens(path, new Map([...ids, ...Object.entries(added)]), config, { usual });
  const pairs = linesOf(merges).filter((line) => line !== "" && !line.startsWith("#version"));
  return built(path, byteLevelDefinition(ids, pairs, special, config, added), { config, special, added });
}

/** The ids of a vocab.txt's tokens, which are the numbers of their lines; the last line of a token counts. */
function vocabularyIds(lines: readonly string[]): Map<string, number> {
  // White space at the end of a line belongs to no token, as texts are split there; a line of the token itself comes first.
  const spaced = lines.map((line, id) => [line.trimEnd(), id] as const);
  return new Map([...spaced, ...spaced.filter(([token, id]) => token === lines[id])]);
}

/** The parts of a tokenizer that was made from a vocabulary. Its special tokens have the flags that the configuration gives them. */
function built(
  path: string,
  made: TokenizerDefinition,
  { config, special, added = {} }: Pick<Source, "config" | "special"> & { readonly added?: IdByToken },
): Source {
  const roles = Object.keys(CONFIG_NAMES) as Role[];
  const named = roles.map((role) => [CONFIG_NAMES[role], flagged(special[role], config[CONFIG_NAMES[role]])] as const);
  const listed = withConfiguredTokens(withAddedFile({ ...made }, added, config), config);
  return { path, ...withEveryToken(path, listed, { ...config, ...Object.fromEntries(named) }), config, special };
}

/** A special token as the configuration gives it, or with the flags of its class. */
function flagged(name: string | undefined, given: NamedToken | undefined): NamedToken {
  if (typeof given === "object" && given?.content === name) return given;
  // RoBERTa's mask includes the space before it, like the word that it replaces.
  return name === "<mask>" ? { content: name, lstrip: true } : (name ?? null);
}

/** A checked definition with the special tokens that only the configuration names, and the ids of all others. */
function withEveryToken(
  path: string,
  found: Readonly<Record<string, unknown>>,
  config: TokenizerConfig,
): Pick<Source, "ids" | "definition"> {
  const definition = checkedDefinition(path, found);
  const named = withNamedTokens(found, config);
  return { ids: idsOf(definition), definition: named === found ? definition : checkedDefinition(path, named) };
}

function checkAdded(path: string, added: IdByToken): void {
  for (const [token, id] of Object.entries(added)) {
    if (!Number.isSafeInteger(id) || id < 0) throw new FormatError(`${path} gives the token ${show(token)} the id ${show(id)}`, REMEDY);
  }
}

/** An engine, with special tokens around each text and truncation. */
class FramedTokenizer implements Tokenizer {
  readonly vocabSize: number = 0;
  readonly leastRows: number;
  readonly padId: number;
  readonly clsId: number;
  readonly sepId: number;
  readonly unknownId: number | null;
  readonly recipe: TokenizerRecipe | undefined;
  readonly files: ReadonlyMap<string, string>;
  readonly #maskId: number | undefined;
  readonly #path: string;
  readonly #engine: TokenizerEngine;
  readonly #framing: Framing;

  /** `files` are the existing files; those that transformers also needs are added. */
  constructor({ path, ids, definition, config, special }: Source, engine: TokenizerEngine, files: ReadonlyMap<string, string>) {
    const { before, after } = checkedFrame(path, definition);
    // A blank line of vocab.txt is an empty token, which no text contains.
    for (const [token, id] of ids) if (token !== "") this.vocabSize = Math.max(this.vocabSize, id + 1);
    this.padId = ids.get(special.pad)!;
    this.unknownId = special.unknown === undefined ? null : ids.get(special.unknown)!;
    this.clsId = before[0]!;
    this.sepId = after[0]!;
    const own = tokensOf(definition.model.vocab);
    this.leastRows = Math.max(this.padId, this.clsId, this.sepId) + 1;
    for (const [token, id] of own) if (token !== "") this.leastRows = Math.max(this.leastRows, id + 1);
    this.#maskId = special.mask === undefined ? undefined : ids.get(special.mask);
    this.#path = path;
    this.#engine = engine;
    const cutsBeginning = (config.truncation_side ?? definition.truncation?.direction?.toLowerCase()) === "left";
    this.#framing = { clsId: this.clsId, sepId: this.sepId, cutsBeginning };
    this.recipe = engine instanceof FastEngine ? { definition, ...this.#framing } : undefined;
    this.files = completed(files, definition, special);
  }

  get maskId(): number {
    if (this.#maskId !== undefined) return this.#maskId;
    throw new FormatError(`${this.#path} has no mask token`, "Train without masked-language modelling, or use a vocabulary with [MASK].");
  }

  encode(text: string, maxLength: number): number[] {
    return encodeFramed(this.#engine, this.#framing, text, maxLength);
  }

  decode(ids: readonly number[]): string {
    return this.#engine.decode(ids);
  }
}

/** Throws FormatError unless the post-processor places a text between two special tokens. */
function checkedFrame(path: string, { post_processor }: TokenizerDefinition): Frame {
  const frame = frameOf({ file: path, way: "post_processor", depth: 0 }, post_processor);
  if (frame.before.length === 1 && frame.after.length === 1) return frame;
  throw new FormatError(
    `${path}: post_processor puts ${frame.before.length} tokens before a text and ${frame.after.length} after it, expected one and one ([CLS] and [SEP])`,
    REMEDY,
  );
}

/**
 * The names of the special tokens: from the files, or else the usual ones; those around a text come from the post-processor. Throws
 * FormatError when the vocabulary lacks one (except the mask, and what is unknown to BPE).
 */
function specialTokens(
  path: string,
  ids: ReadonlyMap<string, number>,
  config: TokenizerConfig,
  { definition, usual = USUAL_NAMES }: { readonly definition?: TokenizerDefinition; readonly usual?: UsualNames } = {},
): SpecialTokens {
  const framing = definition === undefined ? {} : namesFrom(path, ids, definition);
  const named = (role: Role): string | undefined => {
    const said = framing[role] ?? textOf(config[CONFIG_NAMES[role]]);
    const candidates = said === undefined ? usual[role] : [said];
    const name = candidates.find((candidate) => ids.has(candidate));
    if (name !== undefined || role === "mask" || (role === "unknown" && definition?.model.type === "BPE")) return name;
    const shownNames = candidates.map((candidate) => (/^[ -~]{1,40}$/.test(candidate) ? candidate : show(candidate)));
    throw new FormatError(`${path} has no ${shownNames.join(" or ")} among its ${ids.size} tokens`, REMEDY);
  };
  const required = (role: Exclude<Role, "mask" | "unknown">) => named(role) as string;
  return { pad: required("pad"), unknown: named("unknown"), cls: required("cls"), sep: required("sep"), mask: named("mask") };
}

/** The special tokens that a definition itself names. */
function namesFrom(path: string, ids: ReadonlyMap<string, number>, definition: TokenizerDefinition): Partial<SpecialTokens> {
  const names = new Map([...ids].map(([token, id]) => [id, token]));
  const { before, after } = checkedFrame(path, definition);
  const [cls, sep] = [names.get(before[0]!), names.get(after[0]!)];
  if (cls === undefined || sep === undefined) {
    throw new FormatError(`${path}: post_processor has the ids ${before[0]} and ${after[0]}, which no token has`, REMEDY);
  }
  const { vocab, unk_token, unk_id } = definition.model;
  const unknown = Array.isArray(vocab) ? (vocab[unk_id as number] as readonly [string, number])[0] : unk_token;
  return { cls, sep, ...(typeof unknown === "string" && { unknown }) };
}

function textOf(token: NamedToken | undefined): string | undefined {
  const text = typeof token === "object" ? token?.content : token;
  return typeof text === "string" ? text : undefined;
}

/** The existing files, and those that transformers also needs. */
function completed(
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

/** The object in a JSON file, or undefined if the file does not exist. Throws FormatError when it is not a JSON object. */
function objectIn<T extends object>(folder: Folder, files: ReadonlyMap<string, string>, file: string): T | undefined {
  const text = files.get(file);
  return text === undefined ? undefined : (parseObject(pathIn(folder, file), text) as T);
}

/** The lines of a vocabulary file, as Python reads them; only a newline at the very end adds no line. */
function linesOf(text: string): string[] {
  const lines = text.split(/\r\n|\r|\n/);
  if (lines.at(-1) === "") lines.pop();
  return lines;
}
