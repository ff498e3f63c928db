import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FileError } from "../../src/errors.ts";
import { type FileProgress, type HttpFolderOptions, openHttpFolder } from "../../src/io/folder-http.ts";

const MEBIBYTE = 2 ** 20;
const LARGE = Uint8Array.from({ length: 20 * MEBIBYTE }, (_, i) => i % 253);
const CONTENT = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);
let requests: string[] = [];

/** A server that honours ranges under /ranged, ignores them under /whole, hides sizes under /hidden, and answers everything under /app. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  const [, kind, file] = request.url!.split("/");
  requests.push(`${request.method} ${file} ${request.headers.range ?? ""}`.trimEnd());
  if (kind === "app") return void response.writeHead(200, { "Content-Type": "text/html; charset=utf-8" }).end("<!doctype html>");
  if (file === "broken.bin") return void response.writeHead(503, "Busy").end();
  if (file === "secret.bin") return void response.writeHead(403).end();
  const content = { "data%20file.bin": CONTENT, "large.bin": LARGE, "empty.bin": new Uint8Array(0) }[file!.split("?")[0]!];
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

  it("sends the query of its address for every file, and shows it to nobody", async () => {
    const folder = openHttpFolder(`${base}/ranged/?sig=secret`);
    requests = [];
    expect(await folder.read("large.bin", MEBIBYTE, MEBIBYTE + 3)).toEqual(LARGE.slice(MEBIBYTE, MEBIBYTE + 3));
    await expect(folder.read("missing.bin")).rejects.toThrow(`${base}/ranged/missing.bin does not exist`);
    expect(requests.map((request) => request.split(" ")[1])).toEqual([
      "large.bin?sig=secret",
      "large.bin?sig=secret",
      "missing.bin?sig=secret",
    ]);
  });

  it.each([
    ["https://huggingface.co/lab/model", "https://huggingface.co/lab/model/resolve/main"],
    ["https://huggingface.co/lab/model/tree/v2/", "https://huggingface.co/lab/model/resolve/v2"],
    ["https://huggingface.co/lab/model/resolve/main?download=true", "https://huggingface.co/lab/model/resolve/main"],
    ["https://elsewhere.example/lab/model", "https://elsewhere.example/lab/model"],
  ])("opens the files that a page of the hub is about: %s", (address, folder) => {
    expect(openHttpFolder(address).name).toBe(folder);
  });

  it("fetches a small file with the first question", async () => {
    const folder = openHttpFolder(new URL(`${base}/ranged`));
    requests = [];
    await folder.has("data file.bin");
    await folder.read("data file.bin", 100, 200);
    expect(requests).toEqual(["GET data%20file.bin bytes=0-1048575"]);
  });

  it("fetches ranges that are asked for together in few requests, and nothing twice", async () => {
    const folder = openHttpFolder(`${base}/ranged`);
    requests = [];
    const ranges = [...Array(100).keys()].map((i) => [MEBIBYTE + 2000 * i, MEBIBYTE + 2000 * i + 1000] as const);
    ranges.push([19 * MEBIBYTE, 20 * MEBIBYTE]);
    const read = await Promise.all(ranges.toReversed().map(([start, end]) => folder.read("large.bin", start, end)));
    for (const [i, [start, end]] of ranges.toReversed().entries()) {
      // Faster than toEqual, which compares element by element.
      expect(Buffer.from(LARGE.buffer).subarray(start, end).equals(read[i]!)).toBe(true);
    }
    expect(requests).toEqual([
      "GET large.bin bytes=0-1048575",
      `GET large.bin bytes=${MEBIBYTE}-${MEBIBYTE + 198_999}`,
      `GET large.bin bytes=${19 * MEBIBYTE}-${20 * MEBIBYTE - 1}`,
    ]);
  });

  it("sends no more than eight requests at a time", async () => {
    let [running, most] = [0, 0];
    const folder = openHttpFolder(`${base}/ranged`, {
      async fetch(url, init) {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, 5));
        return fetch(url, init).finally(() => running--);
      },
    });
    // Too far from each other to be joined.
    await Promise.all([...Array(18).keys()].map((i) => folder.read("large.bin", (i + 1) * MEBIBYTE, (i + 1) * MEBIBYTE + 10)));
    expect(most).toBe(8);
  });

  it("fetches a file once from a server that ignores ranges", async () => {
    const folder = openHttpFolder(`${base}/whole`);
    requests = [];
    await Promise.all([folder.read("data file.bin", 100, 200), folder.read("data file.bin", 0, 8), folder.size("data file.bin")]);
    expect(requests).toEqual(["GET data%20file.bin bytes=0-1048575"]);
  });

  it("asks for no file that is not listed", async () => {
    const folder = openHttpFolder(`${base}/ranged`, { files: ["data file.bin"] });
    requests = [];
    expect(await folder.has("missing.bin")).toBe(false);
    expect(await folder.has("data file.bin")).toBe(true);
    expect(requests).toEqual(["GET data%20file.bin bytes=0-1048575"]);
  });

  it("asks the hub for the list of a model's files", async () => {
    const asked: string[] = [];
    const folder = openHttpFolder("https://huggingface.co/lab/model/resolve/main", {
      async fetch(url) {
        asked.push(String(url));
        return String(url).includes("/api/") ? Response.json([{ type: "file", path: "config.json" }]) : new Response("{}");
      },
    });
    expect(await folder.has("vocab.txt")).toBe(false);
    expect(await folder.has("config.json")).toBe(true);
    expect(asked).toEqual([
      "https://huggingface.co/api/models/lab/model/tree/main?recursive=true",
      "https://huggingface.co/lab/model/resolve/main/config.json",
    ]);
  });

  it("follows the pages of the hub's list", async () => {
    const api = "https://huggingface.co/api/models/lab/model/tree/main?recursive=true";
    const files = (...paths: string[]) => paths.map((path) => ({ type: "file", path }));
    const pages: Readonly<Record<string, () => Response>> = {
      [api]: () => Response.json(files("a"), { headers: { Link: `<${api}&cursor=2>; rel="next"` } }),
      [`${api}&cursor=2`]: () => Response.json(files("config.json"), { headers: { Link: '<https://elsewhere/api>; rel="next"' } }),
    };
    const fetch = async (url: string | URL | Request) => pages[String(url)]?.() ?? new Response("{}");
    const folder = openHttpFolder("https://huggingface.co/lab/model/resolve/main", { fetch });
    expect([await folder.has("a"), await folder.has("config.json"), await folder.has("vocab.txt")]).toEqual([true, true, false]);
  });

  it("asks for each file where a page of the list is missing", async () => {
    const folder = openHttpFolder("https://huggingface.co/lab/model/resolve/main", {
      async fetch(url) {
        if (!String(url).includes("/api/")) return new Response("{}");
        if (String(url).includes("cursor")) return new Response("", { status: 500 });
        return Response.json([{ path: "a" }], { headers: { Link: '<https://huggingface.co/api/x?cursor=2>; rel="next"' } });
      },
    });
    expect(await folder.has("config.json")).toBe(true);
  });

  it("tells how far a file has come", async () => {
    const told: FileProgress[] = [];
    const folder = openHttpFolder(`${base}/ranged`, { onProgress: (progress) => told.push(progress) });
    await folder.read("large.bin");
    expect(told.map(({ done }) => done)).toEqual(told.map(({ done }) => done).toSorted((a, b) => a - b));
    expect(told.at(-1)!.file).toBe("large.bin");
    expect(told.at(-1)!.total).toBe(LARGE.length);
    expect(told.at(-1)!.done).toBeGreaterThanOrEqual(LARGE.length);
  });

  it("passes on what onProgress throws", async () => {
    const mistake = new TypeError("the caller's mistake");
    const onProgress = () => {
      throw mistake;
    };
    await expect(openHttpFolder(`${base}/ranged`, { onProgress }).read("large.bin")).rejects.toBe(mistake);
  });

  it("stops with the signal's reason", async () => {
    const controller = new AbortController();
    const folder = openHttpFolder(`${base}/ranged`, { signal: controller.signal });
    expect(await folder.size("large.bin")).toBe(LARGE.length);
    const reading = folder.read("large.bin");
    controller.abort(new Error("enough"));
    await expect(reading).rejects.toThrow("enough");
    await expect(folder.read("data file.bin")).rejects.toThrow("enough");
  });

  it("refuses options that it does not know", () => {
    expect(() => openHttpFolder(base, { file: [] } as HttpFolderOptions)).toThrow('openHttpFolder has no option "file"');
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
    const unreachable = openHttpFolder("http://models.invalid", { fetch: () => Promise.reject(new TypeError("fetch failed")) });
    await expect(unreachable.size("a.bin")).rejects.toThrow("cannot reach http://models.invalid/a.bin: fetch failed");
    const short = openHttpFolder("http://models.invalid", {
      fetch: async () => new Response(new Uint8Array(MEBIBYTE), { status: 206, headers: { "Content-Range": `bytes 0-1/${3 * MEBIBYTE}` } }),
    });
    await expect(short.read("a.bin", 0, 3 * MEBIBYTE)).rejects.toThrow(
      `the server sent ${MEBIBYTE} bytes where ${3 * MEBIBYTE} were asked for`,
    );
  });
});
