/** `simcse data download` against a server on this machine: nothing here reaches a network. */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { create } from "tar";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { temporaryFolder } from "../tiny-model.ts";
import { simcse } from "./run-simcse.ts";

const folder = await temporaryFolder();
const text = Buffer.from("A sentence.\n".repeat(20_000));
const hash = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

/** How the server answers; each test sets its own. */
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let requests: IncomingMessage[] = [];
const server = createServer((request, response) => {
  requests.push(request);
  answer(request, response);
});
await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
afterAll(() => server.close());

let count = 0;
let output = "";
beforeEach(() => {
  requests = [];
  output = join(folder, `data ${count++}`);
});

const download = (sets: readonly string[], baseUrl = address) =>
  simcse(["data", "download", ...sets, "--output_dir", output, "--base_url", baseUrl]);

const serve = (bytes: Buffer) => (_: IncomingMessage, response: ServerResponse) => void response.end(bytes);

describe("simcse data download", () => {
  it("fetches a file, records its checksum and says that it was not known", async () => {
    answer = serve(text);
    const { code, stderr } = await download(["wiki1m"]);
    expect(code).toBe(0);
    expect(stderr).toContain("no checksum is known");
    expect(await readFile(join(output, "wiki1m_for_simcse.txt"))).toEqual(text);
    expect(await readFile(join(output, "wiki1m_for_simcse.txt.sha256"), "utf8")).toBe(`${hash(text)}  wiki1m_for_simcse.txt\n`);
    expect((await readdir(output)).sort()).toEqual(["wiki1m_for_simcse.txt", "wiki1m_for_simcse.txt.sha256"]);
    // Again: nothing is fetched; changed behind its back: that is said.
    expect((await download(["wiki1m"])).stderr).toContain("there already and unchanged");
    expect(requests).toHaveLength(1);
    await writeFile(join(output, "wiki1m_for_simcse.txt"), "something else");
    const changed = await download(["wiki1m"]);
    expect(changed.code).toBe(1);
    expect(changed.stderr).toContain("is not what was downloaded");
  });

  it("follows redirects and checks the checksum that the server states", async () => {
    const stated = (value: string) => (request: IncomingMessage, response: ServerResponse) =>
      request.url!.startsWith("/store")
        ? serve(text)(request, response)
        : response.writeHead(302, { location: `/store${request.url}`, "x-linked-etag": `"${value}"` }).end();
    answer = stated("0".repeat(64));
    const wrong = await download(["nli"]);
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain(hash(text));
    expect(await readdir(output)).toEqual([]);
    answer = stated(hash(text));
    const right = await download(["nli"]);
    expect(right.code).toBe(0);
    expect(right.stderr).toContain("the one the server states");
  });

  it("unpacks SentEval into a folder that evaluate takes", async () => {
    // Wrapped in folders, as SentEval's own repository has its data.
    const tree = join(folder, "tree/SentEval/data");
    await mkdir(join(tree, "STS", "STSBenchmark"), { recursive: true });
    await writeFile(join(tree, "STS", "STSBenchmark", "sts-dev.csv"), "x");
    const archive = join(folder, "tree.tar");
    await create({ file: archive, cwd: join(folder, "tree") }, ["SentEval"]);
    const bytes = await readFile(archive);
    answer = serve(bytes);
    expect((await download(["senteval"])).code).toBe(0);
    expect(await readFile(join(output, "senteval/STS/STSBenchmark/sts-dev.csv"), "utf8")).toBe("x");
    expect((await readdir(output)).sort()).toEqual(["senteval", "senteval.tar.sha256"]);
    expect((await download(["senteval"])).stderr).toContain("there already");
    output = join(folder, "broken");
    // Cut after the header of the file in it.
    answer = serve(bytes.subarray(0, 5 * 512));
    const broken = await download(["senteval"]);
    expect(broken.code).toBe(1);
    expect(broken.stderr).toContain("cannot be unpacked");
    expect(await readdir(output)).not.toContain("senteval");
  });

  it("explains itself without a network, for a missing file and for a wrong name", async () => {
    const closed = await download(["wiki1m"], "http://127.0.0.1:9");
    expect(closed.code).toBe(1);
    expect(closed.stderr).toMatch(/^error: http:\/\/127\.0\.0\.1:9\/wiki1m_for_simcse\.txt cannot be fetched: .+\n {2}Check the network/);
    expect(closed.stderr).not.toMatch(/^\s+at /m);
    answer = (_, response) => response.writeHead(404).end();
    expect((await download(["wiki1m"])).stderr).toContain("the server answered 404");
    expect((await download(["wiki2m"])).stderr).toContain("Choose from senteval, wiki1m, nli");
  });
});
