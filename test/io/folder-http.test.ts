import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FileError } from "../../src/errors.ts";
import { openHttpFolder } from "../../src/io/folder-http.ts";

const CONTENT = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);
let requests: string[] = [];

/** A server that keeps to ranges under /ranged, ignores them under /whole, hides sizes under /hidden, and answers everything under /app. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  const [, kind, file] = request.url!.split("/");
  requests.push(`${request.method} ${file} ${request.headers.range ?? ""}`.trimEnd());
  if (kind === "app") return void response.writeHead(200, { "Content-Type": "text/html; charset=utf-8" }).end("<!doctype html>");
  if (file === "broken.bin") return void response.writeHead(503, "Busy").end();
  if (file === "secret.bin") return void response.writeHead(403).end();
  const content = { "data%20file.bin": CONTENT, "empty.bin": new Uint8Array(0) }[file!];
  if (content === undefined) return void response.writeHead(404).end();
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
  if (range === null || kind === "whole") return void response.writeHead(200, { "Content-Length": content.length }).end(content);
  const [start, last] = [Number(range[1]), Math.min(Number(range[2]), content.length - 1)];
  if (start > last) return void response.writeHead(416).end();
  const shown = kind === "hidden" ? {} : { "Content-Range": `bytes ${start}-${last}/${content.length}` };
  response.writeHead(206, shown).end(content.subarray(start, last + 1));
}

let server: Server;
let base: string;
beforeAll(async () => {
  server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

describe("openHttpFolder", () => {
  for (const kind of ["ranged", "whole", "hidden"]) {
    it(`reads from a server with ${kind} answers`, async () => {
      const folder = openHttpFolder(`${base}/${kind}/`);
      expect(await folder.has("data file.bin")).toBe(true);
      expect(await folder.size("data file.bin")).toBe(1000);
      expect(await folder.read("data file.bin")).toEqual(CONTENT);
      expect(await folder.read("data file.bin", 10, 20)).toEqual(CONTENT.slice(10, 20));
      expect(await folder.read("data file.bin", 990)).toEqual(CONTENT.slice(990));
      expect(await folder.read("data file.bin", 7, 7)).toHaveLength(0);
      expect(await folder.size("empty.bin")).toBe(0);
      expect(await folder.read("empty.bin")).toHaveLength(0);
      await expect(folder.read("data file.bin", 0, 1001)).rejects.toThrow(FileError);
      expect(await folder.has("missing.bin")).toBe(false);
      await expect(folder.read("missing.bin")).rejects.toThrow(`${base}/${kind}/missing.bin does not exist`);
    });
  }

  it("fetches only the range it is asked for", async () => {
    const folder = openHttpFolder(new URL(`${base}/ranged`));
    requests = [];
    await folder.read("data file.bin", 100, 200);
    await folder.read("data file.bin", 300, 301);
    expect(requests).toEqual(["GET data%20file.bin bytes=0-0", "GET data%20file.bin bytes=100-199", "GET data%20file.bin bytes=300-300"]);
  });

  it("fetches a file once from a server that ignores ranges", async () => {
    const folder = openHttpFolder(`${base}/whole`);
    requests = [];
    await Promise.all([folder.read("data file.bin", 100, 200), folder.read("data file.bin", 0, 8), folder.size("data file.bin")]);
    expect(requests).toEqual(["GET data%20file.bin bytes=0-0"]);
  });

  it("does not take an application's page for the file", async () => {
    expect(await openHttpFolder(`${base}/app`).has("tokenizer.json")).toBe(false);
    expect(await openHttpFolder(`${base}/app`).has("index.html")).toBe(true);
  });

  it("says what the server answered, and asks again the next time", async () => {
    const folder = openHttpFolder(`${base}/ranged`);
    await expect(folder.has("broken.bin")).rejects.toThrow("broken.bin: the server answered 503 Busy");
    requests = [];
    await expect(folder.size("broken.bin")).rejects.toThrow(FileError);
    expect(requests).toHaveLength(1);
    await expect(folder.read("secret.bin")).rejects.toThrow("secret.bin: the server answered 403 Forbidden");
  });

  it("says when the server cannot be reached or sends another number of bytes", async () => {
    const unreachable = openHttpFolder("http://models.invalid", () => Promise.reject(new TypeError("fetch failed")));
    await expect(unreachable.size("a.bin")).rejects.toThrow("cannot reach http://models.invalid/a.bin: fetch failed");
    const short = openHttpFolder("http://models.invalid", async () => {
      return new Response("ab", { status: 206, headers: { "Content-Range": "bytes 0-0/10" } });
    });
    await expect(short.read("a.bin", 0, 5)).rejects.toThrow("the server sent 2 bytes where 5 were asked for");
  });
});
