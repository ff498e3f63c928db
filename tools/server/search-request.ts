/** Search requests: `POST /v1/search`, and the original demo's `GET /api`. */
import { type Filter, metadataMatcher } from "../../src/simcse/search/metadata.ts";
import type { SearchResult } from "../../src/simcse/search/sentence-index.ts";
import { mostResults, usualResults } from "../../src/simcse/search/vector-index.ts";
import { checkModelName, fieldsOf, type InputLimits, textsOf } from "./embeddings-request.ts";
import { RequestError } from "./request-error.ts";

export interface SearchRequest {
  readonly queries: readonly string[];
  readonly topK: number;
  /** Only results at least this similar; every result if absent. */
  readonly threshold?: number | undefined;
  readonly filter?: Filter | undefined;
}

const knownFields = ["model", "input", "top_k", "threshold", "filter"];

/** Defaults of the original's demo. */
const demoThreshold = 0.6;

/** Throws `RequestError` naming the field, and `OptionError` for an invalid filter. A null field counts as absent. */
export function parseSearchRequest(body: unknown, names: readonly string[], limits: InputLimits): SearchRequest {
  const fields = fieldsOf(body);
  const unknown = Object.keys(fields).find((name) => !knownFields.includes(name));
  if (unknown !== undefined)
    throw new RequestError(400, `There is no field ${JSON.stringify(unknown)}; a search takes ${knownFields.join(", ")}.`, unknown);
  const { model, input, top_k, threshold, filter } = fields;
  if (model !== undefined && model !== null) checkModelName(model, names);
  if (filter !== undefined && filter !== null) metadataMatcher(filter as Filter);
  return {
    queries: textsOf(input, limits),
    topK: checkedTopK(top_k ?? usualResults, "top_k"),
    threshold: threshold === undefined || threshold === null ? undefined : checkedThreshold(threshold),
    filter: (filter ?? undefined) as Filter | undefined,
  };
}

/** The original demo's `query`, `topk` and `threshold`, of a request's address. */
export function parseDemoQuery(address: string, { characters }: InputLimits): SearchRequest & { threshold: number } {
  const { search, searchParams } = new URL(address);
  if (!isPercentEncoded(search)) throw new RequestError(400, "The query must be UTF-8, percent-encoded.", "query");
  const param = (name: string) => searchParams.get(name);
  const query = param("query")?.trim() ?? "";
  if (query === "" || query.length > characters)
    throw new RequestError(400, `query must be a text of 1 to ${characters} characters.`, "query");
  const number = (name: string, usual: number): number => {
    const text = param(name) ?? String(usual);
    return text.trim() === "" ? Number.NaN : Number(text);
  };
  return {
    queries: [query],
    topK: checkedTopK(number("topk", usualResults), "topk"),
    threshold: checkedThreshold(number("threshold", demoThreshold)),
  };
}

/** Whether an address has nothing but UTF-8. Bytes of another encoding would be searched as other characters. */
function isPercentEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

/** Results that reach the threshold; if none does, also the best score. */
export function reaching(results: readonly SearchResult[], threshold: number | undefined): { results: SearchResult[]; best?: number } {
  const kept = threshold === undefined ? [...results] : results.filter(({ score }) => score >= threshold);
  return kept.length > 0 || results.length === 0 ? { results: kept } : { results: kept, best: results[0]!.score };
}

function checkedTopK(value: unknown, field: string): number {
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= mostResults) return value as number;
  throw new RequestError(400, `${field} must be a whole number from 1 to ${mostResults}.`, field);
}

function checkedThreshold(value: unknown): number {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new RequestError(400, "threshold must be a number.", "threshold");
}
