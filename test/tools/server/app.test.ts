import { Agent, request } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import OpenAI from "openai";
import { afterAll, describe, expect, it } from "vitest";
import { openFolder } from "../../../src/io/folder-node.ts";
import type { SearchResult } from "../../../src/simcse/search/sentence-index.ts";
import { SimCSE } from "../../../src/simcse/simcse-node.ts";
import { type AppOptions, createApp } from "../../../tools/server/app.ts";
import { mostConnections, serveHttp } from "../../../tools/server/serve-http.ts";
import { openTestDevice } from "../../device.ts";
import { publishedFolder } from "../../golden-models.ts";
import { temporaryFolder, tinySentences, writeTinyModel } from "../../tiny-model.ts";

const device = await openTestDevice();
const folder = join(await temporaryFolder(), "tiny");
await writeTinyModel(folder);
const model = await SimCSE.loadFrom(device, await openFolder(folder), { pooler: "avg", batchSize: 8 });
await model.buildIndex([...tinySentences, "<img src=x onerror=alert(1)>"]);

const logged: string[] = [];
const usual: AppOptions = {
  model,
  names: ["tiny", "other-name"],
  searchable: true,
  examples: ["<b>Rain</b> fell."],
  acceptTokenIds: true,
  limits: { inputs: 100, characters: 1000, bodyBytes: 20_000, waiting: 4096 },
  log: (line) => logged.push(line),
};
const stops: (() => Promise<void>)[] = [];
afterAll(async () => {
  await Promise.all(stops.map((stop) => stop()));
  model.close();
});

async function start(options: Partial<AppOptions> = {}): Promise<string> {
  const server = await serveHttp(createApp({ ...usual, ...options }), "127.0.0.1", 0);
  stops.push(() => server.stop({ grace: 0, drain: 0 }));
  return server.url;
}

