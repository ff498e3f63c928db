/**
 * Text to token ids, as the model's authors did it: opens the tokenizer of a Hugging Face folder, in any of the forms in which BERT and
 * RoBERTa checkpoints carry it, or makes one from a fresh vocabulary; and gives the files that a saved model needs to have the same one.
 *
 * Pairs of texts, padding and attention masks are not made here: batches are packed (one text after another, no padding).
 */
import { FileError, FormatError, OptionError } from "../errors.ts";
import { type Folder, parseJson, pathIn, readText } from "./folder.ts";
import {
  type AddedTokens,
  byteLevelDefinition,
  configFor,
  type NamedToken,
  type SpecialTokens,
  type TokenizerConfig,
  type TokenizerDefinition,
  wordPieceDefinition,
} from "./tokenizer/definition.ts";
import { openEngine, type TokenizerEngine } from "./tokenizer/engine.ts";

export interface Tokenizer {
  /** The largest id + 1: the rows that the word embedding must have. */
  readonly vocabSize: number;
  readonly padId: number;
  readonly clsId: number;
  readonly sepId: number;
  /** Throws FormatError where the vocabulary has no mask token: only masked-language-model training needs one. */
  readonly maskId: number;
  readonly unknownId: number;
  /**
   * The ids of a text between those of [CLS] and [SEP] (RoBERTa: <s> and </s>), at most `maxLength` in all; what is beyond is left out.
   * An empty text gives the two alone. Throws OptionError unless `maxLength` is a whole number of at least 3.
   */
  encode(text: string, maxLength: number): number[];
  /** The text of ids, without special tokens. Case, accents and spacing are not always those of the text that was encoded. */
  decode(ids: readonly number[]): string;
  /** Files, name to text, that a folder must hold for this package and transformers to open the same tokenizer from it. */
  readonly files: ReadonlyMap<string, string>;
}

const CONFIG_FILE = "tokenizer_config.json";
const SPECIAL_FILE = "special_tokens_map.json";
const DEFINITION_FILE = "tokenizer.json";

/** Every file that belongs to a tokenizer; those that are there are kept as they are. */
const FILES = [DEFINITION_FILE, CONFIG_FILE, SPECIAL_FILE, "added_tokens.json", "vocab.txt", "vocab.json", "merges.txt"];

/** How the special tokens are called where no file says it: in BERT, then in RoBERTa. */
const USUAL_NAMES = {
  pad: ["[PAD]", "<pad>"],
  unknown: ["[UNK]", "<unk>"],
  cls: ["[CLS]", "<s>"],
  sep: ["[SEP]", "</s>"],
  mask: ["[MASK]", "<mask>"],
} as const;

/** How `tokenizer_config.json` calls them. */
const CONFIG_NAMES = { pad: "pad_token", unknown: "unk_token", cls: "cls_token", sep: "sep_token", mask: "mask_token" } as const;

type Role = keyof SpecialTokens;

/** What a tokenizer is made of, from whichever files. */
interface Source {
  /** What messages call it. */
  readonly path: string;
  readonly definition: TokenizerDefinition;
  readonly config: TokenizerConfig;
  readonly special: SpecialTokens;
}

/**
 * Opens the tokenizer of a model folder: `tokenizer.json`, or `vocab.txt` (BERT), or `vocab.json` with `merges.txt` (RoBERTa), with what
 * `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json` say where they are there. The truncation and padding that a
 * `tokenizer.json` may ask for are not applied. Throws FileError when the files are missing, and FormatError when they are damaged, when the
 * vocabulary lacks a special token, or when the tokenizer does not put a text between [CLS] and [SEP].
 */
export async function loadTokenizer(folder: Folder): Promise<Tokenizer> {
  const files = new Map<string, string>();
  for (const file of FILES) {
    if (await folder.has(file)) files.set(file, await readText(folder, file));
  }
  const config = { ...objectIn<TokenizerConfig>(folder, files, SPECIAL_FILE), ...objectIn<TokenizerConfig>(folder, files, CONFIG_FILE) };
  const definition = objectIn<TokenizerDefinition>(folder, files, DEFINITION_FILE);
  if (definition === undefined) return new LibraryTokenizer(fromVocabulary(folder, files, config), files);
  const path = pathIn(folder, DEFINITION_FILE);
  const special = specialTokens(path, idsOf(path, definition), config, definition);
  return new LibraryTokenizer({ path, definition, config, special }, files);
}

