/**
 * Downloads that survive interruptions. The bytes received so far are in a partial file (partial-file-node.ts). The next attempt, in this
 * process or a later one, continues from there, and the file appears under its name when it is complete and its checksum is right. If
 * several processes want the same file at once, each fetches it.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { FileError, FormatError, SimcseError } from "../../errors.ts";
import { fileOperation } from "../folders/errno-node.ts";
import { rename } from "../folders/in-use-node.ts";
import { makeFolder } from "../folders/make-folder-node.ts";
import { networkRemedy, reasonOf } from "./access-node.ts";
import { claimPartial, etagFile, leavePartial, removePartial, removePartials } from "./partial-file-node.ts";

/** A checksum in hex: SHA-256, or the SHA-1 that git gives a file's content. */
export interface Checksum {
  readonly algorithm: "sha256" | "git";
  readonly digest: string;
}

export interface DownloadOptions {
  /** The file's name in messages; its address if absent. */
  readonly shown?: string;
  /** Sent only to the server of the address, not to others that it redirects to. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Size of the whole file in bytes, if known. */
  readonly size?: number;
  /** The expected checksum, if known. */
  readonly checksum?: Checksum | undefined;
  /** The remedy when the server refuses, by status; advice about the address if absent. */
  readonly remedyFor?: (status: number) => string;
  /** Bytes received, and the total if the server says it. */
  readonly onProgress?: ((done: number, total: number | null) => void) | undefined;
}

export interface Download {
  readonly bytes: number;
  readonly checksum: Checksum;
  /** The source of the checksum: the caller, the server, or none, in which case it only serves for comparison with the next attempt. */
  readonly checked: "known" | "server" | "unchecked";
}

/** A connection is opened again when it breaks or the server fails; this many in a row without a new byte end the download. */
const fruitlessAttempts = 4;
const firstPauseMs = 100;
const maxRedirects = 10;

/** A download in progress. */
interface Task extends DownloadOptions {
  readonly url: string;
  readonly shown: string;
  readonly partial: string;
}

/** What the caller's `onProgress` threw. It is no failure of the network, so nothing is tried again. */
class CallersError extends Error {
  constructor(readonly thrown: unknown) {
    super();
  }
}

/** The result of one connection. */
interface Attempt {
  readonly whole: boolean;
  /** The SHA-256 that the server states for the file. */
  readonly stated: string | null;
}

/**
 * Fetches `url` into the file `path`, continuing an earlier attempt if there is one. Creates the folder. Throws FileError when there is no
 * network, the server refuses or the file cannot be written, and FormatError when the checksum differs or the file is longer than
 * announced; the received bytes are then removed, and `path` does not exist.
 */
export async function downloadFile(url: string, path: string, options: DownloadOptions = {}): Promise<Download> {
  await fileOperation("write", path, () => makeFolder(dirname(path)));
  const partial = await fileOperation("write", path, () => claimPartial(path));
  const task: Task = { ...options, url, shown: options.shown ?? url, partial };
  const stated = await fetchWhole(task).catch(async (error: unknown) => {
    await leavePartial(partial, path);
    throw error;
  });
  const expected = options.checksum ?? (stated === null ? null : ({ algorithm: "sha256", digest: stated } as const));
  const checksum = await checksumOf(partial, expected?.algorithm ?? "sha256");
  if (expected !== null && expected.digest !== checksum.digest) {
    await removePartial(partial);
    throw new FormatError(
      `${task.shown} has the checksum ${checksum.digest}, expected ${expected.digest}`,
      "Try again: what arrived was removed. If it happens again, the file at the address was changed, by a mirror or a proxy perhaps.",
    );
  }
  const { size: bytes } = await stat(partial);
  await fileOperation("write", path, () => rename(partial, path));
  await rm(etagFile(partial), { force: true });
  await removePartials(path);
  return { bytes, checksum, checked: options.checksum ? "known" : stated ? "server" : "unchecked" };
}

/** A file's checksum. */
export async function checksumOf(path: string, algorithm: Checksum["algorithm"] = "sha256"): Promise<Checksum> {
  const hash = createHash(algorithm === "git" ? "sha1" : "sha256");
  await fileOperation("read", path, async () => {
    if (algorithm === "git") hash.update(`blob ${(await stat(path)).size}\0`);
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk as Uint8Array);
  });
  return { algorithm, digest: hash.digest("hex") };
}