const url = await start();
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "any", maxRetries: 0 });
const post = (body: unknown, to = url, headers: Record<string, string> = {}) =>
  fetch(`${to}/v1/embeddings`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

describe("OpenAI's client", () => {
  it("gets the library's own vectors for a text, several, and token ids", async () => {
    const { data: expected } = await model.encode(tinySentences);
    const row = (i: number) => Array.from(expected.subarray(i * 32, i * 32 + 32));
    const one = await client.embeddings.create({ model: "tiny", input: tinySentences[0]! });
    expect(one.data).toEqual([{ object: "embedding", index: 0, embedding: row(0) }]);
    expect(one.model).toBe("tiny");
    expect((await client.embeddings.create({ model: "other-name", input: "x" })).model).toBe("other-name");
    expect(one.usage.prompt_tokens).toBe(model.encoder.tokenizer.encode(tinySentences[0]!, 128).length);
    const several = await client.embeddings.create({ model: "tiny", input: tinySentences });
    expect(several.data.map(({ embedding }) => embedding)).toEqual(tinySentences.map((_, i) => row(i)));
    const floats = await client.embeddings.create({ model: "other-name", input: tinySentences, encoding_format: "float" });
    expect(floats.data.map(({ embedding }) => embedding)).toEqual(tinySentences.map((_, i) => row(i)));
    const ids = tinySentences.map((text) => model.encoder.tokenizer.encode(text, 40));
    const tokens = await client.embeddings.create({ model: "tiny", input: ids });
    expect(tokens.data.map(({ embedding }) => embedding)).toEqual(tinySentences.map((_, i) => row(i)));
    // Without the special tokens, as a client that knows only the text's has them.
    const inner = await client.embeddings.create({ model: "tiny", input: ids[0]!.slice(1, -1) });
    expect(inner.data[0]!.embedding).toEqual(row(0));
  });

  it("gets the library's own vectors from a model that leaves its prompt out of them, and searches with its prompt for queries", async () => {
    const modules = ["Transformer", "Pooling"].map((type, at) => ({
      type: `sentence_transformers.models.${type}`,
      path: at === 0 ? "" : "1_Pooling",
    }));
    const prompted = publishedFolder("bert");
    for (const [name, content] of Object.entries({
      "modules.json": modules,
      "1_Pooling/config.json": { pooling_mode: ["mean", "max"], include_prompt: false },
      "config_sentence_transformers.json": { prompts: { query: "w60 w61 ", document: "w70 " }, default_prompt_name: "document" },
    })) {
      await prompted.write(name, JSON.stringify(content));
    }
    await using model = await SimCSE.loadFrom(device, prompted);
    const texts = ["w5 w9 w13", "w40", "w7 w7 w8 w96 w30"];
    await model.buildIndex(texts);
    const at = await start({ model, names: ["prompted"] });
    const openai = new OpenAI({ baseURL: `${at}/v1`, apiKey: "any", maxRetries: 0 });
    const { data: expected, dimension } = await model.encode(texts);
    const row = (i: number) => Array.from(expected.subarray(i * dimension, (i + 1) * dimension));
    const { data } = await openai.embeddings.create({ model: "prompted", input: texts });
    expect(data.map(({ embedding }) => embedding)).toEqual(texts.map((_, i) => row(i)));
    const asked = async (fields: object) => {
      const response = await post({ model: "prompted", input: texts, ...fields }, at);
      return ((await response.json()) as { readonly data: readonly { readonly embedding: readonly number[] }[] }).data.flatMap(
        ({ embedding }) => embedding,
      );
    };
    const queries = Array.from((await model.encode(texts, { promptName: "query" })).data);
    for (const fields of [{ prompt_name: "query" }, { input_type: "query" }, { input_type: "search_query" }])
      expect(await asked(fields)).toEqual(queries);
    for (const fields of [{ prompt_name: "document" }, { input_type: "passage" }, { input_type: null, prompt_name: null }])
      expect(await asked(fields)).toEqual(Array.from(expected));
    for (const [fields, word] of [
      [{ prompt_name: "clustering" }, "clustering"],
      [{ prompt_name: 5 }, "prompt_name"],
      [{ input_type: "text" }, "search_query"],
      [{ input_type: "query", prompt_name: "query" }, "send one"],
      [{ input_type: "query", input: [5] }, "token ids"],
    ] as const) {
      const refused = await post({ model: "prompted", input: texts, ...fields }, at);
      expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining(word)]);
    }
    const withPrompt = await model.encode(["w70 w40"], { prompt: "" });
    expect(row(1)).not.toEqual(Array.from(withPrompt.data));
    // Texts, queries and token ids that share a batch each keep their own prompt.
    const [{ ids }, search] = [model.encoder.tokenize("w40", { prompt: "" }), { input: "w40", top_k: 3 }];
    const [embedded, tokens, found] = await Promise.all([
      openai.embeddings.create({ model: "prompted", input: texts }),
      openai.embeddings.create({ model: "prompted", input: [...ids] }),
      fetch(`${at}/v1/search`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(search) }),
    ]);
    expect(embedded.data).toEqual(data);
    expect(tokens.data[0]!.embedding).toEqual(Array.from((await model.encode(["w40"], { prompt: "" })).data));
    const { data: answers } = (await found.json()) as { readonly data: readonly [{ readonly results: readonly SearchResult[] }] };
    expect(answers[0].results).toEqual(await model.search("w40", { topK: 3 }));
  });

  it("gets shortened vectors of unit length", async () => {
    const { data } = await client.embeddings.create({ model: "tiny", input: tinySentences[0]!, dimensions: 8 });
    const { data: expected } = await model.encode([tinySentences[0]!], { truncateDim: 8 });
    expect(data[0]!.embedding.length).toBe(8);
    data[0]!.embedding.forEach((value, i) => void expect(value).toBeCloseTo(expected[i]!, 6));
  });

  it("lists models, and learns by its own error classes what it did wrong", async () => {
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(["tiny", "other-name"]);
    expect((await client.models.retrieve("tiny")).id).toBe("tiny");
    await expect(client.models.retrieve("nobody/nothing")).rejects.toThrow(OpenAI.NotFoundError);
    await expect(client.embeddings.create({ model: "gpt", input: "x" })).rejects.toThrow(/no model "gpt"; this server has tiny/);
    await expect(client.embeddings.create({ model: "tiny", input: "x", dimensions: 33 })).rejects.toThrow(OpenAI.BadRequestError);
  });
});

it("takes null, and another server's name of what it does, for an absent field", async () => {
  const absent = await (await post({ model: "tiny", input: "x" })).json();
  const response = await post({
    model: "tiny",
    input: "x",
    encoding_format: null,
    dimensions: null,
    user: null,
    output_dimension: 32,
    embd_normalize: 2,
    use_activation: true,
    modality: "text",
    late_chunking: false,
    prompt: "",
    pooling: null,
    embedding_type: "float",
  });
  expect([response.status, await response.json()]).toEqual([200, absent]);
});

