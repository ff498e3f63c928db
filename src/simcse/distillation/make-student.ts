/**
 * The student of a distillation, as a model folder in memory: some of the teacher's layers with a smaller vocabulary, or another shape
 * altogether with fresh weights.
 */
import { OptionError } from "../../errors.ts";
import { type Folder, MemoryFolder, type NamedContent, readObject } from "../../io/folder.ts";
import { countTokens, type PrunedTokenizer, pruneTokenizer } from "../../io/tokenizer/prune.ts";
import { loadTokenizer, type Tokenizer } from "../../io/tokenizer.ts";
import { checkOptions, type OptionNames } from "../../options.ts";
import { readConfig } from "../checkpoint/checkpoint.ts";
import { studentFiles } from "../checkpoint/student.ts";
import type { PoolerType } from "../model/poolers.ts";

/** How a student is made from its teacher. */
export interface MakeStudentOptions {
  /** The teacher's layers to take, by their numbers from 0 and in this order; all if absent. */
  readonly layers?: readonly number[] | undefined;
  /** Tokens to keep: those that `texts` use most, and all single characters and special tokens; all tokens if absent. */
  readonly vocabSize?: number | undefined;
  /** The texts that `vocabSize` counts in. */
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
  texts: true,
  dropUnusedCharacters: true,
  config: true,
  pooler: true,
};

/**
 * Makes the student of the model in the folder `teacher`. Throws OptionError for layers that the teacher does not have, `layers` beside
 * `config`, or a vocabulary that is too small or without texts; and the errors of reading the teacher's files.
 */
export async function makeStudent(teacher: Folder, options: MakeStudentOptions = {}): Promise<MemoryFolder> {
  checkOptions("makeStudent", options, makeStudentOptions);
  const { layers, config, pooler = "avg" } = options;
  if (layers !== undefined && config !== undefined) {
    throw new OptionError(
      "`layers` are taken from the teacher, and a student with a `config` of its own has fresh ones.",
      "Give one of the two.",
    );
  }
  const pruned = await prunedVocabulary(teacher, options);
  const folder = new MemoryFolder(`${teacher.name}'s student`);
  const files =
    config === undefined
      ? await studentFiles(teacher, { layers, tokenizer: pruned ?? undefined })
      : await freshFiles(teacher, config, { tokenizer: pruned?.tokenizer ?? null, pooler });
  for (const { name, content } of files) await folder.write(name, content);
  return folder;
}

/** Null if all tokens stay. */
async function prunedVocabulary(
  teacher: Folder,
  { vocabSize, texts, dropUnusedCharacters }: MakeStudentOptions,
): Promise<PrunedTokenizer | null> {
  if (vocabSize === undefined) return null;
  if (texts === undefined) throw new OptionError("`vocabSize` needs `texts`, to count their tokens.", "Give the texts to learn from.");
  const tokenizer = await loadTokenizer((await readConfig(teacher)).folder);
  if (vocabSize > tokenizer.vocabSize) {
    throw new OptionError(
      `\`vocabSize\` is ${vocabSize}; the teacher has ${tokenizer.vocabSize} tokens.`,
      "Give a smaller number, or leave it out to keep them all.",
    );
  }
  return pruneTokenizer(tokenizer, await countTokens(tokenizer, texts), vocabSize, { dropUnusedCharacters });
}

/** A model folder without weights, of the shape in `config`. */
async function freshFiles(
  teacher: Folder,
  config: Folder,
  { tokenizer: pruned, pooler }: { readonly tokenizer: Tokenizer | null; readonly pooler: PoolerType },
): Promise<NamedContent[]> {
  const own = await readConfig(teacher);
  const tokenizer = pruned ?? (await loadTokenizer(own.folder));
  const json = {
    ...(await readObject((await readConfig(config)).folder, "config.json")),
    vocab_size: tokenizer.vocabSize,
    pad_token_id: tokenizer.padId,
    simcse: { pooler_type: own.pooler ?? pooler, max_seq_length: own.maxLength },
  };
  return [
    { name: "config.json", content: `${JSON.stringify(json, null, 2)}\n` },
    ...Array.from(tokenizer.files, ([name, content]) => ({ name, content })),
  ];
}
