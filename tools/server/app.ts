/**
 * The server's routes: OpenAI's embeddings, search, the original demo's search and its page, health and metrics. Everything is in memory: no request
 * names a file.
 */
import type { HttpBindings } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { cors } from "hono/cors";
import { secureHeaders } from "hono/secure-headers";
import type { SearchSide } from "../../src/simcse/embedding/prompts.ts";
import type { SimCSE } from "../../src/simcse/simcse.ts";
import { checkModelName, embeddingsAnswer, type InputLimits, parseEmbeddingsRequest, type ServedModel } from "./embeddings-request.ts";
import { counted, keyed, named } from "./guards.ts";
import { createMetrics } from "./metrics.ts";
import { ModelService } from "./model-service.ts";
import { pageFiles } from "./page.ts";
import { type BodyLimits, readJsonBody } from "./request-body.ts";
import { answerError, RequestError, refuse } from "./request-error.ts";
import { parseDemoQuery, parseSearchRequest, reaching } from "./search-request.ts";
import { nextSlice } from "./slices.ts";

export interface AppOptions {
  readonly model: SimCSE;
  /** Names of the model that requests may use. */
  readonly names: readonly [string, ...string[]];
  /** Whether `model.index` can be searched. */
  readonly searchable: boolean;
  /** Example queries for the page. */
  readonly examples: readonly string[];
  readonly limits: InputLimits & {
    /** Bytes of a request's body, both compressed and decompressed. */
    readonly bodyBytes: number;
    /** Inputs of all clients that may wait. */
    readonly waiting: number;
  };
  /** If given, every request except the page and /healthz must carry it. */
  readonly apiKey?: string | undefined;
  /** Origins whose pages may send requests, or `*`; none if absent. */
  readonly corsOrigins?: readonly string[] | undefined;
  /** Host names that requests may use, beside localhost and addresses; any if absent. */
  readonly hosts?: readonly string[];
  /** Whether inputs may be ids of the model's tokenizer; false if absent. */
  readonly acceptTokenIds?: boolean;
  readonly log: (line: string) => void;
}

type Environment = { Bindings: HttpBindings };

export interface App {
  readonly fetch: Hono<Environment>["fetch"];
  /** From now on /healthz reports that the server is shutting down. */
  drain(): void;
}

/** Kubernetes' usual path, and that of other servers of embeddings. */
const healthPaths = ["/healthz", "/health"];

/** What a route accepts. */
const methods: ReadonlyMap<string, string> = new Map([
  ["/v1/embeddings", "POST"],
  ["/v1/search", "POST"],
  ...["/v1/models", "/api", "/get_examples", ...healthPaths, "/metrics", ...pageFiles.keys()].map((path) => [path, "GET, HEAD"] as const),
]);

/** What paths of other servers and other APIs end in (Text Embeddings Inference, Ollama), and what they are here. */
const otherNames: ReadonlyMap<string, string> = new Map([
  ["embed", "embeddings"],
  ["embedding", "embeddings"],
]);

const lockedPaths = ["/v1/*", "/api", "/get_examples", "/metrics"];

export function createApp(options: AppOptions): App {
  const { model, names, limits, log } = options;
  const metrics = createMetrics(() => service.waiting);
  const service = new ModelService(model, { waiting: limits.waiting, onBatch: metrics.batch, onEncoded: metrics.encoded });
  const app = new Hono<Environment>();
  app.use(counted(new Set(methods.keys()), metrics.request));
  addGuards(app, options);
  addModelRoutes(app, service, options);
  addSearchRoutes(app, service, options);
  let draining = false;
  app.on("GET", healthPaths, async (context) => {
    const failure = await service.failure();
    const status = draining ? "draining" : failure === null ? "ok" : "failed";
    return context.json({ status, model: names[0], reason: failure ?? undefined }, status === "ok" ? 200 : 503);
  });
  app.get("/metrics", async (context) =>
    context.body(await metrics.registry.metrics(), 200, { "Content-Type": metrics.registry.contentType }),
  );
  app.notFound(refuseUnknown);
  app.onError((error, context) => answerError(error, context, log));
  return {
    fetch: app.fetch,
    drain: () => {
      draining = true;
    },
  };
}

function addGuards(app: Hono<Environment>, { hosts, corsOrigins, apiKey }: AppOptions): void {
  app.use(
    secureHeaders({
      // Only a proxy in front of the server can know whether TLS is used.
      strictTransportSecurity: false,
      contentSecurityPolicy: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'"],
        connectSrc: ["'self'"],
      },
    }),
  );
  if (hosts !== undefined) app.use(named(hosts));
  // A preflight carries no key, so it is answered before the key is checked.
  if (corsOrigins !== undefined) {
    const origin = corsOrigins.includes("*") ? "*" : [...corsOrigins];
    app.use(cors({ origin, allowMethods: ["GET", "HEAD", "POST"], exposeHeaders: ["Retry-After"], maxAge: 600 }));
  }
  if (apiKey !== undefined) for (const path of lockedPaths) app.on(["GET", "HEAD", "POST"], path, keyed(apiKey));
}