/**
 * A BERT tokenizer of a fresh vocabulary (see vocabulary.ts); the place of a token is its id. Its `files` open in transformers. Throws
 * FormatError when the vocabulary lacks [PAD], [UNK], [CLS] or [SEP], or holds a token with a line break.
 */
export function wordPieceTokenizer(vocabulary: readonly string[], { lowerCase }: { lowerCase: boolean }): Tokenizer {
  const path = "the vocabulary";
  const broken = vocabulary.findIndex((token) => /[\r\n]/.test(token));
  if (broken !== -1) throw new FormatError(`token ${broken} of ${path} holds a line break`, "Remove it: vocab.txt has one token a line.");
  const ids = new Map(vocabulary.map((token, id) => [token, id]));
  const config = { do_lower_case: lowerCase };
  const special = specialTokens(path, ids, config);
  const files = new Map([["vocab.txt", vocabulary.map((token) => `${token}\n`).join("")]]);
  return new LibraryTokenizer({ path, definition: wordPieceDefinition(ids, special, config), config, special }, files);
}

function fromVocabulary(folder: Folder, files: ReadonlyMap<string, string>, config: TokenizerConfig): Source {
  const added = objectIn<AddedTokens>(folder, files, "added_tokens.json") ?? {};
  const words = files.get("vocab.txt");
  if (words !== undefined) {
    const path = pathIn(folder, "vocab.txt");
    const ids = new Map(linesOf(words).map((token, id) => [token, id]));
    const special = specialTokens(path, new Map([...ids, ...Object.entries(added)]), config);
    return { path, definition: wordPieceDefinition(ids, special, config, added), config, special };
  }
  const vocabulary = objectIn<Record<string, number>>(folder, files, "vocab.json");
  const merges = files.get("merges.txt");
  if (vocabulary === undefined || merges === undefined) {
    throw new FileError(
      `${folder.name} holds no tokenizer: neither ${DEFINITION_FILE}, nor vocab.txt, nor vocab.json with merges.txt`,
      "Copy the files of the model's tokenizer into the folder.",
    );
  }
  const path = pathIn(folder, "vocab.json");
  const ids = new Map(Object.entries(vocabulary));
  const special = specialTokens(path, new Map([...ids, ...Object.entries(added)]), config);
  const pairs = linesOf(merges).filter((line) => line !== "" && !line.startsWith("#version"));
  return { path, definition: byteLevelDefinition(ids, pairs, special, config, added), config, special };
}

class LibraryTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly padId: number;
  readonly clsId: number;
  readonly sepId: number;
  readonly unknownId: number;
  readonly files: ReadonlyMap<string, string>;
  readonly #maskId: number | undefined;
  readonly #path: string;
  readonly #engine: TokenizerEngine;

  /** `files` are those that were there; those that transformers needs besides are added. */
  constructor({ path, definition, config, special }: Source, files: ReadonlyMap<string, string>) {
    const ids = idsOf(path, definition);
    const idOf = (role: Exclude<Role, "mask">) => ids.get(special[role])!;
    this.vocabSize = [...ids.values()].reduce((size, id) => Math.max(size, id + 1), 0);
    this.padId = idOf("pad");
    this.unknownId = idOf("unknown");
    this.clsId = idOf("cls");
    this.sepId = idOf("sep");
    this.#maskId = special.mask === undefined ? undefined : ids.get(special.mask);
    this.#path = path;
    this.#engine = openEngine(path, definition, config);
    this.#checkFrame(special);
    this.files = completed(files, definition, special, config);
  }

  get maskId(): number {
    if (this.#maskId !== undefined) return this.#maskId;
    throw new FormatError(`${this.#path} has no mask token`, "Train without masked-language modelling, or use a vocabulary with [MASK].");
  }

  encode(text: string, maxLength: number): number[] {
    if (!Number.isInteger(maxLength) || maxLength < 3) {
      throw new OptionError(`a text cannot be cut to ${maxLength} tokens`, "Allow at least 3: two special tokens and one of the text.");
    }
    const { ids } = this.#engine.encode(text, { add_special_tokens: false });
    return [this.clsId, ...ids.slice(0, maxLength - 2), this.sepId];
  }

  decode(ids: readonly number[]): string {
    // The library takes no empty list.
    return ids.length === 0 ? "" : this.#engine.decode([...ids], { skip_special_tokens: true });
  }

  /** Throws FormatError unless the definition puts a text between [CLS] and [SEP], as `encode` does. */
  #checkFrame({ cls, sep }: SpecialTokens): void {
    const { ids } = this.#engine.encode("", { add_special_tokens: true });
    if (ids.length === 2 && ids[0] === this.clsId && ids[1] === this.sepId) return;
    throw new FormatError(
      `${this.#path} puts an empty text into the tokens ${JSON.stringify(ids)}, expected ${cls} and ${sep}: [${this.clsId}, ${this.sepId}]`,
      "Use the tokenizer of a BERT or RoBERTa model.",
    );
  }
}

