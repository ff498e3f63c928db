/**
 * Downloads of large files that survive interruptions: what has arrived stands beside its place as `.name.part`, the next attempt goes on from
 * there, and the file appears under its name when it is whole and its checksum is right.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { FileError } from "../../errors.ts";
import { fileOperation } from "../folders/errno-node.ts";

export interface DownloadOptions {
  /** Expected SHA-256 in hex, where it is known. */
  readonly sha256?: string;
  /** Bytes that are there, and bytes in all where the server says. */
  readonly onProgress?: (done: number, total: number | null) => void;
  readonly signal?: AbortSignal;
}

export interface Download {
  readonly bytes: number;
  /** SHA-256 of the whole file, in hex. */
  readonly sha256: string;
  /** Who vouches for the checksum: the caller, the server, or nobody, so that it is only good for comparing with the next time. */
  readonly checked: "known" | "server" | "unchecked";
}

/** Connections that break off while something arrives are taken up again; so many in a row without a byte end the download. */
const fruitlessAttempts = 3;

/** A server's word that the rest is of the same file: its entity tag, or the hash that Hugging Face gives for large files. */
interface Origin {
  readonly url: string;
  readonly etag: string | null;
  readonly sha256: string | null;
}

/**
 * Fetches `url` into the file `path`, going on from what an earlier attempt left. The folder is made. Throws FileError when there is no network,
 * the server refuses, the file cannot be written, or its checksum is another; then nothing stands at `path`.
 */
export async function downloadFile(url: string, path: string, { sha256, onProgress, signal }: DownloadOptions = {}): Promise<Download> {
  await fileOperation("write", path, () => mkdir(dirname(path), { recursive: true }));
  const part = join(dirname(path), `.${basename(path)}.part`);
  const tag = `${part}.etag`;
  let origin: Origin | undefined;
  for (let fruitless = 0, whole = false; !whole; ) {
    const before = await sizeOf(part);
    try {
      const attempt = await fetchOnwards(url, part, tag, onProgress, signal);
      origin = attempt.origin;
      whole = attempt.whole;
    } catch (error) {
      if (signal?.aborted || error instanceof FileError) throw error;
      if ((await sizeOf(part)) <= before && ++fruitless >= fruitlessAttempts) throw unreachable(url, path, error);
      if ((await sizeOf(part)) > before) fruitless = 0;
    }
  }
  const found = await hashOf(part);
  const expected = sha256 ?? origin!.sha256;
  if (expected !== null && expected !== undefined && expected !== found) {
    await rm(part, { force: true });
    await rm(tag, { force: true });
    throw new FileError(
      `${url} has the SHA-256 ${found}, not ${expected}`,
      "Try again: what arrived was removed. If it happens again, the file at the address was changed.",
    );
  }
  await fileOperation("write", path, () => rename(part, path));
  await rm(tag, { force: true });
  return { bytes: await sizeOf(path), sha256: found, checked: sha256 ? "known" : origin!.sha256 ? "server" : "unchecked" };
}

/** The SHA-256 of a file, in hex. */
export async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  await fileOperation("read", path, async () => {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  });
  return hash.digest("hex");
}

/** One connection: appends to `part` what is missing of it, or starts again where the server has another file than before. */
async function fetchOnwards(
  url: string,
  part: string,
  tag: string,
  onProgress: DownloadOptions["onProgress"],
  signal: AbortSignal | undefined,
): Promise<{ origin: Origin; whole: boolean }> {
  const known = await readFile(tag, "utf8").catch(() => null);
  const have = known === null ? 0 : await sizeOf(part);
  const headers: Record<string, string> = have > 0 ? { range: `bytes=${have}-`, "if-range": known! } : {};
  const { response, origin } = await follow(url, headers, signal);
  if (response.status === 416) {
    // Nothing is missing, or less than nothing: a file of another size.
    const size = Number(/\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1]);
    if (size === have) return { origin, whole: true };
    await rm(part, { force: true });
    return { origin, whole: false };
  }
  if (!response.ok || response.body === null) throw refused(url, response.status);
  const resumed = response.status === 206;
  const start = resumed ? have : 0;
  const length = response.headers.get("content-length");
  const total = length === null ? null : start + Number(length);
  // Only a strong tag tells that the bytes are the same.
  if (origin.etag?.startsWith('"')) await fileOperation("write", tag, () => writeFile(tag, origin.etag!));
  else await rm(tag, { force: true });
  const file = await fileOperation("write", part, () => open(part, resumed ? "a" : "w"));
  let done = start;
  try {
    for await (const chunk of response.body) {
      await fileOperation("write", part, () => file.writeFile(chunk as Uint8Array));
      done += (chunk as Uint8Array).length;
      onProgress?.(done, total);
    }
  } finally {
    await file.close();
  }
  return { origin, whole: total === null || done === total };
}

/** GET through redirects, remembering the checksum that the first server states for a file that another one holds. */
async function follow(url: string, headers: Record<string, string>, signal: AbortSignal | undefined) {
  let sha256: string | null = null;
  for (let at = url, hops = 0; ; hops++) {
    const response = await fetch(at, { headers, redirect: "manual", ...(signal && { signal }) });
    sha256 ??= /^"?([0-9a-f]{64})"?$/.exec(response.headers.get("x-linked-etag") ?? "")?.[1] ?? null;
    const next = response.headers.get("location");
    if (response.status < 300 || response.status >= 400 || next === null) {
      return { response, origin: { url: at, etag: response.headers.get("etag"), sha256 } satisfies Origin };
    }
    await response.body?.cancel();
    if (hops === maxRedirects) throw refused(url, response.status);
    at = new URL(next, at).href;
  }
}

const maxRedirects = 10;

function refused(url: string, status: number): FileError {
  const remedy = status >= 500 ? "The server is in trouble: try again later." : "Check the address; the file may have been moved.";
  return new FileError(`${url} cannot be fetched: the server answered ${status}`, remedy);
}

function unreachable(url: string, path: string, cause: unknown): FileError {
  const reason = cause instanceof Error ? (cause.cause instanceof Error ? cause.cause.message : cause.message) : String(cause);
  return new FileError(
    `${url} cannot be fetched: ${reason}`,
    `Check the network and run the command again: it goes on where it stopped. Or fetch the address by other means and put the file at ${path}.`,
    { cause },
  );
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}
