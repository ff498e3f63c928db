/** `POST /v1/embeddings` in OpenAI's format: checks requests and writes responses. */
import { isJsonObject } from "../../src/io/formats/json.ts";
import type { Tokenizer } from "../../src/io/tokenizer.ts";
import type { TokenizedText } from "../../src/simcse/embedding/encoder-program.ts";
import type { PromptOptions, SearchSide } from "../../src/simcse/embedding/prompts.ts";
import { toUnitLength } from "../../src/simcse/embedding/unit-length.ts";
import { RequestError } from "./request-error.ts";

export interface InputLimits {
  /** Inputs of a request. */
  readonly inputs: number;
  /** UTF-16 units of a text. */
  readonly characters: number;
}

/** Properties of the model that requests are checked against. */
export interface ServedModel {
  /** What requests may call it. */
  readonly names: readonly [string, ...string[]];
  readonly tokenizer: Tokenizer;
  readonly dimension: number;
  /** Texts are truncated to this many tokens; a token array may have at most as many. */
  readonly maxLength: number;
  /** The model's prompt for one side of a search. */
  readonly promptOf: (side: SearchSide) => PromptOptions;
  /** Whether token ids are accepted from all clients, as ids of this model's tokenizer. */
  readonly acceptTokenIds: boolean;
}

/** The sender of a request. */
export interface Sender {
  /** Whether it is one of OpenAI's client libraries. LangChain and others send ids of OpenAI's tokenizer through them. */
  readonly isOpenAiClient: boolean;
}

export interface EmbeddingsRequest {
  /** The request's name of the model. */
  readonly model: string;
  /** Texts, or token ids with special tokens. */
  readonly inputs: readonly (string | readonly number[])[];
  readonly encoding: "float" | "base64";
  /** Number of elements to keep of each vector. */
  readonly dimensions: number;
  /** What is put before texts. */
  readonly prompt: PromptOptions;
}

/**
 * Throws `RequestError` naming the field for anything that deviates from OpenAI's reference, or would have other vectors than this server makes.
 * A null field counts as absent.
 */
export function parseEmbeddingsRequest(
  body: unknown,
  served: ServedModel,
  limits: InputLimits,
  { isOpenAiClient }: Sender,
): EmbeddingsRequest {
  const fields = fieldsOf(body);
  const { model, input, encoding_format, dimensions } = fields;
  const encoding = encoding_format ?? "float";
  if (encoding !== "float" && encoding !== "base64")
    throw new RequestError(400, 'encoding_format must be "float" or "base64".', "encoding_format");
  const numbers = dimensions ?? served.dimension;
  if (!Number.isInteger(numbers) || (numbers as number) < 1 || (numbers as number) > served.dimension)
    throw new RequestError(400, `dimensions must be a whole number from 1 to ${served.dimension}.`, "dimensions");
  const name = checkModelName(model, served.names);
  // These libraries request base64 by default; hardly anyone else does.
  const isForeign = !served.acceptTokenIds && (isOpenAiClient || encoding === "base64");
  const inputs = listOf(input, limits).map((item, i) =>
    typeof item === "string" ? checkedText(item, i, limits) : checkedTokens(item, i, served, isForeign),
  );
  checkForeignFields(fields, numbers as number);
  const prompt = promptIn(fields, served);
  if (Object.keys(prompt).length > 0 && inputs.some((item) => typeof item !== "string"))
    throw new RequestError(400, "A prompt is put before texts, and the input has token ids: send texts, or ids that include it.", "input");
  return { model: name, inputs, encoding, dimensions: numbers as number, prompt };
}

/** Names of the sides of a search in other APIs (Cohere, Voyage, NVIDIA), as `input_type`. */
const sides: ReadonlyMap<unknown, SearchSide> = new Map([
  ["query", "query"],
  ["search_query", "query"],
  ["document", "document"],
  ["search_document", "document"],
  ["passage", "document"],
]);

