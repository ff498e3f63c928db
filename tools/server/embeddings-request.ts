/** `POST /v1/embeddings` as OpenAI has it: a request checked and tokenised, vectors put into its answer. */
import type { Tokenizer } from "../../src/io/tokenizer.ts";
import { toUnitLength } from "../../src/simcse/embedding/unit-length.ts";
import { RequestError } from "./request-error.ts";

export interface InputLimits {
  /** Inputs of a request. */
  readonly inputs: number;
  /** UTF-16 units of a text. */
  readonly characters: number;
}

export interface EmbeddingsRequest {
  /** Token ids of each input, special tokens included. */
  readonly tokens: readonly (readonly number[])[];
  readonly encoding: "float" | "base64";
  /** Numbers that a vector is cut to. */
  readonly dimensions: number;
}

interface Model {
  readonly names: readonly string[];
  readonly tokenizer: Tokenizer;
  /** The token ids of a text as the model takes them, with its prompt. */
  readonly tokenize: (text: string) => number[];
  readonly dimension: number;
  /** Tokens that a text is cut to; a token array may have as many and no more. */
  readonly maxLength: number;
}

/** Throws `RequestError` naming the field for anything that is not as OpenAI's reference says. */
export function parseEmbeddingsRequest(body: unknown, model: Model, limits: InputLimits): EmbeddingsRequest {
  if (typeof body !== "object" || body === null || Array.isArray(body)) throw new RequestError(400, "The body must be a JSON object.");
  const fields = body as Readonly<Record<string, unknown>>;
  checkModelName(fields.model, model.names);
  const { encoding_format: encoding = "float", dimensions = model.dimension } = fields;
  if (encoding !== "float" && encoding !== "base64")
    throw new RequestError(400, 'encoding_format must be "float" or "base64".', "encoding_format");
  if (!Number.isInteger(dimensions) || (dimensions as number) < 1 || (dimensions as number) > model.dimension)
    throw new RequestError(400, `dimensions must be a whole number from 1 to ${model.dimension}.`, "dimensions");
  return { tokens: readInput(fields.input, model, limits), encoding, dimensions: dimensions as number };
}

export function checkModelName(name: unknown, names: readonly string[]): void {
  if (typeof name !== "string") throw new RequestError(400, "model must be the name of a model.", "model");
  if (!names.includes(name))
    throw new RequestError(
      404,
      `There is no model ${JSON.stringify(name)}; this server has ${names.join(", ")}.`,
      "model",
      "model_not_found",
    );
}

function readInput(input: unknown, model: Model, limits: InputLimits): number[][] {
  const list = typeof input === "string" || isTokens(input) ? [input] : input;
  if (!Array.isArray(list) || list.length === 0) {
    throw new RequestError(
      400,
      "input must be a text, an array of texts, an array of token ids, or an array of such arrays; none of them empty.",
      "input",
    );
  }
  if (list.length > limits.inputs)
    throw new RequestError(400, `input holds ${list.length} texts; at most ${limits.inputs} are taken at once.`, "input");
  return list.map((item: unknown, i) => (typeof item === "string" ? tokensOf(item, i, model, limits) : checkedTokens(item, i, model)));
}

function isTokens(input: unknown): input is number[] {
  return Array.isArray(input) && input.length > 0 && input.every((id) => typeof id === "number");
}

function tokensOf(text: string, i: number, { tokenize }: Model, limits: InputLimits): number[] {
  if (text === "") throw new RequestError(400, `Input ${i} is empty.`, "input");
  if (text.length > limits.characters)
    throw new RequestError(400, `Input ${i} has ${text.length} characters; at most ${limits.characters} are taken.`, "input");
  return tokenize(text);
}

/** The first and the last token are put around those of the text where they are not there. */
function checkedTokens(item: unknown, i: number, { tokenizer, maxLength }: Model): number[] {
  const { clsId, sepId, vocabSize } = tokenizer;
  if (!isTokens(item)) throw new RequestError(400, `Input ${i} is neither a text nor an array of token ids.`, "input");
  const bad = item.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (bad !== undefined) throw new RequestError(400, `Input ${i} holds ${bad}; this model's tokens are 0 to ${vocabSize - 1}.`, "input");
  const tokens = [...(item[0] === clsId ? [] : [clsId]), ...item, ...(item.at(-1) === sepId ? [] : [sepId])];
  if (tokens.length > maxLength)
    throw new RequestError(
      400,
      `Input ${i} has ${tokens.length} tokens; at most ${maxLength} are taken.`,
      "input",
      "context_length_exceeded",
    );
  return tokens;
}

/** The answer for vectors of unit length, f32 [dimension] each. */
export function embeddingsAnswer(
  { tokens, encoding, dimensions }: EmbeddingsRequest,
  vectors: readonly Float32Array[],
  model: string,
): unknown {
  const count = tokens.reduce((sum, { length }) => sum + length, 0);
  return {
    object: "list",
    data: vectors.map((vector, index) => ({ object: "embedding", index, embedding: encoders[encoding](shortened(vector, dimensions)) })),
    model,
    usage: { prompt_tokens: count, total_tokens: count },
  };
}

const encoders: Readonly<Record<EmbeddingsRequest["encoding"], (vector: Float32Array) => unknown>> = {
  float: (vector) => Array.from(vector),
  base64: ({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength).toString("base64"),
};

function shortened(vector: Float32Array, dimensions: number): Float32Array {
  return dimensions === vector.length ? vector : toUnitLength(vector.subarray(0, dimensions), dimensions);
}