/** A request has at most the values of its largest input, one text each or the model's maximum of token ids, and a few fields. */
function bodyLimits({ limits, model }: AppOptions): BodyLimits {
  const { bodyBytes, inputs } = limits;
  return { bodyBytes, values: inputs * model.encoder.maxLength + fewFields };
}

/** Values of a request besides its input: fields, and the lists of a filter. */
const fewFields = 10_000;

function addModelRoutes(app: Hono<Environment>, service: ModelService, options: AppOptions): void {
  const { names, limits, model, acceptTokenIds = false } = options;
  const { tokenizer, maxLength } = service;
  const promptOf = (side: SearchSide) => service.promptOf(side);
  const served: ServedModel = { names, tokenizer, maxLength, dimension: model.dimension, promptOf, acceptTokenIds };
  app.post("/v1/embeddings", async (context) => {
    const request = parseEmbeddingsRequest(await readJsonBody(context.env.incoming, bodyLimits(options)), served, limits, {
      isOpenAiClient: context.req.header("x-stainless-lang") !== undefined,
    });
    const { signal } = context.req.raw;
    const texts = await service.tokenise(
      request.inputs.filter((input) => typeof input === "string"),
      signal,
      request.prompt,
    );
    let next = 0;
    const inputs = request.inputs.map((input) => (typeof input === "string" ? texts[next++]! : { ids: input, promptTokens: 0 }));
    const answer = embeddingsAnswer(request, inputs, await service.embed(inputs, signal));
    return inputs.length * request.dimensions <= fewNumbers
      ? jsonAnswer(context, [...answer].join(""))
      : jsonAnswer(context, inSlices(answer));
  });
  const created = Math.floor(Date.now() / 1000);
  const card = (id: string) => ({ id, object: "model", created, owned_by: "simcse-webgpu" });
  app.get("/v1/models", (context) => context.json({ object: "list", data: names.map(card) }));
  app.get("/v1/models/:id{.+}", (context) => context.json(card(checkModelName(context.req.param("id"), names))));
}

function addSearchRoutes(app: Hono<Environment>, service: ModelService, options: AppOptions): void {
  const { names, limits, searchable, examples } = options;
  const checkSearchable = () => {
    if (!searchable) throw new RequestError(404, "This server has no index to search: start it with --index.");
  };
  app.post("/v1/search", async (context) => {
    checkSearchable();
    const { queries, threshold, ...search } = parseSearchRequest(
      await readJsonBody(context.env.incoming, bodyLimits(options), { exactIntegers: true }),
      names,
      limits,
    );
    const { signal } = context.req.raw;
    const texts = await service.tokenise(queries, signal, service.promptOf("query"));
    const found = await service.search(await service.embed(texts, signal), search, signal);
    const data = found.map((results, index) => ({ object: "search_result", index, ...reaching(results, threshold) }));
    return context.json({ object: "list", data, model: names[0] } as object);
  });
  app.get("/api", async (context) => {
    checkSearchable();
    const { queries, threshold, ...search } = parseDemoQuery(context.req.url, limits);
    const began = performance.now();
    const { signal } = context.req.raw;
    const vectors = await service.embed(await service.tokenise(queries, signal, service.promptOf("query")), signal);
    const { results, ...best } = reaching((await service.search(vectors, search, signal))[0]!, threshold);
    const time = Number(((performance.now() - began) / 1000).toFixed(4));
    return context.json({ ret: results.map(({ sentence, score, id }) => ({ sentence, score, id })), ...best, time });
  });
  app.get("/get_examples", (context) => context.json({ examples }));
  for (const [path, { type, body }] of pageFiles) app.get(path, (context) => context.body(body, 200, { "Content-Type": type }));
}

/** Numbers of a response that can be written in less than a slice. */
const fewNumbers = 4096;

const jsonAnswer = (context: Context, body: string | ReadableStream) => context.body(body, 200, { "Content-Type": "application/json" });

/** A large response, built and sent in slices, so that other requests are served in between. */
function inSlices(pieces: Iterator<string>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      await nextSlice();
      const { value, done } = pieces.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
  });
}

function refuseUnknown(context: Context): Response {
  const { method, path } = context.req;
  const allowed = methods.get(path);
  if (allowed === undefined) {
    const last = path
      .toLowerCase()
      .split("/")
      .findLast((segment) => segment !== "");
    const meant = last && [...methods.keys()].find((known) => known.endsWith(`/${otherNames.get(last) ?? last}`));
    return refuse(context, new RequestError(404, `There is no ${method} ${path} here${meant ? `: did you mean ${meant}?` : "."}`));
  }
  context.header("Allow", allowed);
  if (method === "OPTIONS") return context.body(null, 204);
  return refuse(context, new RequestError(405, `${path} takes ${allowed} and not ${method}.`));
}