it("refuses token ids from OpenAI's client libraries unless it is told to take them, and says what to do", async () => {
  const careful = await start({ acceptTokenIds: false });
  expect((await post({ model: "tiny", input: [5, 6, 7] }, careful)).status).toBe(200);
  const client = new OpenAI({ baseURL: `${careful}/v1`, apiKey: "any", maxRetries: 0 });
  const bodies: object[] = [
    { input: [5, 6, 7], encoding_format: "base64" },
    { input: [[5, 6, 7]], encoding_format: "base64" },
  ];
  const sent = bodies.map((body) => post({ model: "tiny", ...body }, careful));
  await expect(client.embeddings.create({ model: "tiny", input: [5, 6, 7], encoding_format: "float" })).rejects.toThrow(
    "--accept_token_ids",
  );
  for (const response of await Promise.all(sent)) {
    expect(response.status).toBe(400);
    const { error } = (await response.json()) as { error: { message: string } };
    for (const word of ["check_embedding_ctx_length=False", "--accept_token_ids"]) expect(error.message).toContain(word);
  }
  expect((await post({ model: "tiny", input: "x" }, careful)).status).toBe(200);
});

describe("a body", () => {
  const send = (body: Uint8Array, headers: Record<string, string>) =>
    fetch(`${url}/v1/embeddings`, {
      method: "POST",
      body: body as Uint8Array<ArrayBuffer>,
      headers: { "Content-Type": "application/json", ...headers },
    });
  const plain = Buffer.from(JSON.stringify({ model: "tiny", input: tinySentences }));

  it.each([
    ["gzip", gzipSync],
    ["deflate", deflateSync],
    ["deflate", deflateRawSync],
    ["br", brotliCompressSync],
  ] as const)("is taken as %s, and no larger than it may be", async (encoding, compress) => {
    const response = await send(compress(plain), { "Content-Encoding": encoding });
    expect([response.status, await response.json()]).toEqual([200, await (await send(plain, {})).json()]);
    expect((await send(compress(Buffer.alloc(10 * 2 ** 20, " ")), { "Content-Encoding": encoding })).status).toBe(413);
    expect((await send(plain, { "Content-Encoding": encoding })).status).toBe(400);
  });

  it("in another encoding of characters is told to be none of UTF-8", async () => {
    const response = await send(Buffer.from('{"model":"tiny","input":"caf\u00e9"}', "latin1"), {});
    expect(response.status).toBe(400);
    expect(((await response.json()) as { error: { message: string } }).error.message).toContain("UTF-8");
  });

  it("of another encoding or type is refused", async () => {
    expect((await send(plain, { "Content-Encoding": "zstd" })).status).toBe(415);
    for (const type of ["text/plain", "application/x-www-form-urlencoded"])
      expect((await send(plain, { "Content-Type": type })).status).toBe(415);
    expect((await send(plain, { "Content-Type": "application/json; charset=utf-8" })).status).toBe(200);
  });

  it("is asked for only if it will be read, from clients that wait for that", async () => {
    const ask = (bytes: number, path = "embeddings") =>
      new Promise<[status: number | undefined, asked: boolean]>((resolve, reject) => {
        let asked = false;
        const headers = { "content-type": "application/json", "content-length": bytes, expect: "100-continue" };
        const sent = request(`${url}/v1/${path}`, { agent: false, method: "POST", headers }, (got) => {
          got.resume().on("end", () => resolve([got.statusCode, asked]));
        });
        sent.on("continue", () => {
          asked = true;
          sent.end(plain);
        });
        sent.on("error", reject);
        sent.flushHeaders();
      });
    expect(await ask(plain.length)).toEqual([200, true]);
    expect(await ask(2 ** 30)).toEqual([413, false]);
    expect(await ask(plain.length, "nothing")).toEqual([404, false]);
  });

  it("that is sent without waiting for leave is read to its end before the connection ends", async () => {
    const body = Buffer.alloc(30 * 2 ** 20, "x");
    const [status, sentAll] = await new Promise<[status: number | undefined, sentAll: boolean]>((resolve, reject) => {
      const headers = { "content-type": "application/json", "content-length": body.length, expect: "100-continue" };
      const sent = request(`${url}/v1/embeddings`, { agent: false, method: "POST", headers }, (got) => {
        got.resume().on("end", () => resolve([got.statusCode, sent.writableFinished]));
      });
      sent.on("error", reject);
      sent.end(body);
    });
    expect([status, sentAll]).toEqual([413, true]);
  });

  it("that is too large gets its answer, however it is sent, and the connection ends", async () => {
    for (const megabytes of [1, 30]) {
      const body = Buffer.alloc(megabytes * 2 ** 20, "x");
      expect((await send(body, {})).status).toBe(413);
      for (const headers of [{ "content-length": body.length }, { "transfer-encoding": "chunked" }]) {
        const answer = await new Promise<[number | undefined, string | undefined]>((resolve, reject) => {
          const type = { "content-type": "application/json" };
          const sent = request(`${url}/v1/embeddings`, { agent: false, method: "POST", headers: { ...type, ...headers } }, (got) => {
            got.resume().on("end", () => resolve([got.statusCode, got.headers.connection]));
          });
          sent.on("error", reject);
          sent.end(body);
        });
        expect(answer).toEqual([413, "close"]);
      }
    }
  });
});

