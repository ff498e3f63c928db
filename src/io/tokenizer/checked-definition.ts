/**
 * Checks a `tokenizer.json` before anything is built from it. A definition that passes is complete, refers only to its own tokens, and its
 * added tokens have the ids that the official library gives them.
 */
import { show } from "../../show.ts";
import { isJsonObject } from "../formats/json.ts";
import type { AddedToken } from "./added-tokens.ts";
import { MAX_IDS } from "./byte-pairs.ts";
import type { TokenizerDefinition, Truncation } from "./definition.ts";
import {
  ADDED_TOKEN,
  checkFields,
  checkPart,
  DECODERS,
  MODELS,
  NORMALIZERS,
  type Part,
  type Place,
  POST_PROCESSORS,
  PRE_TOKENIZERS,
  refuse,
  TRUNCATION,
} from "./parts.ts";
import { type Merge, pairOf, tokensOf, type Vocabulary } from "./vocabularies.ts";

/** Throws FormatError, naming the file and the part, when the official library would not accept a definition. */
export function checkedDefinition(file: string, value: object): TokenizerDefinition {
  const at = (way: string): Place => ({ file, way, depth: 0 });
  const own = (field: string): unknown => (Object.hasOwn(value, field) ? (value as Record<string, unknown>)[field] : undefined) ?? null;
  const part = (field: string, parts: Parameters<typeof checkPart>[2]): Part | null => {
    const found = own(field);
    if (found === null) return null;
    checkPart(at(field), found, parts);
    return found;
  };
  if ((own("version") ?? "1.0") !== "1.0") refuse(at("version"), `is ${show(own("version"))}, expected "1.0"`);
  const truncation = own("truncation");
  if (truncation !== null) checkFields(at("truncation"), truncation, TRUNCATION);
  const model = checkedModel(at("model"), own("model"));
  const definition = {
    version: "1.0" as const,
    truncation: truncation as Truncation | null,
    added_tokens: checkedAddedTokens(at("added_tokens"), own("added_tokens") ?? [], model.vocab),
    normalizer: part("normalizer", NORMALIZERS),
    pre_tokenizer: part("pre_tokenizer", PRE_TOKENIZERS),
    post_processor: part("post_processor", POST_PROCESSORS),
    decoder: part("decoder", DECODERS),
    model,
  };
  checkGrowth(at("normalizer"), definition.normalizer);
  return definition;
}

function checkedModel(place: Place, found: unknown): TokenizerDefinition["model"] {
  if (!isJsonObject(found)) refuse(place, `is ${show(found)}, expected an object`);
  const model = { ...found, type: "type" in found ? found.type : typeOfUntyped(found) };
  checkPart(place, model, MODELS);
  const vocabulary = { ...place, way: `${place.way}.vocab` };
  if (model.type === "Unigram") checkScores(vocabulary, model);
  else checkIds(vocabulary, model.vocab);
  const checked = model as TokenizerDefinition["model"];
  const ids = tokensOf(checked.vocab);
  if (typeof model.unk_token === "string" && model.type !== "BPE" && !ids.has(model.unk_token)) {
    refuse({ ...place, way: `${place.way}.unk_token` }, `is ${show(model.unk_token)}, which the vocabulary does not have`);
  }
  if (model.type === "BPE") checkMerges(place, model, ids);
  return checked;
}

/** The model type of a file without the field `type`, guessed from its fields like the official library does. */
function typeOfUntyped(model: object): string {
  if ("merges" in model) return "BPE";
  if ("continuing_subword_prefix" in model) return "WordPiece";
  return "unk_id" in model ? "Unigram" : "WordLevel";
}

function checkIds(place: Place, vocabulary: unknown): void {
  if (!isJsonObject(vocabulary)) refuse(place, `is ${show(vocabulary)}, expected tokens and their ids`);
  for (const [token, id] of tokensOf(vocabulary as Vocabulary)) {
    if (!isId(id)) refuse(place, `gives the token ${show(token)} the id ${show(id)}`);
    checkText(place, token);
  }
}

