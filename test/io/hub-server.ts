/** A server on this machine that speaks the hub's protocol: a repository's commit, its files, and their bytes, whole or by range, large ones from elsewhere. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll } from "vitest";

export interface ServedModel {
  readonly files: Readonly<Record<string, Uint8Array>>;
  /** Files in large-file storage. */
  readonly lfs?: readonly string[];
  /** The token that requests must carry. */
  readonly token?: string;
}

export interface HubServer {
  readonly url: string;
  /** Every request, as `GET /path range`. */
  readonly requests: string[];
  /** The next responses with this file's bytes end after this many. */
  readonly cuts: Map<string, number[]>;
  /** Resolves when a client has kept a file up to this byte, and the connection may break: what it has not read by then is lost. */
  kept: (end: number) => Promise<unknown>;
  /** Sent instead of a file's bytes. */
  readonly swapped: Map<string, Uint8Array>;
  /** Files whose bytes never come. */
  readonly held: Set<string>;
  /** Do not understand ranges. */
  ignoreRanges: boolean;
}

export const commit = "0123456789abcdef0123456789abcdef01234567";
const branches = ["main", "HEAD", "refs/pr/1", "refs/convert/parquet", commit];

type Hub = Omit<HubServer, "url">;
type Models = Readonly<Record<string, ServedModel>>;

interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** The connection breaks after this many bytes of the body, or stays open without one. */
  readonly cut?: number | "held" | undefined;
  /** Where the body begins in its file. */
  readonly start?: number;
}

/** Starts the hub with models, and with data sets under `datasets/name`; and beside it, on another port and so of another origin, the place that large files come from. */
export async function startHub(models: Models): Promise<HubServer> {
  const hub: Hub = { requests: [], cuts: new Map(), kept: soon, swapped: new Map(), held: new Set(), ignoreRanges: false };
  const storage = await listen(hub, (request) => storedFile(models, hub, request));
  const url = await listen(hub, (request) => answer(models, hub, storage, request));
  return Object.assign(hub, { url });
}

/** How a hub waits for a client whose loss does not matter. */
const soon = () => new Promise((done) => setTimeout(done, 20));

async function listen(hub: Hub, reply: (request: IncomingMessage) => Reply): Promise<string> {
  const server = createServer((request, response) => send(hub, reply(request), response));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function send(hub: Hub, { status, headers, body = new Uint8Array(), cut, start = 0 }: Reply, response: ServerResponse): void {
  response.writeHead(status, { ...headers, "Content-Length": body.length });
  if (cut === undefined) response.end(body);
  else if (cut === "held") response.flushHeaders();
  else response.write(body.subarray(0, cut), () => void hub.kept(start + cut).finally(() => response.destroy()));
}

const json = (value: unknown, status = 200): Reply => ({
  status,
  headers: { "Content-Type": "application/json" },
  body: new TextEncoder().encode(JSON.stringify(value)),
});
const refusal = (status: number, error: string) => json({ error }, status);

/** Where a request goes, noted. */
function pathOf(hub: Hub, prefix: string, { url, method, headers: { range } }: IncomingMessage): string {
  const { pathname } = new URL(url!, "http://hub");
  hub.requests.push(`${method} ${prefix}${pathname}${range ? ` ${range}` : ""}`);
  return pathname;
}

function answer(models: Models, hub: Hub, storage: string, request: IncomingMessage): Reply {
  const pathname = pathOf(hub, "", request);
  const match =
    /^\/api\/(?:models\/)?(?<name>.+?)\/(?<api>revision|tree)\/(?<revision>.+)$/.exec(pathname) ??
    /^\/(?<name>.+?)\/resolve\/(?<revision>[^/]+)\/(?<file>.+)$/.exec(pathname);
  const { name = "", api, revision = "", file = "" } = match?.groups ?? {};
  const model = models[name];
  // The hub hides which models there are from those who may not see them.
  if (model === undefined) return /^(?:datasets\/)?private\//.test(name) ? refusal(401, "RepoNotFound") : refusal(404, "RepoNotFound");
  if (model.token !== undefined && request.headers.authorization !== `Bearer ${model.token}`) return refusal(401, "GatedRepo");
  if (!branches.includes(decodeURIComponent(revision))) return refusal(404, "RevisionNotFound");
  // Mirrors that know no fields of this answer refuse a question for some of them.
  if (api === "revision" && request.url!.includes("?")) return refusal(404, "EntryNotFound");
  if (api === "revision")
    return json({ _id: "1", id: name, sha: commit, private: false, gated: false, likes: 0, lastModified: "2021-04-18" });
  if (api === "tree") return json(treeOf(model));
  const bytes = model.files[decodeURIComponent(file)];
  if (bytes === undefined) return refusal(404, "EntryNotFound");
  const headers = { "X-Repo-Commit": commit, ETag: `"${oidOf(model, file, bytes)}"` };
  if (model.lfs?.includes(file)) return { status: 302, headers: { ...headers, Location: `${storage}/${name}/${file}` } };
  return bytesOf(hub, file, bytes, request, headers);
}

function storedFile(models: Models, hub: Hub, request: IncomingMessage): Reply {
  const pathname = pathOf(hub, "storage", request).slice(1);
  const name = Object.keys(models).find((known) => pathname.startsWith(`${known}/`))!;
  // The hub's token must not be sent here.
  if (request.headers.authorization !== undefined) return refusal(400, "TokenSentElsewhere");
  const file = pathname.slice(name.length + 1);
  return bytesOf(hub, file, models[name]!.files[file]!, request, {});
}

function bytesOf(
  hub: Hub,
  file: string,
  bytes: Uint8Array,
  { headers: { range } }: IncomingMessage,
  headers: Record<string, string>,
): Reply {
  const whole = hub.swapped.get(file) ?? bytes;
  const cut = hub.held.has(file) ? "held" : hub.cuts.get(file)?.shift();
  if (range === undefined || hub.ignoreRanges) return { status: 200, headers, body: whole, cut };
  const [, from, to = ""] = /^bytes=(\d+)-(\d*)/.exec(range)!;
  const [start, end] = [Number(from), to === "" ? whole.length : Number(to) + 1];
  const partial = { "Content-Range": `bytes ${start}-${end - 1}/${whole.length}` };
  return { status: 206, headers: { ...headers, ...partial }, body: whole.subarray(start, end), cut, start };
}

function treeOf(model: ServedModel): object[] {
  return Object.entries(model.files).map(([path, bytes]) => {
    const entry = { type: "file", path, size: bytes.length, oid: gitOid(bytes) };
    return model.lfs?.includes(path) ? { ...entry, lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 134 } } : entry;
  });
}

function oidOf(model: ServedModel, file: string, bytes: Uint8Array): string {
  return model.lfs?.includes(file) ? sha256(bytes) : gitOid(bytes);
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export function gitOid(bytes: Uint8Array): string {
  return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}
