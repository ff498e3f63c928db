/**
 * One file of the hub onto disk, beside its place until it is whole and its checksum is right. A download that was cut goes on where it ended, in this
 * process or a later one; several that want the same file at once each fetch it.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { FileError, FormatError, SimcseError } from "../../errors.ts";
import { fileOperation } from "../folders/errno-node.ts";
import { claimPartial, leavePartial, removePartials } from "./partial-file-node.ts";

export interface Download {
  readonly url: string;
  readonly token: string | undefined;
  /** What messages call the file. */
  readonly shown: string;
  readonly target: string;
  /** Bytes of the whole file. */
  readonly size: number;
  /** 64 digits: its SHA-256. 40 digits: the SHA-1 of git's blob. */
  readonly oid: string;
  /** Called with the bytes that are there. */
  readonly onProgress: (done: number) => void;
}

/** Connections that may break one after another without a byte coming. */
const MAX_ATTEMPTS = 5;
const FIRST_PAUSE_MS = 200;

/**
 * Downloads a file. Throws FileError when the server refuses it, the connection breaks again and again, or the disk cannot be written, and
 * FormatError, having removed what came, when it is not the file that was announced.
 */
export async function download(file: Download): Promise<void> {
  const partial = await fileOperation("write", file.target, () => claimPartial(file.target));
  try {
    await fetchInto(file, partial);
  } catch (error) {
    await leavePartial(partial, file.target);
    throw error;
  }
  const found = await checksum(partial, file);
  if (found !== file.oid) {
    await rm(partial, { force: true });
    throw new FormatError(
      `${file.shown} has the checksum ${found} where the hub announces ${file.oid}`,
      "Try again; if it stays so, the mirror or a proxy changes files: check HF_ENDPOINT.",
    );
  }
  await fileOperation("write", file.target, () => rename(partial, file.target));
  await removePartials(file.target);
}

async function fetchInto(file: Download, partial: string): Promise<void> {
  const handle = await fileOperation("write", file.target, () => open(partial, "a"));
  try {
    await fetchRest(file, handle);
    await fileOperation("write", file.target, () => handle.sync());
  } finally {
    await handle.close();
  }
}

async function fetchRest(file: Download, handle: FileHandle): Promise<void> {
  let failures = 0;
  let cause: unknown;
  while (failures < MAX_ATTEMPTS) {
    const { size: before } = await handle.stat();
    if (before === file.size) return;
    // What is longer is no part of the file.
    if (before > file.size) await handle.truncate(0);
    try {
      await append(file, handle, before > file.size ? 0 : before);
    } catch (error) {
      if (error instanceof SimcseError) throw error;
      cause = error;
    }
    const { size: after } = await handle.stat();
    failures = after > before ? 0 : failures + 1;
    if (after !== file.size) await pause(FIRST_PAUSE_MS * 2 ** failures);
  }
  throw new FileError(`${file.shown}: the connection broke ${MAX_ATTEMPTS} times`, "Try again: the download goes on where it ended.", {
    cause,
  });
}

/** Appends what one answer brings, from byte `start` on. */
async function append({ url, token, shown, size, onProgress }: Download, handle: FileHandle, start: number): Promise<void> {
  const headers = { ...(token && { Authorization: `Bearer ${token}` }), ...(start > 0 && { Range: `bytes=${start}-` }) };
  const response = await fetch(url, { headers });
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    if (response.status >= 500) throw new Error(`the server answered ${response.status}`);
    const remedy =
      response.status === 404
        ? "The file is not in the repository any more: open the model again."
        : "Check HF_TOKEN and the model's terms.";
    throw new FileError(`${shown}: the hub answered ${response.status}`, remedy);
  }
  let done = start;
  if (response.status !== 206 && start > 0) {
    // A server that does not know ranges sends all of it.
    await handle.truncate(0);
    done = 0;
  }
  for await (const chunk of response.body) {
    done += chunk.length;
    if (done > size)
      throw new FormatError(`${shown} is longer than the ${size} bytes that the hub announces`, "Try again, or check HF_ENDPOINT.");
    await fileOperation("write", shown, () => handle.appendFile(chunk));
    onProgress(done);
  }
}

async function checksum(path: string, { oid, shown }: Download): Promise<string> {
  const isGit = oid.length === 40;
  const hash = createHash(isGit ? "sha1" : "sha256");
  await fileOperation("read", shown, async () => {
    if (isGit) hash.update(`blob ${(await stat(path)).size}\0`);
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk as Uint8Array);
  });
  return hash.digest("hex");
}
