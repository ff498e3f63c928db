/**
 * The packages as users get them: packed, installed into empty folders, compiled against, bundled, and run in Node and in a browser.
 */
import { copyFile, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findBrowser } from "../../tools/setup/find-browser.ts";
import { chromiumFlags } from "../browser/chromium-flags.ts";
import { temporaryFolder, tinySentences, writeTinyModel } from "../tiny-model.ts";
import { install, packAll, run } from "./packed.ts";

/** The size limit of a browser app on disk. */
const mostMegabytes = 10;

/** The oldest TypeScript that knows `using`, the last with an API, and the native one. */
const compilers = { "typescript-old": "5.2", "typescript-5": "5.9", "typescript-7": "7" };

const folder = await temporaryFolder();
const apps = { browser: join(folder, "browser"), builders: join(folder, "builders"), node: join(folder, "node") };
const model = join(folder, "builders", "site", "model");

let library: string;
let commandLine: string;
let defaultModel: string;

beforeAll(async () => {
  ({ library, commandLine, defaultModel } = await packAll(folder));
  for (const app of Object.values(apps)) {
    await mkdir(app, { recursive: true });
    await writeFile(join(app, "package.json"), JSON.stringify({ type: "module", private: true }));
  }
  await mkdir(model, { recursive: true });
  await writeTinyModel(model, { config: { simcse: { pooler_type: "avg", max_seq_length: 32 } } });
});

describe("an app for the browser alone", () => {
  beforeAll(() => install(apps.browser, library));

  it(`installs at most ${mostMegabytes} MB`, async () => {
    const megabytes = (await bytesIn(join(apps.browser, "node_modules"))) / 1e6;
    console.log(`a browser's app installs ${megabytes.toFixed(1)} MB`);
    expect(megabytes).toBeLessThan(mostMegabytes);
  });

  it("is told in Node which package is missing", async () => {
    const code = `
      import { openDevice, openHubFolder, PackageError, SimCSE } from "simcse-webgpu";
      for (const open of [openDevice, () => openHubFolder("lab/model"), () => SimCSE.load()]) {
        await open().catch((error) => console.log(error instanceof PackageError, error.message, error.remedy));
      }`;
    const printed = await run(apps.browser, process.execPath, "--input-type=module", "--eval", code);
    expect(printed).toBe(
      "true The package webgpu is needed to open a device with Dawn, and is not installed. Run `npm install webgpu`.\n" +
        "true The package @huggingface/hub is needed to load the model lab/model from the hub, and is not installed. " +
        "Run `npm install @huggingface/hub`.\n" +
        "true No model is named, and the package simcse-webgpu-model with the model simcse-small-en is not installed. " +
        "Name a model (--model), by its folder or its name on the hub, or run `npm install simcse-webgpu-model`.\n",
    );
  });
});

describe("the command line", () => {
  beforeAll(() => install(apps.node, library, commandLine, defaultModel));

  it("runs, and encodes", async () => {
    expect(await run(apps.node, "npx", "--no-install", "simcse", "--version")).toMatch(/^\d+\.\d+\.\d+\n$/);
    const input = join(folder, "sentences.txt");
    await writeFile(input, `${tinySentences.join("\n")}\n`);
    const printed = await run(apps.node, "npx", "--no-install", "simcse", "encode", "--model", model, "--input", input);
    expect(printed.trim().split("\n").length).toBe(tinySentences.length);
  });

  it("has a model of its own, which the library finds in its package", async () => {
    const texts = ["He plays guitar.", "A woman is reading.", "A man is playing a guitar."];
    const printed = await run(apps.node, "npx", "--no-install", "simcse", "similarity", ...texts);
    const code = `
      import { SimCSE } from "simcse-webgpu";
      const model = await SimCSE.load();
      console.log((await model.similarity(${JSON.stringify(texts[0])}, ${JSON.stringify(texts.slice(1))})).join(" "));
      model.close();`;
    const cosines = (await run(apps.node, process.execPath, "--input-type=module", "--eval", code)).trim().split(" ").map(Number);
    expect(cosines[0]).toBeLessThan(0.3);
    expect(cosines[1]).toBeGreaterThan(0.8);
    expect(printed).toContain(String(cosines[1]).slice(0, 6));
  });

  it("brings what the library needs in Node", async () => {
    const code = `
      import { SimCSE } from "simcse-webgpu";
      const model = await SimCSE.load(${JSON.stringify(model)});
      console.log((await model.encode("A cat sleeps.")).length);
      model.close();`;
    expect(await run(apps.node, process.execPath, "--input-type=module", "--eval", code)).toBe("32\n");
  });
});