describe("pages of other origins", () => {
  const preflight = {
    Origin: "https://a.example",
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization",
  };

  it("may ask where they are named, without a key for the preflight", async () => {
    const open = await start({ corsOrigins: ["https://a.example"], apiKey: "sesame" });
    const asked = await fetch(`${open}/v1/embeddings`, { method: "OPTIONS", headers: preflight });
    expect(asked.status).toBe(204);
    expect(asked.headers.get("Access-Control-Allow-Origin")).toBe("https://a.example");
    expect(asked.headers.get("Access-Control-Allow-Headers")).toBe("authorization");
    const answer = await post({ model: "tiny", input: "x" }, open, { Origin: "https://a.example", Authorization: "Bearer sesame" });
    expect([answer.status, answer.headers.get("Access-Control-Allow-Origin")]).toEqual([200, "https://a.example"]);
    const other = await fetch(`${open}/v1/embeddings`, { method: "OPTIONS", headers: { ...preflight, Origin: "https://b.example" } });
    expect(other.headers.get("Access-Control-Allow-Origin")).toBeNull();
  });

  it("may not otherwise", async () => {
    const asked = await fetch(`${url}/v1/embeddings`, { method: "OPTIONS", headers: preflight });
    expect([asked.status, asked.headers.get("Allow"), asked.headers.get("Access-Control-Allow-Origin")]).toEqual([204, "POST", null]);
  });

  it("cannot reach a server of this machine under a name of theirs", async () => {
    const local = await start({ hosts: ["127.0.0.1", "Mine"] });
    const { port } = new URL(local);
    const as = (host: string) =>
      new Promise<number | undefined>((resolve, reject) => {
        const sent = request({ host: "127.0.0.1", port, path: "/api?query=x", headers: { host } }, (got) => {
          got.resume().on("end", () => resolve(got.statusCode));
        });
        sent.on("error", reject).end();
      });
    const own = [
      `127.0.0.1:${port}`,
      `localhost:${port}`,
      "LOCALHOST",
      "localhost.",
      `localhost.:${port}`,
      "app.localhost",
      "mine",
      "mine.:80",
    ];
    // A balancer's health check and a page of an address name the address: no name leads there.
    for (const host of [...own, "[::1]:80", "0.0.0.0", "10.1.2.3:8000", "[fe80::1]"]) expect([host, await as(host)]).toEqual([host, 200]);
    for (const host of [
      "evil.example",
      `evil.example:${port}`,
      "127.0.0.1.evil.example",
      "localhost.evil.example",
      "evillocalhost",
      "10.1.2.3.x",
    ])
      expect([host, await as(host)]).toEqual([host, 403]);
  });
});

