/**
 * The server's routes: OpenAI's embeddings, the original demo's search and its page, health and metrics. Everything is in memory: no request
 * names a file.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { type Context, Hono, type MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { secureHeaders } from "hono/secure-headers";
import { searchPrompt } from "../../src/simcse/embedding/prompts.ts";
import type { SearchResult } from "../../src/simcse/search/sentence-index.ts";
import { mostResults } from "../../src/simcse/search/vector-index.ts";
import type { SimCSE } from "../../src/simcse/simcse.ts";
import { BatchingQueue } from "./batching-queue.ts";
import { checkModelName, embeddingsAnswer, type InputLimits, parseEmbeddingsRequest } from "./embeddings-request.ts";
import { createMetrics } from "./metrics.ts";
import { pageFiles } from "./page.ts";
import { answerError, RequestError, refuse } from "./request-error.ts";

export interface AppOptions {
  readonly model: SimCSE;
  /** What requests call the model; the first is what answers call it. */
  readonly names: readonly [string, ...string[]];
  /** Whether `model.index` is there to be searched. */
  readonly searchable: boolean;
  /** Queries that the page offers. */
  readonly examples: readonly string[];
  readonly limits: InputLimits & {
    /** Bytes of a request's body. */
    readonly bodyBytes: number;
    /** Inputs of all clients that may wait. */
    readonly waiting: number;
  };
  /** Asked of every request but the page and /healthz, where it is given. */
  readonly apiKey?: string;
  readonly log: (line: string) => void;
}

export interface App {
  readonly fetch: Hono["fetch"];
  /** From now on /healthz says that the server is going away. */
  drain(): void;
}

/** Sentences of a batch, in batches of the encoder: enough to sort by length, little enough to answer the first soon. */
const encoderBatches = 4;

/** Queries that are searched together. */
const searchBatch = 32;

/** What the original demo takes where a request does not say it. */
const demoDefaults = { topK: 5, threshold: 0.6 };

interface SearchQuery {
  readonly topK: number;
  readonly threshold: number;
}

interface Query extends SearchQuery {
  readonly vector: Float32Array;
}

export function createApp({ model, names, searchable, examples, limits, apiKey, log }: AppOptions): App {
  const { encoder, dimension } = model;
  const tokenize = (text: string) => encoder.tokenize(text);
  const named = { names, tokenizer: encoder.tokenizer, tokenize, dimension, maxLength: encoder.maxLength };
  let draining = false;

  const embeddings = new BatchingQueue<readonly number[], Float32Array>(
    async (tokens) => {
      const { data } = await encoder.encodeTokens(tokens, { normalize: true });
      metrics.encoded(
        tokens.length,
        tokens.reduce((sum, { length }) => sum + length, 0),
      );
      return tokens.map((_, row) => data.slice(row * dimension, (row + 1) * dimension));
    },
    { limit: limits.waiting, batch: encoderBatches * encoder.batchSize, onBatch: (count) => metrics.batch(count) },
  );
  const searches = new BatchingQueue<Query, SearchResult[]>(
    async (queries) => {
      const results: SearchResult[][] = [];
      // Together only those that want as many: how many are wanted decides how many approximate ones are scored again.
      for (const topK of new Set(queries.map((query) => query.topK))) {
        const alike = [...queries.entries()].filter(([, query]) => query.topK === topK);
        const vectors = Float32Array.from(alike.flatMap(([, { vector }]) => [...vector]));
        const found = await model.index.search(vectors, { topK, threshold: Math.min(...alike.map(([, { threshold }]) => threshold)) });
        for (const [i, [place, { threshold }]] of alike.entries()) results[place] = found[i]!.filter(({ score }) => score >= threshold);
      }
      return results;
    },
    { limit: limits.waiting, batch: searchBatch },
  );
  const metrics = createMetrics(() => embeddings.waiting);

  const app = new Hono();
  app.use(counted(metrics.request));
  app.use(
    secureHeaders({
      // Whether the address has TLS is for the proxy before it to say.
      strictTransportSecurity: false,
      contentSecurityPolicy: { defaultSrc: ["'none'"], scriptSrc: ["'self'"], styleSrc: ["'self'"], connectSrc: ["'self'"] },
    }),
  );
  if (apiKey !== undefined) {
    const locked = keyed(apiKey);
    for (const path of ["/v1/*", "/api", "/get_examples", "/metrics"]) app.use(path, locked);
  }
  const tooLarge = new RequestError(413, `The body is larger than ${limits.bodyBytes} bytes.`);
  app.use("/v1/*", bodyLimit({ maxSize: limits.bodyBytes, onError: (context) => refuse(context, tooLarge) }));

  app.post("/v1/embeddings", async (context) => {
    const request = parseEmbeddingsRequest(await jsonBody(context), named, limits);
    return context.json(embeddingsAnswer(request, await embeddings.submit(request.tokens, context.req.raw.signal), names[0]) as object);
  });
  const created = Math.floor(Date.now() / 1000);
  const card = (id: string) => ({ id, object: "model", created, owned_by: "simcse-webgpu" });
  app.get("/v1/models", (context) => context.json({ object: "list", data: names.map(card) }));
  app.get("/v1/models/:id{.+}", (context) => {
    const id = context.req.param("id");
    checkModelName(id, names);
    return context.json(card(id));
  });

  app.get("/api", async (context) => {
    if (!searchable) throw new RequestError(404, "This server has no index to search: start it with --index.");
    const { query, ...options } = searchQuery(context, limits);
    const began = performance.now();
    const { signal } = context.req.raw;
    const [vector] = await embeddings.submit([encoder.tokenize(query, searchPrompt(encoder.texts, "query"))], signal);
    const [results] = await searches.submit([{ vector: vector!, ...options }], signal);
    const time = Number(((performance.now() - began) / 1000).toFixed(4));
    return context.json({ ret: results!.map(({ sentence, score, id }) => ({ sentence, score, id })), time });
  });
  app.get("/get_examples", (context) => context.json({ examples }));
  for (const [path, { type, body }] of pageFiles) app.get(path, (context) => context.body(body, 200, { "Content-Type": type }));

  app.get("/healthz", (context) => context.json({ status: draining ? "draining" : "ok", model: names[0] }, draining ? 503 : 200));
  app.get("/metrics", async (context) =>
    context.body(await metrics.registry.metrics(), 200, { "Content-Type": metrics.registry.contentType }),
  );

  app.notFound((context) => {
    const { method, path } = context.req;
    if (!routes.has(path)) return refuse(context, new RequestError(404, `There is no ${method} ${path} here.`));
    const allowed = path === "/v1/embeddings" ? "POST" : "GET, HEAD";
    context.header("Allow", allowed);
    return refuse(context, new RequestError(405, `${path} takes ${allowed} and not ${method}.`));
  });
  app.onError((error, context) => answerError(error, context, log));
  return {
    fetch: app.fetch,
    drain: () => {
      draining = true;
    },
  };
}

