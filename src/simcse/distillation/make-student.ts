/**
 * The student of a distillation, as a model folder in memory: some of the teacher's layers with a smaller vocabulary or narrower
 * embeddings, or another shape altogether with fresh weights.
 */
import { OptionError } from "../../errors.ts";
import { type Folder, MemoryFolder, type NamedContent, readObject } from "../../io/folder.ts";
import { countTokens, type PrunedTokenizer, pruneTokenizer } from "../../io/tokenizer/prune.ts";
import { loadTokenizer, type Tokenizer } from "../../io/tokenizer.ts";
import { fieldsText } from "../../nn/architectures/architectures.ts";
import { checkOptions, type OptionNames } from "../../options.ts";
import { readConfig } from "../checkpoint/checkpoint.ts";
import { studentFiles } from "../checkpoint/student.ts";
import { checkIterable } from "../embedding/texts.ts";
import type { PoolerType } from "../model/poolers.ts";
import { factoriseEmbeddings } from "./factorise-embeddings.ts";

/** How a student is made from its teacher. */
export interface MakeStudentOptions {
  /** The teacher's layers to take, by their numbers from 0 and in this order; all if absent. */
  readonly layers?: readonly number[] | undefined;
  /** Tokens to keep: those that `texts` use most, and all single characters and special tokens; all tokens if absent. */
  readonly vocabSize?: number | undefined;
  /** Numbers of a token's embedding before a projection to the width of the layers (an ELECTRA); for teachers that are BERTs. */
  readonly embeddingSize?: number | undefined;
  /** The texts that `vocabSize` and `embeddingSize` count tokens in. */
  readonly texts?: Iterable<string> | AsyncIterable<string> | undefined;
  /** Gives up single characters that `texts` do not use. */
  readonly dropUnusedCharacters?: boolean | undefined;
  /** A folder whose config.json says another shape; the weights are then fresh, and only the tokenizer is the teacher's. */
  readonly config?: Folder | undefined;
  /** The pooler of a fresh student whose teacher has none that can be trained; avg if absent. */
  readonly pooler?: PoolerType | undefined;
}

const makeStudentOptions: OptionNames<MakeStudentOptions> = {
  layers: true,
  vocabSize: true,
  embeddingSize: true,
  texts: true,
  dropUnusedCharacters: true,
  config: true,
  pooler: true,
};

/**
 * Makes the student of the model in the folder `teacher`. Throws OptionError for layers that the teacher does not have, `layers` or
 * `embeddingSize` beside `config`, a vocabulary that is too small or without texts, or embeddings that cannot be made narrower; and the errors
 * of reading the teacher's files.
 */
export async function makeStudent(teacher: Folder, options: MakeStudentOptions = {}): Promise<MemoryFolder> {
  checkOptions("makeStudent", options, makeStudentOptions);
  const { layers, embeddingSize, config, pooler = "avg" } = options;
  const taken = layers !== undefined ? "`layers` are" : embeddingSize !== undefined ? "`embeddingSize` is" : null;
  if (taken !== null && config !== undefined) {
    throw new OptionError(
      `${taken} for weights of the teacher, and a student with a \`config\` of its own has fresh ones.`,
      "Give one of the two.",
    );
  }
  const vocabulary = await countedVocabulary(teacher, options);
  const folder = new MemoryFolder(`${teacher.name}'s student`);
  const { tokenizer } = vocabulary ?? {};
  const files =
    config === undefined
      ? await studentFiles(teacher, { layers, tokenizer })
      : await freshFiles(teacher, config, { tokenizer: tokenizer?.tokenizer ?? null, pooler });
  for (const { name, content } of files) await folder.write(name, content);
  if (embeddingSize !== undefined) await factoriseEmbeddings(folder, { size: embeddingSize, counts: vocabulary!.counts });
  return folder;
}

/** The student's vocabulary. */
interface Vocabulary {
  /** How often the texts use each of its tokens, by id. */
  readonly counts: Float64Array;
  /** Absent if all tokens stay. */
  readonly tokenizer?: PrunedTokenizer;
}

/** Null if nothing depends on how often tokens are used. */
async function countedVocabulary(
  teacher: Folder,
  { vocabSize, embeddingSize, texts, dropUnusedCharacters }: MakeStudentOptions,
): Promise<Vocabulary | null> {
  const reason = vocabSize !== undefined ? "vocabSize" : embeddingSize !== undefined ? "embeddingSize" : null;
  if (reason === null) return null;
  if (texts === undefined) throw new OptionError(`\`${reason}\` needs \`texts\`, to count their tokens.`, "Give the texts to learn from.");
  const tokenizer = await loadTokenizer((await readConfig(teacher)).folder);
  if (vocabSize !== undefined && vocabSize > tokenizer.vocabSize) {
    throw new OptionError(
      `\`vocabSize\` is ${vocabSize}; the teacher has ${tokenizer.vocabSize} tokens.`,
      "Give a smaller number, or leave it out to keep them all.",
    );
  }
  checkIterable("texts", texts);
  const counts = await countTokens(tokenizer, texts);
  if (vocabSize === undefined) return { counts };
  const pruned = await pruneTokenizer(tokenizer, counts, vocabSize, { dropUnusedCharacters });
  return { counts: Float64Array.from(pruned.oldIds, (id) => counts[id]!), tokenizer: pruned };
}

/** A model folder without weights, of the shape in `config`. */
async function freshFiles(
  teacher: Folder,
  config: Folder,
  { tokenizer: pruned, pooler }: { readonly tokenizer: Tokenizer | null; readonly pooler: PoolerType },
): Promise<NamedContent[]> {
  const own = await readConfig(teacher);
  const tokenizer = pruned ?? (await loadTokenizer(own.folder));
  const { folder, transformer } = await readConfig(config);
  const json = {
    ...(await readObject(folder, "config.json")),
    vocab_size: tokenizer.vocabSize,
    pad_token_id: tokenizer.padId,
    simcse: { pooler_type: own.pooler ?? pooler, max_seq_length: own.maxLength },
  };
  return [
    { name: "config.json", content: fieldsText(transformer, json) },
    ...Array.from(tokenizer.files, ([name, content]) => ({ name, content })),
  ];
}