describe("what is refused", () => {
  it.each<[string, unknown, number, string]>([
    ["no JSON", "{", 400, "JSON"],
    ["no object", "[]", 400, "object"],
    ["no model", { input: "x" }, 400, "model"],
    ["no input", { model: "tiny" }, 400, "input"],
    ["an empty text", { model: "tiny", input: "" }, 400, "empty"],
    ["an empty list", { model: "tiny", input: [] }, 400, "input"],
    ["a list of what is no text", { model: "tiny", input: [{}] }, 400, "Input 0"],
    ["a mixed list", { model: "tiny", input: ["x", null] }, 400, "Input 1"],
    ["an empty token array", { model: "tiny", input: [[1], []] }, 400, "Input 1"],
    ["a token that is none", { model: "tiny", input: [1, 100_000] }, 400, "100000"],
    ["a token that is a fraction", { model: "tiny", input: [1.5] }, 400, "1.5"],
    ["vectors of their own length", { model: "tiny", input: "x", normalize: false }, 400, "normalize cannot be false"],
    ["an error for a long text", { model: "tiny", input: "x", truncate: "NONE" }, 400, "truncate"],
    ["another length", { model: "tiny", input: "x", truncate_prompt_tokens: 8 }, 400, "--max_length"],
    ["lists of kinds of numbers", { model: "tiny", input: "x", embedding_types: ["float", "int8"] }, 400, "embedding_types cannot be"],
    [
      "vectors of llama.cpp that have no unit length",
      { model: "tiny", input: "x", embd_normalize: -1 },
      400,
      "scales vectors to unit length",
    ],
    ["a pooling of its own", { model: "tiny", input: "x", pooling: "mean" }, 400, "pooled as the model says"],
    ["an instruction of its own", { model: "tiny", input: "x", prompt: "Represent: " }, 400, "the model's own prompts"],
    ["vLLM's name of the length", { model: "tiny", input: "x", use_activation: false }, 400, "scales vectors to unit length"],
    ["the address of an image", { model: "tiny", input: "https://a.example/x.png", modality: "image" }, 400, "always reads texts"],
    ["adapters of its own", { model: "tiny", input: "x", lora_path: "sql" }, 400, "serves one model"],
    ["texts that know of each other", { model: "tiny", input: "x", late_chunking: true }, 400, "reads each text alone"],
    ["bytes in another order", { model: "tiny", input: "x", encoding_format: "base64", endianness: "big" }, 400, "lowest byte"],
    ["another server's name of a length", { model: "tiny", input: "x", output_dimension: 8 }, 400, "the field dimensions"],
    [
      "such a length beside another",
      { model: "tiny", input: "x", dimensions: 4, output_dimension: 32 },
      400,
      "output_dimension cannot be 32",
    ],
    ["bits", { model: "tiny", input: "x", embedding_type: "binary" }, 400, "embedding_type cannot be"],
    ["a task", { model: "tiny", input: "x", task: "retrieval.query" }, 400, "input_type"],
    ["a text's end", { model: "tiny", input: "x", truncation_direction: "Left" }, 400, "truncates long texts at their end"],
    ["too many tokens", { model: "tiny", input: Array(41).fill(5) }, 400, "has 41 token ids; at most 40"],
    ["too many inputs", { model: "tiny", input: Array(101).fill("x") }, 400, "101"],
    ["too long a text", { model: "tiny", input: "x".repeat(1001) }, 400, "1001"],
    ["an empty body", "", 400, "it is empty"],
    ["a body that is cut", '{"model":"tiny",', 400, "not valid JSON: Expected"],
    ["a body that nests too deep", `{"model":"tiny","input":${"[".repeat(9000)}`, 400, "deep"],
    ["another encoding", { model: "tiny", input: "x", encoding_format: "hex" }, 400, "encoding_format"],
    ["a dimension of nothing", { model: "tiny", input: "x", dimensions: 0 }, 400, "dimensions"],
    ["a large body", { model: "tiny", input: "x".repeat(20_001) }, 413, "20000"],
  ])("%s", async (_, body, status, word) => {
    const response = await post(body);
    expect(response.status).toBe(status);
    const { error } = (await response.json()) as { error: { message: string; type: string } };
    expect(error.message).toContain(word);
    expect(error.type).toBe("invalid_request_error");
  });

  it("a large body that does not say its length", async () => {
    const body = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 30; i++) controller.enqueue(new TextEncoder().encode("x".repeat(1000)));
        controller.close();
      },
    });
    const response = await fetch(`${url}/v1/embeddings`, {
      method: "POST",
      body,
      duplex: "half",
      headers: { "Content-Type": "application/json" },
    } as RequestInit);
    expect(response.status).toBe(413);
  });

  it("whoever comes when the queue is full, with the time to come again", async () => {
    const small = await start({ limits: { ...usual.limits, waiting: 100 } });
    const input = Array.from({ length: 100 }, (_, i) => tinySentences[i % 6]!);
    const responses = await Promise.all(Array.from({ length: 8 }, () => post({ model: "tiny", input }, small)));
    const refused = responses.filter(({ status }) => status === 429);
    expect(responses.filter(({ status }) => status === 200).length + refused.length).toBe(8);
    expect(refused.length).toBeGreaterThan(0);
    for (const { headers } of refused) expect(Number(headers.get("Retry-After"))).toBeGreaterThanOrEqual(1);
  });

  it("whoever has no key, where there is one", async () => {
    const locked = await start({ apiKey: "sesame" });
    for (const path of ["/v1/models", "/api?query=x", "/get_examples", "/metrics"]) expect((await fetch(locked + path)).status).toBe(401);
    expect((await post({ model: "tiny", input: "x" }, locked, { Authorization: "Bearer sesam" })).status).toBe(401);
    // A scheme's case does not matter, nor how many spaces follow it (RFC 9110).
    for (const scheme of ["Bearer", "bearer", "Bearer  "]) {
      expect((await post({ model: "tiny", input: "x" }, locked, { Authorization: `${scheme} sesame` })).status).toBe(200);
    }
    expect((await fetch(`${locked}/v1/models`)).headers.get("WWW-Authenticate")).toBe("Bearer");
    for (const path of ["/", "/healthz", "/health"]) expect((await fetch(locked + path)).status).toBe(200);
  });

  it("a path that is near one that there is, naming that one", async () => {
    const azure = "/openai/deployments/tiny/embeddings?api-version=1";
    for (const path of [
      "/embeddings",
      "/v1/embeddings/",
      "//v1//embeddings",
      "/v1/v1/embeddings",
      azure,
      "/embed",
      "/api/embed",
      "/V1/Embeddings",
    ]) {
      const response = await fetch(url + path, { method: "POST" });
      expect([response.status, await response.text()]).toEqual([404, expect.stringContaining("did you mean /v1/embeddings?")]);
    }
  });

  it("a method that a path does not take, naming the one it does", async () => {
    for (const [path, method, allowed] of [
      ["/v1/embeddings", "GET", "POST"],
      ["/api", "DELETE", "GET, HEAD"],
    ] as const) {
      const response = await fetch(url + path, { method });
      expect([response.status, response.headers.get("Allow")]).toEqual([405, allowed]);
    }
  });

  it.each([
    "/../package.json",
    "/%2e%2e/package.json",
    "/..%2fpackage.json",
    "/search.css/../../package.json",
    "//etc/passwd",
    "/package.json",
  ])("a path that is none of the server's: %s", async (path) => {
    // Through a socket: fetch would tidy the path.
    const { hostname, port } = new URL(url);
    const text = await new Promise<string>((resolve) => {
      const socket = connect(Number(port), hostname, () => socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`));
      let all = "";
      socket.on("data", (chunk) => {
        all += chunk;
      });
      socket.on("close", () => resolve(all));
    });
    expect(text).toMatch(/^HTTP\/1.1 40[04] /);
    expect(text).not.toContain("devDependencies");
  });
});

describe("the demo", () => {
  const api = async (query: Record<string, string>, to = url) => fetch(`${to}/api?${new URLSearchParams(query)}`);

  it("answers as the original's", async () => {
    const response = await api({ query: tinySentences[3]!, topk: "3", threshold: "-1" });
    const { ret, time } = (await response.json()) as { ret: { sentence: string; score: number }[]; time: number };
    const expected = await model.search(tinySentences[3]!, { topK: 3, threshold: -1 });
    expect(ret).toEqual(expected);
    expect(time).toBeGreaterThan(0);
    expect(((await (await api({ query: "cat" })).json()) as { ret: unknown[] }).ret).toEqual(await model.search("cat"));
  });

  it("searches for many at once, for each with their own numbers", async () => {
    const wanted = Array.from({ length: 40 }, (_, i) => ({
      query: tinySentences[i % 6]!,
      topK: 1 + (i % 3),
      threshold: i % 2 === 0 ? -1 : 0.9,
    }));
    const answers = await Promise.all(
      wanted.map(async ({ query, topK, threshold }) => {
        const response = await api({ query, topk: String(topK), threshold: String(threshold) });
        return ((await response.json()) as { ret: unknown }).ret;
      }),
    );
    for (const [i, { query, ...options }] of wanted.entries()) expect(answers[i]).toEqual(await model.search(query, options));
  });

  it.each([
    {},
    { query: " " },
    { query: "x", topk: "0" },
    { query: "x", topk: "many" },
    { query: "x", threshold: "" },
    { query: "x".repeat(1001) },
  ])("refuses %j", async (query) => {
    expect((await api(query)).status).toBe(400);
  });

  it("refuses a query that is not UTF-8", async () => {
    for (const query of ["caf%E9", "100%"]) expect((await fetch(`${url}/api?query=${query}`)).status).toBe(400);
  });

  it("has a page that allows nothing from elsewhere and makes no HTML of what it is given", async () => {
    const page = await fetch(`${url}/`);
    expect(page.headers.get("Content-Type")).toContain("text/html");
    expect(page.headers.get("Content-Security-Policy")).toContain("default-src 'none'");
    const html = await page.text();
    expect(html).not.toMatch(/https?:|<script>|onerror=|style="/);
    for (const [, file] of html.matchAll(/(?:src|href)="([^"]+)"/g)) expect((await fetch(`${url}/${file}`)).status).toBe(200);
    expect(await (await fetch(`${url}/search.js`)).text()).not.toMatch(/innerHTML|insertAdjacentHTML|document\.write/);
    expect(await (await fetch(`${url}/get_examples`)).json()).toEqual({ examples: usual.examples });
  });

  it("says so where there is nothing to search", async () => {
    const plain = await start({ searchable: false });
    expect((await api({ query: "x" }, plain)).status).toBe(404);
  });
});

it("loses nothing under 64 clients", async () => {
  const { data: expected } = await model.encode(tinySentences);
  const clients = Array.from({ length: 64 }, async (_, client) => {
    for (let request = 0; request < 4; request++) {
      const input = Array.from({ length: 1 + ((client + request) % 5) }, (_, i) => tinySentences[(client + i) % 6]!);
      const response = await post({ model: "tiny", input, encoding_format: "float" });
      const { data } = (await response.json()) as { data: { embedding: number[] }[] };
      data.forEach(({ embedding }, i) => {
        const row = (client + i) % 6;
        expect(embedding).toEqual(Array.from(expected.subarray(row * 32, row * 32 + 32)));
      });
      expect(data.length).toBe(input.length);
    }
  });
  await Promise.all(clients);
  const metrics = await (await fetch(`${url}/metrics`)).text();
  expect(Number(/^simcse_sentences_total (\d+)$/m.exec(metrics)![1])).toBeGreaterThanOrEqual(64 * 4);
  expect(metrics).toMatch(/^simcse_requests_total\{route="\/v1\/embeddings",status="200"\} \d+$/m);
  // Joined: there were far fewer batches than requests.
  const batches = Number(/^simcse_batch_sentences_count (\d+)$/m.exec(metrics)![1]);
  const requests = Number(/^simcse_requests_total\{route="\/v1\/embeddings",status="200"\} (\d+)$/m.exec(metrics)![1]);
  expect(batches).toBeLessThan(requests);
  expect(logged).toEqual([]);
});

it("writes a large answer in pieces, and answers others meanwhile", async () => {
  const many = await start({ limits: { ...usual.limits, inputs: 1000, bodyBytes: 200_000 } });
  const input = Array.from({ length: 1000 }, (_, i) => tinySentences[i % 6]!);
  const asked = post({ model: "tiny", input, encoding_format: "float" }, many);
  expect((await fetch(`${many}/healthz`)).status).toBe(200);
  const { data } = (await (await asked).json()) as { data: { embedding: number[]; index: number }[] };
  const { data: expected } = await model.encode(tinySentences);
  expect(data.length).toBe(1000);
  for (const [i, { embedding, index }] of data.entries())
    expect([index, embedding]).toEqual([i, Array.from(expected.subarray((i % 6) * 32, (i % 6) * 32 + 32))]);
});

it("closes connections beyond the most, says so once, and answers again when there is room", async () => {
  const told: string[] = [];
  const server = await serveHttp(createApp(usual), "127.0.0.1", 0, (line) => told.push(line));
  const { port } = new URL(server.url);
  const ended = (socket: Socket) =>
    new Promise<void>((resolve) =>
      socket
        .once("close", () => resolve())
        .on("error", () => {})
        .resume(),
    );
  const open = Array.from({ length: mostConnections }, () => connect(Number(port), "127.0.0.1"));
  await Promise.all(open.map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
  for (let i = 0; i < 3; i++) await ended(connect(Number(port), "127.0.0.1"));
  expect(told).toEqual([expect.stringContaining(`${mostConnections} connections are open`)]);
  await Promise.all(open.map((socket) => ended(socket.end())));
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  await server.stop({ grace: 0, drain: 0 });
});

it("loses no request of clients that keep their connections while it ends", async () => {
  const server = await serveHttp(createApp(usual), "127.0.0.1", 0);
  const seen = { answered: 0, lost: 0 };
  let refused = false;
  const clients = Array.from({ length: 16 }, async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (!refused) {
      await new Promise<void>((resolve) => {
        const sent = request(`${server.url}/v1/models`, { agent }, (got) => {
          got.resume().on("end", () => {
            seen.answered++;
            resolve();
          });
        });
        sent.on("error", ({ code }: NodeJS.ErrnoException) => {
          // Refused: the port is closed, and the client may ask another server. Anything else is a request that got lost.
          if (code !== "ECONNREFUSED") seen.lost++;
          refused = true;
          resolve();
        });
        sent.end();
      });
    }
    agent.destroy();
  });
  while (seen.answered < 64) await new Promise((resolve) => setTimeout(resolve, 5));
  await server.stop({ grace: 30_000, drain: 100 });
  await Promise.all(clients);
  expect(seen.lost).toBe(0);
});

it("says that it cannot serve when its model fails, and that it can again", async () => {
  const own = await SimCSE.loadFrom(device, await openFolder(folder), { pooler: "avg" });
  const failing = await start({ model: own, searchable: false, log: () => {} });
  const name = "bert.encoder.layer.0.output.dense.bias";
  const bias = await own.model.store.read(name);
  own.model.store.write(name, new Float32Array(bias.length).fill(Number.NaN));
  expect((await post({ model: "tiny", input: "x" }, failing)).status).toBe(500);
  const health = await fetch(`${failing}/healthz`);
  expect(health.status).toBe(503);
  expect(((await health.json()) as { reason: string }).reason).toContain("not finite");
  own.model.store.write(name, bias);
  expect((await fetch(`${failing}/healthz`)).status).toBe(200);
  expect((await post({ model: "tiny", input: "x" }, failing)).status).toBe(200);
  own.close();
});

describe("search", () => {
  const search = async (body: unknown, to = url) => {
    const response = await fetch(`${to}/v1/search`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    return {
      status: response.status,
      ...((await response.json()) as { data: { results: SearchResult[]; best?: number }[]; error: { message: string } }),
    };
  };

  it("answers as the library does, with metadata and filters", async () => {
    const own = await SimCSE.loadFrom(device, await openFolder(folder), { pooler: "avg" });
    await own.buildIndex(
      tinySentences.map((sentence, i) => ({ id: i, sentence, metadata: { even: i % 2 === 0, key: `900719925474099${i}` } })),
    );
    const to = await start({ model: own });
    const { data } = await search({ model: "tiny", input: tinySentences.slice(0, 2), top_k: 2 }, to);
    expect(data.map(({ results }) => results)).toEqual(await own.search(tinySentences.slice(0, 2), { topK: 2, threshold: -1 }));
    const filter = { even: false };
    const filtered = await search({ input: tinySentences[0]!, filter }, to);
    expect(filtered.data[0]!.results).toEqual(await own.search(tinySentences[0]!, { filter, threshold: -1 }));
    expect(filtered.data[0]!.results.map(({ metadata }) => metadata!.even)).toEqual([false, false, false]);
    // A number that JSON.parse would round stands for the text of its digits, as in metadata.
    const headers = { "Content-Type": "application/json" };
    const exact = await fetch(`${to}/v1/search`, { method: "POST", headers, body: '{"input":"x","filter":{"key":9007199254740993}}' });
    const { data: found } = (await exact.json()) as { data: { results: SearchResult[] }[] };
    expect(found[0]!.results.map(({ id }) => id)).toEqual([3]);
    const none = await search({ input: tinySentences[0]!, threshold: 2, top_k: null }, to);
    expect(none.data[0]!.results).toEqual([]);
    expect(none.data[0]!.best).toBeCloseTo(1, 5);
    own.close();
  });

  it.each<[object, string]>([
    [{}, "input"],
    [{ input: 5 }, "input"],
    [{ input: "x", topk: 3 }, '"topk"'],
    [{ input: "x", top_k: 0 }, "top_k"],
    [{ input: "x", threshold: "0.5" }, "threshold"],
    [{ input: "x", filter: { a: { above: 1 } } }, '"above"'],
  ])("refuses %j", async (body, word) => {
    const { status, error } = await search(body);
    expect(status).toBe(400);
    expect(error.message).toContain(word);
  });
});

it("answers health checks of HTTP/1.0, which name no host", async () => {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write("GET /healthz HTTP/1.0\r\n\r\n");
  let answer = "";
  for await (const piece of socket.setEncoding("utf8")) answer += piece;
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
});

it("ends in order: what was asked is answered, and no one else is let in", async () => {
  const app = createApp(usual);
  let arrive = () => {};
  const arrived = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  const telling: typeof app.fetch = (...given) => {
    arrive();
    return app.fetch(...given);
  };
  const server = await serveHttp({ ...app, fetch: telling }, "127.0.0.1", 0);
  const input = Array.from({ length: 100 }, (_, i) => tinySentences[i % 6]!);
  const asked = post({ model: "tiny", input }, server.url);
  await arrived;
  const stopped = server.stop({ grace: 30_000, drain: 0 });
  // Until what was asked is answered, the port is open and says what is going on.
  const health = await fetch(`${server.url}/healthz`);
  expect([health.status, ((await health.json()) as { status: string }).status]).toEqual([503, "draining"]);
  expect((await asked).status).toBe(200);
  await stopped;
  await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
});
