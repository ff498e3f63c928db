/**
 * Text to token ids exactly as the model's authors did it. Opens the tokenizer of a Hugging Face folder, in any of the forms of BERT,
 * RoBERTa and XLM-RoBERTa checkpoints, or makes one from a fresh vocabulary. Also returns the files that a saved model needs for the same
 * tokenizer.
 *
 * The ids are those of the official tokenizers library with transformers' configuration. Pairs of texts, padding and attention masks are
 * not made here: batches are packed, one text after the other.
 */
import { FormatError } from "../errors.ts";
import { checkFolder, type Folder } from "./folder.ts";
import { FastEngine, isFast } from "./tokenizer/fast-engine.ts";
import { FramedTokenizer } from "./tokenizer/framed-tokenizer.ts";
import { openOfficialEngine } from "./tokenizer/official-engine.ts";
import type { TokenizerRecipe } from "./tokenizer/thread.ts";
import { readFiles } from "./tokenizer/tokenizer-files.ts";
import { sourceIn, wordPieceSource } from "./tokenizer/tokenizer-source.ts";

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
   * far as it is kept. Throws OptionError unless `text` is a text and `maxLength` a whole number of at least 3.
   */
  encode(text: string, maxLength: number): number[];
  /** The text of ids, without special tokens. Case, accents and spacing may differ from the original text. */
  decode(ids: readonly number[]): string;
  /** What other threads need to give the same ids (`tokenizer/threads.ts`); absent for kinds of tokenizers that only run in one thread. */
  readonly recipe?: TokenizerRecipe | undefined;
  /** Files, name to text, that a folder needs so that this package and transformers open the same tokenizer from it. */
  readonly files: ReadonlyMap<string, string>;
}

/**
 * Opens the tokenizer of a model folder: `tokenizer.json`, or `vocab.txt` (BERT), or `vocab.json` with `merges.txt` (RoBERTa), or
 * `sentencepiece.bpe.model` (XLM-RoBERTa), with the settings of `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json`
 * if they exist. The truncation length and the padding of a `tokenizer.json` are not applied. Throws FileError when the files are missing;
 * FormatError, naming the part, when they are damaged, when the official library would not take them, when the vocabulary lacks a special
 * token, when a text is not placed between two of them, or when they are of a class that needs more than a vocabulary.
 */
export async function loadTokenizer(folder: Folder): Promise<Tokenizer> {
  checkFolder(folder);
  const files = await readFiles(folder);
  const source = await sourceIn(folder, files);
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
  const source = wordPieceSource(path, vocabulary, { do_lower_case: lowerCase });
  const files = new Map([["vocab.txt", vocabulary.map((token) => `${token}\n`).join("")]]);
  return new FramedTokenizer(source, new FastEngine(source.definition), files);
}
