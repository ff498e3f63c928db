/** The parts of a tokenizer, made from whichever files a folder has: a `tokenizer.json`, or a vocabulary and the class's usual settings. */
import { FileError, FormatError } from "../../errors.ts";
import { show } from "../../show.ts";
import { type Folder, pathIn } from "../folder.ts";
import { linesOf } from "../text/lines.ts";
import { checkedDefinition } from "./checked-definition.ts";
import {
  byteLevelDefinition,
  type IdByToken,
  idsOf,
  type SpecialTokens,
  type TokenizerConfig,
  type TokenizerDefinition,
  wordPieceDefinition,
} from "./definition.ts";
import { flaggedTokens, MPNET_NAMES, specialTokens, USUAL_NAMES, type UsualNames } from "./special-tokens.ts";
import { ADDED_FILE, CONFIG_FILE, checkClass, DEFINITION_FILE, modelTypeOf, objectIn, SPECIAL_FILE } from "./tokenizer-files.ts";
import { asConfigured, listedIds, mergedConfig, withAddedFile, withConfiguredTokens, withNamedTokens } from "./transformers-config.ts";

/** The parts of a tokenizer, whatever files they come from. */
export interface TokenizerSource {
  /** Its name in messages. */
  readonly path: string;
  /** Every token with its id, except those that only the configuration names: the model may have no rows for them. */
  readonly ids: ReadonlyMap<string, number>;
  readonly definition: TokenizerDefinition;
  readonly config: TokenizerConfig;
  readonly special: SpecialTokens;
}

/** The tokenizer of a folder with these `files`. Throws like `loadTokenizer`. */
export async function sourceIn(folder: Folder, files: ReadonlyMap<string, string>): Promise<TokenizerSource> {
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
    return fromVocabulary(folder, files, config, isMpnet ? MPNET_NAMES : USUAL_NAMES);
  }
  const path = pathIn(folder, DEFINITION_FILE);
  const added = objectIn<IdByToken>(folder, files, ADDED_FILE) ?? {};
  const { ids, definition } = withEveryToken(path, withAddedFile(asConfigured(found, config), added, config), config);
  return { path, ids, definition, config, special: specialTokens(path, ids, config, { definition }) };
}

/** A BERT tokenizer with this vocabulary; the index of a token is its id. Throws like `wordPieceTokenizer`. */
export function wordPieceSource(path: string, vocabulary: readonly string[], config: TokenizerConfig): TokenizerSource {
  const ids = new Map(vocabulary.map((token, id) => [token, id]));
  const special = specialTokens(path, ids, config);
  return built(path, wordPieceDefinition(ids, special, config), { config, special });
}

function fromVocabulary(folder: Folder, files: ReadonlyMap<string, string>, config: TokenizerConfig, usual: UsualNames): TokenizerSource {
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
  { config, special, added = {} }: Pick<TokenizerSource, "config" | "special"> & { readonly added?: IdByToken },
): TokenizerSource {
  const listed = withConfiguredTokens(withAddedFile({ ...made }, added, config), config);
  return { path, ...withEveryToken(path, listed, { ...config, ...flaggedTokens(special, config) }), config, special };
}

/** A checked definition with the special tokens that only the configuration names, and the ids of all others. */
function withEveryToken(
  path: string,
  found: Readonly<Record<string, unknown>>,
  config: TokenizerConfig,
): Pick<TokenizerSource, "ids" | "definition"> {
  const definition = checkedDefinition(path, found);
  const named = withNamedTokens(found, config);
  return { ids: idsOf(definition), definition: named === found ? definition : checkedDefinition(path, named) };
}

function checkAdded(path: string, added: IdByToken): void {
  for (const [token, id] of Object.entries(added)) {
    if (!Number.isSafeInteger(id) || id < 0)
      throw new FormatError(`${path} gives the token ${show(token)} the id ${show(id)}`, "Give each token a whole number of at least 0.");
  }
}