/** Connects until the file is complete; returns the checksum that the server states. */
async function fetchWhole(task: Task): Promise<string | null> {
  const file = await fileOperation("write", task.shown, () => open(task.partial, "a"));
  try {
    for (let fruitless = 0, cause: unknown; ; ) {
      if (fruitless === fruitlessAttempts) throw unreachable(task, cause);
      if (fruitless > 0) await pause(firstPauseMs * 2 ** fruitless);
      const { size: before } = await file.stat();
      try {
        const { whole, stated } = await connect(task, file);
        if (whole) {
          await fileOperation("write", task.shown, () => file.sync());
          return stated;
        }
        cause = new Error("the connection ends before the file does");
      } catch (error) {
        if (error instanceof CallersError) throw error.thrown;
        if (error instanceof SimcseError) throw error;
        cause = error;
      }
      // Every attempt that does not make the file longer counts. Otherwise an answer that never fits would be requested forever.
      fruitless = (await file.stat()).size > before ? 0 : fruitless + 1;
    }
  } finally {
    await file.close();
  }
}

/** One connection: appends the missing bytes, or starts again if the server's file has changed. */
async function connect(task: Task, file: FileHandle): Promise<Attempt> {
  const { shown, partial, size, checksum, onProgress } = task;
  const etag = await readFile(etagFile(partial), "utf8").catch(() => null);
  // The partial file is continued only if a checksum will be compared at the end, or the server can compare the tag that it sent with it.
  if (etag === null && checksum === undefined) await file.truncate(0);
  let { size: have } = await file.stat();
  if (size !== undefined && have > size) {
    await file.truncate(0);
    have = 0;
  }
  if (have === size) return { whole: true, stated: null };
  const { response, stated } = await follow(task, have > 0 ? { range: `bytes=${have}-`, ...(etag && { "if-range": etag }) } : {});
  if (response.status === 416) {
    await response.body?.cancel();
    const whole = Number(/\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1]);
    if (whole === have && size === undefined) return { whole: true, stated };
    await restart(task, file);
    throw new Error("the server answered 416: it has another file than before");
  }
  if (!response.ok || response.body === null) await refuse(task, response);
  if (response.status !== 206 && have > 0) {
    await restart(task, file);
    have = 0;
  }
  await rememberTag(partial, response);
  const total = size ?? totalOf(response, have);
  let done = have;
  for await (const chunk of response.body!) {
    done += chunk.length;
    if (size !== undefined && done > size)
      throw new FormatError(`${shown} is longer than the ${size} bytes announced`, "Try again, or check the mirror.");
    await fileOperation("write", shown, () => file.appendFile(chunk));
    try {
      onProgress?.(done, total);
    } catch (error) {
      throw new CallersError(error);
    }
  }
  return { whole: total === null || done === total, stated };
}

async function restart({ partial }: Task, file: FileHandle): Promise<void> {
  await rm(etagFile(partial), { force: true });
  await file.truncate(0);
}

/** Size of the whole file in bytes; null if the server does not say it. The length of compressed content is not the file's. */
function totalOf({ headers }: Response, have: number): number | null {
  const length = headers.get("content-length");
  const encoding = headers.get("content-encoding") ?? "identity";
  return length === null || encoding !== "identity" ? null : have + Number(length);
}

/** Only a strong tag of uncompressed bytes identifies the file reliably. */
async function rememberTag(partial: string, { headers }: Response): Promise<void> {
  const etag = headers.get("etag");
  const isTold = etag?.startsWith('"') && (headers.get("content-encoding") ?? "identity") === "identity";
  if (isTold) await fileOperation("write", partial, () => writeFile(etagFile(partial), etag!));
  else await rm(etagFile(partial), { force: true });
}

/** GET through redirects, remembering the checksum that the first server states for a file on another server. */
async function follow({ url, headers: own = {} }: Task, headers: Readonly<Record<string, string>>) {
  let stated: string | null = null;
  for (let at = url, hops = 0; ; hops++) {
    const isFirst = new URL(at).origin === new URL(url).origin;
    const response = await fetch(at, {
      headers: { "accept-encoding": "identity", ...(isFirst && own), ...headers },
      redirect: "manual",
    });
    stated ??= /^"?([0-9a-f]{64})"?$/.exec(response.headers.get("x-linked-etag") ?? "")?.[1] ?? null;
    const next = response.headers.get("location");
    if (response.status < 300 || response.status >= 400 || next === null || hops === maxRedirects) return { response, stated };
    await response.body?.cancel();
    at = new URL(next, at).href;
  }
}

/** Throws FileError for an answer that will not change, and an Error for a server that may recover. */
async function refuse({ shown, remedyFor }: Task, { status, body }: Response): Promise<never> {
  await body?.cancel();
  if (status >= 500 || status === 429) throw new Error(`the server answered ${status}`);
  throw new FileError(
    `${shown} cannot be fetched: the server answered ${status}`,
    remedyFor?.(status) ?? "Check the address; the file may have been moved.",
  );
}

function unreachable({ shown }: Task, cause: unknown): FileError {
  return new FileError(
    `${shown} cannot be fetched: ${reasonOf(cause)}`,
    networkRemedy(cause) ?? "Check the network and try again: the download goes on where it ended.",
    { cause },
  );
}