function promptIn({ prompt_name, input_type }: Readonly<Record<string, unknown>>, served: ServedModel): PromptOptions {
  if ((prompt_name ?? null) !== null) {
    if (typeof prompt_name !== "string")
      throw new RequestError(400, "prompt_name must be the name of one of the model's prompts.", "prompt_name");
    if ((input_type ?? null) !== null)
      throw new RequestError(400, "prompt_name and input_type both choose a prompt: send one.", "input_type");
    return { promptName: prompt_name };
  }
  if ((input_type ?? null) === null) return {};
  const side = sides.get(input_type);
  if (side === undefined) throw new RequestError(400, `input_type must be one of ${[...sides.keys()].join(", ")}.`, "input_type");
  return served.promptOf(side);
}

interface ForeignField {
  /** The values that mean what this server does, or the request's field that says the same. */
  readonly fit: readonly unknown[] | "dimensions";
  readonly does: string;
}

const toUnit: ForeignField = { fit: [true], does: "scales vectors to unit length" };
const truncating: ForeignField = { fit: [true, "END", "end"], does: "truncates long texts at their end" };
const whole: ForeignField = { fit: "dimensions", does: "gives all of a vector's numbers, or as many as the field dimensions says" };
const choosing: ForeignField = { fit: [], does: "chooses prompts by the fields input_type and prompt_name" };
const floats: ForeignField = { fit: ["float"], does: "gives numbers in 32 bits (encoding_format says how they are written)" };
const pooled: ForeignField = { fit: [], does: "gives a text one vector, pooled as the model says (--pooler sets it for all)" };
const alone: ForeignField = { fit: [false], does: "reads each text alone and gives it one vector" };
const noInstruction: ForeignField = {
  fit: [""],
  does: "puts only the model's own prompts before texts (input_type and prompt_name choose one)",
};

/** Fields of other servers that change vectors: those of TEI, vLLM, SGLang, llama.cpp, Infinity, Jina, Voyage, Cohere, Nomic, Mixedbread, DashScope and Gemini. */
const foreignFields: Readonly<Record<string, ForeignField>> = {
  normalize: toUnit,
  normalized: toUnit,
  normalize_embeddings: toUnit,
  embd_normalize: { ...toUnit, fit: [2] },
  use_activation: toUnit,
  truncate: truncating,
  truncation: truncating,
  truncation_direction: { ...truncating, fit: ["Right", "right"] },
  long_text_mode: { ...truncating, fit: ["truncate"] },
  truncate_prompt_tokens: { fit: [-1], does: "truncates texts to what the model reads (--max_length sets it for all)" },
  add_special_tokens: { fit: [true], does: "puts the model's special tokens around a text" },
  output_dimension: whole,
  output_dimensionality: whole,
  truncate_dim: whole,
  dimension: whole,
  dimensionality: whole,
  output_dtype: floats,
  embed_dtype: { ...floats, fit: ["float32"] },
  endianness: { fit: ["native", "little"], does: "writes the lowest byte of a number first" },
  embedding_type: floats,
  embedding_types: floats,
  task: choosing,
  task_type: choosing,
  text_type: choosing,
  prompt: noInstruction,
  instruct: noInstruction,
  instruction: noInstruction,
  pooling: pooled,
  pooling_type: pooled,
  modality: { fit: ["text"], does: "reads texts" },
  lora_path: { fit: [], does: "serves one model, with its adapters" },
  late_chunking: alone,
  return_multivector: alone,
};

function checkForeignFields(fields: Readonly<Record<string, unknown>>, dimensions: number): void {
  for (const [field, { fit, does }] of Object.entries(foreignFields)) {
    const value = Object.hasOwn(fields, field) ? fields[field] : null;
    const fitting: readonly unknown[] = fit === "dimensions" ? [dimensions] : fit;
    if ([value].flat().every((said) => said === null || fitting.includes(said))) continue;
    throw new RequestError(400, `${field} cannot be ${JSON.stringify(value)}: this server always ${does}.`, field);
  }
}

/** The fields of a body. Throws `RequestError` for anything but a JSON object. */
export function fieldsOf(body: unknown): Readonly<Record<string, unknown>> {
  if (isJsonObject(body)) return body;
  throw new RequestError(400, "The body must be a JSON object.");
}

/** Throws `RequestError` unless `name` is one of `names`. */
export function checkModelName(name: unknown, names: readonly string[]): string {
  if (typeof name !== "string") throw new RequestError(400, "model must be the name of a model.", "model");
  if (names.includes(name)) return name;
  throw new RequestError(
    404,
    `There is no model ${JSON.stringify(name)}; this server has ${names.join(", ")}.`,
    "model",
    "model_not_found",
  );
}

