/** Downloads from servers with wrong answers: they end with an error that says why. */
import { createHash } from "node:crypto";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeEach, expect, it, vi } from "vitest";
import { FileError, FormatError } from "../../../src/errors.ts";
import { downloadFile } from "../../../src/io/hub/download-node.ts";
import { link } from "../../../src/io/hub-node.ts";
import { temporaryFolder } from "../../tiny-model.ts";

// The pauses between attempts, not the attempts.
vi.mock("node:timers/promises", () => ({ setTimeout: async () => {} }));

const folder = await temporaryFolder();
const text = Buffer.from("A sentence.\n".repeat(2000));

let answer: RequestListener;
let requests = 0;
const server = createServer((request, response) => {
  requests++;
  answer(request, response);
});
await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/file`;
afterAll(() => server.close());

let path = "";
let count = 0;
beforeEach(() => {
  requests = 0;
  path = join(folder, String(count++), "file");
});

it("a constant 416 is asked for four times", async () => {
  answer = (_, response) => response.writeHead(416, { "content-range": "bytes */5" }).end();
  await expect(downloadFile(url, path)).rejects.toThrow("416");
  expect(requests).toBe(4);
  expect(await readdir(join(path, ".."))).toEqual([]);
});

it("packed content is not asked for, and is unpacked where it comes all the same", async () => {
  const encodings: unknown[] = [];
  answer = (request, response) => {
    encodings.push(request.headers["accept-encoding"]);
    const packed = gzipSync(text);
    response.writeHead(200, { etag: '"v1"', "content-encoding": "gzip", "content-length": String(packed.length) }).end(packed);
  };
  const { bytes, checked } = await downloadFile(url, path);
  expect([bytes, checked, requests, encodings]).toEqual([text.length, "unchecked", 1, ["identity"]]);
  expect(await readFile(path)).toEqual(text);
});

it("an answer that is always cut at the same place ends the download, and leaves what came for the next", async () => {
  answer = (request, response) => {
    const start = Number(/\d+/.exec(request.headers.range ?? "0")![0]);
    response.writeHead(start > 0 ? 206 : 200, { etag: '"v1"', "content-length": String(text.length - start) });
    response.write(start > 0 ? "" : text.subarray(0, 1000), () => setTimeout(() => response.destroy(), 50));
  };
  await expect(downloadFile(url, path)).rejects.toThrow(FileError);
  expect(requests).toBe(5);
  expect((await stat(`${path}.part`)).size).toBe(1000);
});

it("a later download goes on with what came, and begins again where the file has changed", async () => {
  answer = (_, response) => {
    if (requests > 1) return void response.writeHead(503).end();
    response.writeHead(200, { etag: '"v1"', "content-length": String(text.length) });
    response.write(text.subarray(0, 1000), () => setTimeout(() => response.destroy(), 50));
  };
  await expect(downloadFile(url, path)).rejects.toThrow("503");
  const other = Buffer.from("Another text.\n".repeat(100));
  const asked: unknown[] = [];
  answer = ({ headers }, response) => {
    asked.push([headers.range, headers["if-range"]]);
    response.writeHead(200, { etag: '"v2"' }).end(other);
  };
  await downloadFile(url, path);
  expect(asked).toEqual([["bytes=1000-", '"v1"']]);
  expect(await readFile(path)).toEqual(other);
});

it("an error of the caller's ends the download at once, and what came stays", async () => {
  answer = (_, response) => response.writeHead(200, { etag: '"v1"', "content-length": String(text.length) }).end(text);
  const mistake = new TypeError("the caller's mistake");
  const onProgress = () => {
    throw mistake;
  };
  await expect(downloadFile(url, path, { onProgress })).rejects.toBe(mistake);
  expect(requests).toBe(1);
});

it("what is not the expected file is removed", async () => {
  answer = (_, response) => response.end(text);
  const digest = createHash("sha256").update("another").digest("hex");
  await expect(downloadFile(url, path, { checksum: { algorithm: "sha256", digest } })).rejects.toThrow(FormatError);
  await expect(downloadFile(url, path, { size: 10 })).rejects.toThrow("longer than the 10 bytes");
  expect((await readdir(join(path, ".."))).filter((name) => name === "file")).toEqual([]);
});

it("where the system has no symbolic links the cache holds copies", async () => {
  const blob = join(folder, "blob");
  await writeFile(blob, text);
  const forbidden = async () => {
    throw Object.assign(new Error("not permitted"), { code: "EPERM" });
  };
  await link(blob, join(folder, "pointer"), forbidden);
  expect(await readFile(join(folder, "pointer"))).toEqual(text);
});