/** Every token of a definition with its id. Throws FormatError when it has no such vocabulary. */
function idsOf(path: string, { model, added_tokens: added }: TokenizerDefinition): Map<string, number> {
  const vocabulary: unknown = model?.vocab;
  if (typeof vocabulary !== "object" || vocabulary === null || Array.isArray(vocabulary) || !Array.isArray(added ?? [])) {
    throw new FormatError(`${path} holds no vocabulary of tokens and ids`, "Use the tokenizer of a BERT or RoBERTa model.");
  }
  const ids = new Map<string, unknown>(Object.entries(vocabulary));
  for (const token of added ?? []) ids.set(token?.content, token?.id);
  for (const [token, id] of ids) {
    if (typeof token === "string" && Number.isSafeInteger(id) && (id as number) >= 0) continue;
    throw new FormatError(
      `${path} gives the token ${JSON.stringify(token)} the id ${JSON.stringify(id)}`,
      "Use the files of a BERT or RoBERTa model.",
    );
  }
  return ids as Map<string, number>;
}

/** What the special tokens are called: as the files say, or else as usual. Throws FormatError when the vocabulary lacks one (but the mask). */
function specialTokens(
  path: string,
  ids: ReadonlyMap<string, number>,
  config: TokenizerConfig,
  definition?: TokenizerDefinition,
): SpecialTokens {
  const named = (role: Role): string | undefined => {
    const said = (role === "unknown" ? definition?.model.unk_token : undefined) ?? textOf(config[CONFIG_NAMES[role]]);
    const candidates = said === undefined ? USUAL_NAMES[role] : [said];
    const name = candidates.find((candidate) => ids.has(candidate));
    if (name !== undefined || role === "mask") return name;
    throw new FormatError(
      `${path} has no ${candidates.join(" or ")} among its ${ids.size} tokens`,
      "Use the files of a BERT or RoBERTa model.",
    );
  };
  const required = (role: Exclude<Role, "mask">) => named(role) as string;
  return { pad: required("pad"), unknown: required("unknown"), cls: required("cls"), sep: required("sep"), mask: named("mask") };
}

function textOf(token: NamedToken | undefined): string | undefined {
  const text = typeof token === "object" ? token?.content : token;
  return typeof text === "string" ? text : undefined;
}

/** The files that were there, and those that transformers needs besides. */
function completed(
  files: ReadonlyMap<string, string>,
  definition: TokenizerDefinition,
  special: SpecialTokens,
  config: TokenizerConfig,
): ReadonlyMap<string, string> {
  const all = new Map(files);
  const made = configFor(definition, special, config);
  const names = Object.fromEntries(Object.entries(made).filter(([key, value]) => key.endsWith("_token") && value !== null));
  if (!all.has(DEFINITION_FILE)) all.set(DEFINITION_FILE, `${JSON.stringify(definition)}\n`);
  if (!all.has(CONFIG_FILE)) all.set(CONFIG_FILE, `${JSON.stringify(made, null, 2)}\n`);
  if (!all.has(SPECIAL_FILE)) all.set(SPECIAL_FILE, `${JSON.stringify(names, null, 2)}\n`);
  return all;
}

/** The object in a JSON file, or undefined where the file is not there. Throws FormatError when it is not a JSON object. */
function objectIn<T extends object>(folder: Folder, files: ReadonlyMap<string, string>, file: string): T | undefined {
  const text = files.get(file);
  if (text === undefined) return undefined;
  const value = parseJson<unknown>(pathIn(folder, file), text);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as T;
  throw new FormatError(`${pathIn(folder, file)} is JSON, but not an object`, "Get the file of the model again.");
}

/** The lines of a vocabulary file; only the newline at its end adds none. */
function linesOf(text: string): string[] {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  return lines;
}