function checkScores(place: Place, { vocab, unk_id }: Part): void {
  if (!Array.isArray(vocab) || vocab.length === 0) refuse(place, `is ${show(vocab)}, expected a list of tokens and their scores`);
  const seen = new Set<string>();
  for (const [index, entry] of vocab.entries()) {
    const [token, score] = Array.isArray(entry) ? entry : [];
    if (typeof token !== "string" || typeof score !== "number")
      refuse(place, `has ${show(entry)} at ${index}, expected a token and its score`);
    if (seen.has(token)) refuse(place, `has the token ${show(token)} twice`);
    seen.add(token);
    checkText(place, token);
  }
  if ((unk_id as number) >= vocab.length) refuse(place, `has ${vocab.length} tokens; unk_id is ${unk_id}`);
}

/** Throws for half of a surrogate pair: the official library reads UTF-8, which cannot contain one. */
function checkText(place: Place, token: string): void {
  if (/\p{Surrogate}/u.test(token)) refuse(place, `has the token ${show(token)}, which is not a text of Unicode`);
}

function isId(id: unknown): boolean {
  return Number.isSafeInteger(id) && (id as number) >= 0 && (id as number) < MAX_IDS;
}

/** A merge combines two tokens into one. All three must exist, or characters would be lost. */
function checkMerges(place: Place, model: Part, ids: ReadonlyMap<string, number>): void {
  const { merges } = model;
  if (!Array.isArray(merges)) refuse({ ...place, way: `${place.way}.merges` }, `is ${show(merges)}, expected a list`);
  const prefix = ((model.continuing_subword_prefix as string | null | undefined) ?? "").length;
  for (const [index, merge] of merges.entries()) {
    const here = { ...place, way: `${place.way}.merges[${index}]` };
    if (!isMerge(merge)) refuse(here, `is ${show(merge)}, expected two pieces`);
    const [left, right] = pairOf(merge);
    const missing = ids.has(left) ? (ids.has(right) ? left + right.slice(prefix) : right) : left;
    if (!ids.has(missing)) refuse(here, `needs the token ${show(missing)}, which the vocabulary does not have`);
  }
}

function isMerge(merge: unknown): merge is Merge {
  if (typeof merge === "string") return merge.includes(" ") && merge.indexOf(" ") === merge.lastIndexOf(" ");
  return Array.isArray(merge) && merge.length === 2 && merge.every((half) => typeof half === "string");
}

/**
 * The added tokens with the ids that the official library gives them, whatever the file says, in the order of these ids: the vocabulary's,
 * and for new tokens the numbers from the size of the vocabulary on. Like the library, it skips empty tokens and duplicates.
 */
function checkedAddedTokens(place: Place, found: unknown, vocabulary: Vocabulary): readonly AddedToken[] {
  if (!Array.isArray(found)) refuse(place, `is ${show(found)}, expected a list`);
  const ids = tokensOf(vocabulary);
  let next = ids.size;
  const added = new Map<string, AddedToken>();
  const owners = new Map<number, string>();
  for (const [index, token] of found.entries()) {
    const here = { ...place, way: `${place.way}[${index}]`, depth: 1 };
    checkFields(here, token, ADDED_TOKEN);
    const { content } = token as AddedToken;
    checkText(here, content);
    if (content === "" || added.has(content)) continue;
    const id = ids.get(content) ?? next++;
    if (owners.has(id)) refuse(here, `is ${show(content)}, whose id ${id} is also that of ${show(owners.get(id))}`);
    owners.set(id, content);
    added.set(content, { ...(token as AddedToken), id });
  }
  return [...added.values()].sort((a, b) => a.id - b.id);
}

/** The most characters that the normalizers may make of one. */
const MAX_GROWTH = 16;

/** A chain of replacements that doubles a text at every step would take all memory. */
function checkGrowth(place: Place, normalizer: Part | null): void {
  const growth = growthOf(normalizer);
  if (growth > MAX_GROWTH) refuse(place, `makes ${growth} characters of one, at most ${MAX_GROWTH} are taken`);
}

function growthOf(normalizer: Part | null): number {
  if (normalizer?.type === "Sequence") {
    return (normalizer.normalizers as Part[]).reduce((growth, inner) => growth * growthOf(inner), 1);
  }
  const added = normalizer?.content ?? normalizer?.prepend ?? "";
  return Math.max(1, [...(added as string)].length);
}