/** The texts of an input, which may be a single text. Throws `RequestError` for anything else. */
export function textsOf(input: unknown, limits: InputLimits): string[] {
  return listOf(input, limits).map((item, i) => {
    if (typeof item !== "string") throw new RequestError(400, `Input ${i} is not a text.`, "input");
    return checkedText(item, i, limits);
  });
}

function listOf(input: unknown, limits: InputLimits): readonly unknown[] {
  const list = typeof input === "string" || isTokens(input) ? [input] : input;
  if (!Array.isArray(list) || list.length === 0) {
    throw new RequestError(
      400,
      "input must be a text, an array of texts, an array of token ids, or an array of such arrays; none of them empty.",
      "input",
    );
  }
  if (list.length > limits.inputs)
    throw new RequestError(
      400,
      `input holds ${list.length} texts; at most ${limits.inputs} are taken at once: send them in several requests.`,
      "input",
    );
  return list;
}

function isTokens(input: unknown): input is number[] {
  return Array.isArray(input) && input.length > 0 && input.every((id) => typeof id === "number");
}

function checkedText(text: string, i: number, { characters }: InputLimits): string {
  if (text === "") throw new RequestError(400, `Input ${i} is empty.`, "input");
  if (text.length <= characters) return text;
  throw new RequestError(
    400,
    `Input ${i} has ${text.length} characters; at most ${characters} are taken: send its parts (or start the server with --max_characters).`,
    "input",
    "context_length_exceeded",
  );
}

/** Adds the first and the last special token if they are missing. */
function checkedTokens(item: unknown, i: number, { tokenizer, maxLength }: ServedModel, isForeign: boolean): number[] {
  const { clsId, sepId, vocabSize } = tokenizer;
  if (!isTokens(item)) throw new RequestError(400, `Input ${i} is neither a text nor an array of token ids.`, "input");
  if (isForeign) {
    throw new RequestError(
      400,
      `Input ${i} is an array of token ids, which mean something else to another tokenizer, such as OpenAI's. Send texts (LangChain: ` +
        "OpenAIEmbeddings(check_embedding_ctx_length=False)), or start the server with --accept_token_ids where ids are of this model's tokenizer " +
        `(0 to ${vocabSize - 1}).`,
      "input",
    );
  }
  const tooMany = new RequestError(
    400,
    `Input ${i} has ${item.length} token ids; at most ${maxLength} are taken, of which two are the special tokens around a text.`,
    "input",
    "context_length_exceeded",
  );
  if (item.length > maxLength) throw tooMany;
  const bad = item.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (bad !== undefined) throw new RequestError(400, `Input ${i} holds ${bad}; this model's tokens are 0 to ${vocabSize - 1}.`, "input");
  const tokens = [...(item[0] === clsId ? [] : [clsId]), ...item, ...(item.at(-1) === sepId ? [] : [sepId])];
  if (tokens.length > maxLength) throw tooMany;
  return tokens;
}

/** The JSON of the answer for vectors of unit length, f32 [dimension] each, in pieces: one for each vector. */
export function* embeddingsAnswer(
  { encoding, dimensions, model }: EmbeddingsRequest,
  inputs: readonly TokenizedText[],
  vectors: readonly Float32Array[],
): Generator<string> {
  const count = inputs.reduce((sum, { ids }) => sum + ids.length, 0);
  yield '{"object":"list","data":[';
  for (const [index, vector] of vectors.entries()) {
    const embedding = encoders[encoding](shortened(vector, dimensions));
    yield `${index === 0 ? "" : ","}${JSON.stringify({ object: "embedding", index, embedding })}`;
  }
  yield `],"model":${JSON.stringify(model)},"usage":${JSON.stringify({ prompt_tokens: count, total_tokens: count })}}`;
}

const encoders: Readonly<Record<EmbeddingsRequest["encoding"], (vector: Float32Array) => unknown>> = {
  float: (vector) => Array.from(vector),
  base64: ({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength).toString("base64"),
};

function shortened(vector: Float32Array, dimensions: number): Float32Array {
  return dimensions === vector.length ? vector : toUnitLength(vector.subarray(0, dimensions), dimensions);
}