const routes: ReadonlySet<string> = new Set([
  "/v1/embeddings",
  "/v1/models",
  "/api",
  "/get_examples",
  "/healthz",
  "/metrics",
  ...pageFiles.keys(),
]);

/** Counts requests by their route: paths that clients make up must not become labels. */
function counted(request: (route: string, status: number, seconds: number) => void): MiddlewareHandler {
  return async (context, next) => {
    const began = performance.now();
    await next();
    const { path } = context.req;
    request(routes.has(path) ? path : "other", context.res.status, (performance.now() - began) / 1000);
  };
}

/** Refuses requests without the key, in a time that says nothing about it. */
function keyed(apiKey: string): MiddlewareHandler {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  const expected = digest(apiKey);
  return async (context, next) => {
    const [, given = ""] = /^bearer (.*)$/i.exec(context.req.header("Authorization") ?? "") ?? [];
    if (!timingSafeEqual(digest(given), expected))
      throw new RequestError(401, "Give the server's key as `Authorization: Bearer …`.", null, "invalid_api_key");
    return next();
  };
}

async function jsonBody(context: Context): Promise<unknown> {
  try {
    return await context.req.json();
  } catch {
    throw new RequestError(400, "The body is not valid JSON.");
  }
}

function searchQuery(context: Context, { characters }: InputLimits): { query: string } & SearchQuery {
  const query = context.req.query("query")?.trim() ?? "";
  if (query === "" || query.length > characters)
    throw new RequestError(400, `query must be a text of 1 to ${characters} characters.`, "query");
  const number = (name: string, usual: number): number => {
    const text = context.req.query(name) ?? String(usual);
    return text.trim() === "" ? Number.NaN : Number(text);
  };
  const topK = number("topk", demoDefaults.topK);
  if (!Number.isInteger(topK) || topK < 1 || topK > mostResults)
    throw new RequestError(400, `topk must be a whole number from 1 to ${mostResults}.`, "topk");
  const threshold = number("threshold", demoDefaults.threshold);
  if (!Number.isFinite(threshold)) throw new RequestError(400, "threshold must be a number.", "threshold");
  return { query, topK, threshold };
}