describe("an app that is compiled and bundled", () => {
  const site = join(apps.builders, "site");
  const dist = join(apps.builders, "node_modules", "simcse-webgpu", "dist");
  let server: Server;
  let browser: Browser;

  beforeAll(async () => {
    const aliases = Object.entries(compilers).map(([name, version]) => `${name}@npm:typescript@${version}`);
    await install(apps.builders, library, "vite@8", "esbuild@0.28", "webpack@5", "@types/node@20", ...aliases);
    await writeFile(join(apps.builders, "app.js"), app("simcse-webgpu"));
    server = serve(site);
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    browser = await chromium.launch({ executablePath: findBrowser("chromium")!, args: chromiumFlags });
  });

  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  describe.each(Object.keys(compilers))("%s, strict and with the declarations of libraries checked", (compiler) => {
    const tsc = async (name: string, source: string, options: Record<string, unknown>) => {
      const project = join(apps.builders, `${compiler}-${name}`);
      await mkdir(project);
      await writeFile(join(project, "main.ts"), source);
      const compilerOptions = {
        target: "ES2022",
        lib: ["ES2022", "DOM", "DOM.Iterable"],
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        skipLibCheck: false,
        noEmit: true,
        types: [],
        ...options,
      };
      await writeFile(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions }));
      await run(apps.builders, process.execPath, join("node_modules", compiler, "bin", "tsc"), "-p", project);
    };

    it("finds a browser's types from a bundler's app", () =>
      tsc("bundler", browserTypes("simcse-webgpu"), { module: "ESNext", moduleResolution: "Bundler" }));

    it("finds a browser's types under nodenext", () =>
      tsc("nodenext", browserTypes("simcse-webgpu/browser"), { module: "NodeNext", moduleResolution: "NodeNext" }));

    it("finds Node's types under nodenext", () =>
      tsc("node", nodeTypes, { module: "NodeNext", moduleResolution: "NodeNext", types: ["node"] }));

    // Before TypeScript 6 the package brings @webgpu/types, which needs the DOM library.
    it("finds Node's types without the DOM library", () =>
      tsc("node-alone", nodeTypes, {
        module: "NodeNext",
        moduleResolution: "NodeNext",
        types: ["node"],
        lib: ["ES2023", "ESNext.Disposable"],
        skipLibCheck: compiler !== "typescript-7",
      }));

    // The default of CommonJS projects until TypeScript 5; TypeScript 7 has it no more.
    it.runIf(compiler === "typescript-5")("finds Node's types where `exports` is not read", () =>
      tsc(
        "node10",
        `import { SimCSE } from "simcse-webgpu";\nexport const load = (): Promise<SimCSE> => SimCSE.load("/models/mine", { offline: true });`,
        { module: "CommonJS", moduleResolution: "Node10", types: ["node"] },
      ),
    );
  });

  /** Opens a page of the site and gives what its program found. */
  async function open(page: string): Promise<unknown> {
    const opened = await browser.newPage();
    const complaints: string[] = [];
    opened.on("console", (message) => void (message.type() === "error" && complaints.push(message.text())));
    opened.on("pageerror", (error) => complaints.push(String(error)));
    await opened.addInitScript(withoutDisposal);
    try {
      await opened.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/${page}`);
      await opened.waitForFunction(() => document.title !== "", null, { timeout: 120_000 });
      expect(complaints).toEqual([]);
      return JSON.parse(await opened.title());
    } finally {
      await opened.close();
    }
  }

  const page = (script: string) => `<!doctype html><link rel="icon" href="data:,"><script type="module" src="${script}"></script>`;

  const found = { sentences: tinySentences.length, dimension: 32, pairs: 1, refusal: "FileError", thread: "started" };

  it("runs in a browser when Vite has built it", async () => {
    await writeFile(join(apps.builders, "index.html"), page("./app.js"));
    await run(apps.builders, "npx", "--no-install", "vite", "build", "--base", "./", "--outDir", "site/vite", "--logLevel", "warn");
    expect(await open("vite/index.html")).toEqual(found);
  });

  it("runs in a browser when esbuild has built it", async () => {
    const out = "site/esbuild/app.js";
    await run(apps.builders, "npx", "--no-install", "esbuild", "app.js", "--bundle", "--minify", "--format=esm", `--outfile=${out}`);
    // esbuild leaves the script of the threads out.
    await copyFile(join(dist, "simcse-webgpu.thread.min.js"), join(site, "esbuild", "thread-main.js"));
    await writeFile(join(site, "esbuild", "index.html"), page("./app.js"));
    expect(await open("esbuild/index.html")).toEqual(found);
  });

  it("runs in a browser when webpack has built it", async () => {
    const code = `
      import webpack from "webpack";
      const output = { path: ${JSON.stringify(join(site, "webpack"))}, filename: "app.js", module: true };
      const performance = false;
      webpack({ mode: "production", entry: "./app.js", output, performance, experiments: { outputModule: true } }, (error, stats) => {
        // Where the optional package for rare tokenizers is not installed, webpack warns.
        const warnings = stats?.toJson().warnings.filter(({ message }) => !message.includes("@mlc-ai/web-tokenizers"));
        if (error || stats.hasErrors() || warnings.length > 0) throw error ?? new Error(stats.toString());
      });`;
    await run(apps.builders, process.execPath, "--input-type=module", "--eval", code);
    await writeFile(join(site, "webpack", "index.html"), page("./app.js"));
    expect(await open("webpack/index.html")).toEqual(found);
  });

  it("runs in a browser without a bundler, on the page and in a worker", async () => {
    await mkdir(join(site, "plain"));
    for (const script of ["simcse-webgpu.min.js", "simcse-webgpu.thread.min.js"]) {
      await copyFile(join(dist, script), join(site, "plain", script));
      console.log(`${script} has ${((await stat(join(dist, script))).size / 1e3).toFixed(0)} kB`);
    }
    await writeFile(join(site, "plain", "app.js"), app("./simcse-webgpu.min.js"));
    await writeFile(join(site, "plain", "index.html"), page("./app.js"));
    expect(await open("plain/index.html")).toEqual(found);
    const worker = app("./simcse-webgpu.min.js").replace("document.title =", "postMessage(").replace(/;\s*$/, ");");
    await writeFile(join(site, "plain", "worker.js"), worker);
    const start = `new Worker("./worker.js", { type: "module" }).onmessage = ({ data }) => { document.title = data; };`;
    await writeFile(join(site, "plain", "start.js"), start);
    await writeFile(join(site, "plain", "worker.html"), page("./start.js"));
    expect(await open("plain/worker.html")).toEqual(found);
  });
});

/** Hides from a page the symbols of `using`, which Safari does not have. Chromium's own cannot be removed. */
function withoutDisposal(): void {
  const native = Symbol;
  const { dispose: _, asyncDispose: __, ...others } = Object.getOwnPropertyDescriptors(native);
  const bare = (description?: string) => native(description);
  globalThis.Symbol = Object.defineProperties(bare, { ...others, length: { value: 0 }, name: { value: "Symbol" } }) as SymbolConstructor;
}

/** The program of a page: it loads a model over HTTP, encodes with it, finds a pair, handles a refusal, and tokenises enough texts to start threads. */
const app = (from: string) => `
import { openHttpFolder, SimCSE } from ${JSON.stringify(from)};
const firstMessage = new Promise((resolve) => {
  globalThis.Worker = class extends Worker {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", ({ data }) => resolve(data));
      this.addEventListener("error", () => resolve("failed"));
    }
  };
});
const files = ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"];
const model = await SimCSE.load(new URL("/model", location.href), { files });
const embeddings = await model.encode(${JSON.stringify(tinySentences)});
const pairs = await model.paraphrases(["A cat sleeps.", "a cat sleeps."]);
const refusal = await openHttpFolder("/nowhere", { files: [] }).read("config.json").catch((error) => error.name);
await model.encoder.tokenizeAll(Array.from({ length: 5000 }, () => "a cat sleeps. ".repeat(20)));
const thread = await firstMessage;
document.title = JSON.stringify({ sentences: embeddings.length, dimension: embeddings.dimension, pairs: pairs.length, refusal, thread });
`;

/** A browser's types: \`load\` takes a URL, which Node's does not, and the device is WebGPU's. */
const browserTypes = (from: string) => `
import { type Embeddings, openDevice, SimCSE, SimcseError, type Value } from ${JSON.stringify(from)};
import { type Operation, pointwise } from "simcse-webgpu/kernels";
const device = await openDevice();
const gpu: GPUDevice = device.gpu;
await using model = await SimCSE.load(new URL("/model", location.href), { device, pooler: "avg" });
const embeddings: Embeddings = await model.encode(["A cat sleeps."], { signal: new AbortController().signal });
const kind: Operation["lower"] = ({ inputs: [x], outputs: [y] }) =>
  pointwise({ label: "copy", inputs: { x: x! }, output: y!, expression: "x(index)" });
export function use(x: Value): unknown {
  return [gpu.label, embeddings.data, kind, x.shape, SimcseError];
}
`;

const nodeTypes = `
import { openDevice, openFolder, SimCSE, writeFileAtomically } from "simcse-webgpu";
await using device = await openDevice({ backend: "vulkan" });
await using model = await SimCSE.load("/models/mine", { device, offline: true });
const row: Float32Array = await model.encode("A cat sleeps.");
await writeFileAtomically("row.bin", new Uint8Array(row.buffer));
export const folder = await openFolder("/models/mine");
`;

async function bytesIn(path: string): Promise<number> {
  const entries = await readdir(path, { withFileTypes: true, recursive: true });
  const sizes = entries.filter((entry) => entry.isFile()).map(async (entry) => (await stat(join(entry.parentPath, entry.name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

const types: Readonly<Record<string, string>> = { ".html": "text/html", ".js": "text/javascript", ".json": "application/json" };

/** A minimal static server, without ranges. */
function serve(root: string): Server {
  return createServer(async (request, response) => {
    const path = join(root, new URL(request.url!, "http://host").pathname);
    const content = await readFile(path).catch(() => null);
    if (content === null) return void response.writeHead(404).end();
    response.writeHead(200, { "Content-Type": types[extname(path)] ?? "application/octet-stream" }).end(content);
  });
}
