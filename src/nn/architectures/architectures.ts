/** The architectures by their `model_type`, and the configs that describe them. */
import { FormatError } from "../../errors.ts";
import { show } from "../../show.ts";
import { albert } from "./albert.ts";
import type { Architecture, TransformerConfig } from "./architecture.ts";
import { bert } from "./bert.ts";
import { commonFractions, commonRules, probability, type Rule } from "./config-rules.ts";
import { distilbert } from "./distilbert.ts";
import { electra } from "./electra.ts";
import { ernie } from "./ernie.ts";
import { eurobert } from "./eurobert.ts";
import { gte } from "./gte.ts";
import { modernbert } from "./modernbert.ts";
import { mpnet } from "./mpnet.ts";
import { nomicBert } from "./nomic-bert.ts";
import { camembert, roberta, xlmRoberta } from "./roberta.ts";

const architectures: Readonly<Record<string, Architecture>> = {
  bert,
  roberta,
  distilbert,
  electra,
  albert,
  camembert,
  "xlm-roberta": xlmRoberta,
  mpnet,
  modernbert,
  nomic_bert: nomicBert,
  gte,
  eurobert,
  ernie,
};

/** Types under which files were written before transformers had the architecture. */
const formerTypes: Readonly<Record<string, string>> = { new: "gte" };

/** The values of `model_type` that are supported. */
export const modelTypes: readonly string[] = Object.keys(architectures);

/** The architecture of a model. */
export function architectureOf({ model_type }: Pick<TransformerConfig, "model_type">): Architecture {
  return architectures[model_type]!;
}

/** The row of the position embedding for a sentence's first token. */
export function firstPosition(config: TransformerConfig): number {
  return architectureOf(config).firstPosition?.(config) ?? 0;
}

/** The token that takes the row of the position embedding with its own id, in place of the next one; null if all tokens are counted. */
export function uncountedToken(config: TransformerConfig): number | null {
  const first = firstPosition(config);
  return first === 0 || config.padding_has_positions ? null : first - 1;
}

/** The longest sentence in tokens, special tokens included. */
export function longestSentence(config: TransformerConfig): number {
  return config.max_position_embeddings - firstPosition(config);
}

/** How many layers have parameters of their own: one where all layers share them, as in ALBERT. */
export function ownLayers(config: TransformerConfig): number {
  return architectureOf(config).sharesLayers ? 1 : config.num_hidden_layers;
}

/** Whether a model has dropout of its own in training: some are published without any. */
export function hasDropout(config: TransformerConfig): boolean {
  const values = config as unknown as Readonly<Record<string, unknown>>;
  return Object.entries(architectureOf(config).fields.rules).some(([field, rule]) => rule === probability && values[field] !== 0);
}

/** The name of a field in a model's `config.json`, given its name in `TransformerConfig`. */
export function fieldName(config: Pick<TransformerConfig, "model_type">, field: string): string {
  return architectureOf(config).fields.names?.[field] ?? field;
}

/** Tokens of the shortest useful sentence: [CLS], one token, [SEP]. */
const shortestSentence = 3;

const correctIt = "Use the config.json that belongs to the model, or correct the field.";

/**
 * Reads a Hugging Face `config.json`; `file` names it in errors. Throws `FormatError`, naming the field, if a field is missing, has a wrong
 * value, or asks for a computation that is not supported: the vectors would not be the model's.
 */
export function parseConfig(file: string, json: Readonly<Record<string, unknown>>): TransformerConfig {
  const { model_type: named = impliedType(json) } = json;
  const model_type = typeof named === "string" && Object.hasOwn(formerTypes, named) ? formerTypes[named] : named;
  const isKnown = typeof model_type === "string" && Object.hasOwn(architectures, model_type);
  const refuse = (field: string, found: unknown, { wanted, remedy = correctIt }: Pick<Rule, "wanted" | "remedy">) => {
    throw new FormatError(`${file}: ${field} must be ${wanted}; found ${show(found)}.`, remedy);
  };
  const types = modelTypes.map((name) => `"${name}"`).join(", ");
  if (!isKnown) refuse("model_type", model_type, { wanted: `one of ${types}`, remedy: "Use a model of one of these types." });
  const type = { model_type: model_type as string };
  const { fields } = architectureOf(type);
  const given = fields.read?.(json) ?? json;
  const config: Record<string, unknown> = { ...fields.defaults, ...given, ...type };
  for (const [field, name] of Object.entries(fields.names ?? {})) config[field] = given[name] ?? config[field];
  for (const [field, rule] of Object.entries({ ...commonRules, ...fields.rules }))
    if (!rule.fits(config[field], config)) refuse(fieldName(type, field), config[field], rule);
  const expect = (field: string, fits: boolean, wanted: string) => {
    if (!fits) refuse(fieldName(type, field), config[field], { wanted });
  };
  const parsed = config as unknown as TransformerConfig;
  const { hidden_size, num_attention_heads } = parsed;
  expect(
    "num_attention_heads",
    hidden_size % 4 === 0 && hidden_size % (num_attention_heads * 2) === 0,
    `a divisor of ${fieldName(type, "hidden_size")} ${hidden_size} with heads of an even size, and ${fieldName(type, "hidden_size")} a multiple of 4`,
  );
  expect(
    "max_position_embeddings",
    longestSentence(parsed) >= shortestSentence,
    `at least ${shortestSentence + firstPosition(parsed)}: the first ${firstPosition(parsed)} are no positions of a sentence`,
  );
  return parsed;
}

/** The model_type of a config that leaves it out: that of its transformers class, or BERT's if it names none. */
function impliedType({ architectures: classes }: Readonly<Record<string, unknown>>): string {
  const [named] = Array.isArray(classes) ? (classes as unknown[]) : [];
  if (typeof named !== "string") return "bert";
  const families = Object.entries(architectures);
  return families.find(([, { className }]) => named.startsWith(className.replace(/Model$/, "")))?.[0] ?? named;
}

/** A model's `config.json`, as transformers opens it; `more` are fields of other tools. */
export function configText(
  { padding_has_positions: _, ...config }: TransformerConfig,
  more: Readonly<Record<string, unknown>> = {},
): string {
  const { className, fields } = architectureOf(config);
  const renamed = new Set(Object.values(fields.names ?? {}));
  const entries = Object.entries(config).filter(([field]) => !renamed.has(field));
  const own = Object.fromEntries(entries.map(([field, value]) => [fieldName(config, field), value]));
  return fieldsText(config, { ...own, architectures: [className], ...fields.written, ...more });
}

/** A `config.json` with these fields, of a model of this type. */
export function fieldsText(type: Pick<TransformerConfig, "model_type">, json: Readonly<Record<string, unknown>>): string {
  const { fractions = [] } = architectureOf(type).fields;
  const withPoint = (text: string, field: string) => text.replace(new RegExp(`^(  "${field}": \\d+)(?=,?$)`, "m"), "$1.0");
  return `${[...commonFractions, ...fractions].reduce(withPoint, JSON.stringify(json, null, 2))}\n`;
}
