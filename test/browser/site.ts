/** The built web site, served as any host serves it: static files, from a path of its own, with ranges. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join, resolve } from "node:path";
import { build } from "vite";

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".webmanifest": "application/manifest+json",
};

export interface Site {
  /** The address of the app's page. */
  readonly url: string;
  /** The built files. */
  readonly folder: string;
  /** Code that runs in the app's worker before its own, for what a test cannot cause otherwise. */
  workerPrelude: string;
  /** Ends the server, as if the network were gone. The files stay until `close`. */
  goOffline(): Promise<void>;
  /** Starts the server again, at the same address. */
  goOnline(): Promise<void>;
  close(): Promise<void>;
}

/** Builds the site with the model in a folder, and serves it. */
export async function openSite(modelFolder: string): Promise<Site> {
  const folder = await mkdtemp(join(tmpdir(), "simcse-site-"));
  process.env.PAGE_MODEL_FOLDER = modelFolder;
  await build({ configFile: resolve("vite.config.ts"), logLevel: "error", build: { outDir: folder } });
  delete process.env.PAGE_MODEL_FOLDER;
  const base = "/some/path/";
  const server = createServer((request, response) => {
    serve(site, base, request, response).catch(() => response.writeHead(404).end());
  });
  const listen = (port: number) => new Promise<void>((done) => server.listen(port, "127.0.0.1", done));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const goOffline = async () => {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  };
  const site: Site = {
    url: `http://127.0.0.1:${port}${base}`,
    folder,
    workerPrelude: "",
    goOffline,
    goOnline: () => listen(port),
    async close() {
      if (server.listening) await goOffline();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return site;
}

/** The worker's script: the only one of this name. */
const isWorker = (file: string) => /^assets\/main-[^/]+\.js$/.test(file);

async function serve({ folder, workerPrelude }: Site, base: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = decodeURIComponent(new URL(request.url ?? "", "http://host").pathname);
  if (!path.startsWith(base) || path.includes("..")) return void response.writeHead(404).end();
  const file = path.slice(base.length).replace(/(^|\/)$/, "$1index.html");
  const content = await readFile(join(folder, file));
  const bytes = isWorker(file) ? Buffer.concat([Buffer.from(workerPrelude), content]) : content;
  response.setHeader("Content-Type", types[extname(file)] ?? "application/octet-stream");
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
  if (range === null) return void response.end(bytes);
  const [start, end] = [Number(range[1]), Math.min(Number(range[2]) + 1, bytes.length)];
  if (start >= bytes.length) return void response.writeHead(416).end();
  response.writeHead(206, { "Content-Range": `bytes ${start}-${end - 1}/${bytes.length}` }).end(bytes.subarray(start, end));
}
