/**
 * A folder whose tokenizer also lower-cases texts, for sentence-transformers' `do_lower_case`. Like there, lower-casing comes before all
 * else that the tokenizer does to a text, and special tokens are found first. The tokenizer's files are changed on reading, so that a model
 * that is saved again has them.
 */
import { FormatError } from "../../errors.ts";
import { type Folder, findObject, withTexts } from "../../io/folder.ts";
import { isJsonObject } from "../../io/formats/json.ts";

type Json = Readonly<Record<string, unknown>>;

const CONFIG_FILE = "tokenizer_config.json";
const DEFINITION_FILE = "tokenizer.json";

/** The folder with a lower-casing tokenizer; the folder itself if it has one. */
export async function lowerCased(folder: Folder): Promise<Folder> {
  const config = (await findObject(folder, CONFIG_FILE)) ?? {};
  const definition = await findObject(folder, DEFINITION_FILE);
  const normalizer = definition?.normalizer ?? null;
  const isBert = definition === null ? await folder.has("vocab.txt") : isJsonObject(normalizer) && normalizer.type === "BertNormalizer";
  const said = isBert ? config.do_lower_case : undefined;
  if (typeof said === "boolean" ? said : definition === null ? isBert : lowers(normalizer)) return folder;
  if (definition === null && !isBert) throw cannotLower(folder);
  const texts = new Map<string, string>();
  // BERT's normaliser removes accents with the case unless it is told not to; one that kept the case kept them.
  const accents = config.strip_accents ?? (isJsonObject(normalizer) ? normalizer.strip_accents : null) ?? false;
  if (isBert) texts.set(CONFIG_FILE, JSON.stringify({ ...config, do_lower_case: true, strip_accents: accents }));
  if (definition !== null) texts.set(DEFINITION_FILE, JSON.stringify({ ...definition, normalizer: lowering(normalizer, accents) }));
  return withTexts(folder, texts);
}

/** The error for byte pairs or a SentencePiece model without a `tokenizer.json`, whose texts pass no normaliser. */
function cannotLower({ name }: Folder): FormatError {
  return new FormatError(
    `${name} lower-cases texts (do_lower_case in sentence_bert_config.json) for a tokenizer without a tokenizer.json, which keeps their case`,
    "Save the tokenizer with transformers, which makes a tokenizer.json of it.",
  );
}

function lowering(normalizer: unknown, accents: unknown): Json {
  if (isJsonObject(normalizer) && normalizer.type === "BertNormalizer") return { ...normalizer, lowercase: true, strip_accents: accents };
  const others =
    isJsonObject(normalizer) && Array.isArray(normalizer.normalizers) ? normalizer.normalizers : normalizer === null ? [] : [normalizer];
  return { type: "Sequence", normalizers: [{ type: "Lowercase" }, ...others] };
}

function lowers(normalizer: unknown): boolean {
  if (!isJsonObject(normalizer)) return false;
  const { type, lowercase, normalizers } = normalizer;
  return type === "Lowercase" || lowercase === true || (Array.isArray(normalizers) && normalizers.some(lowers));
}
