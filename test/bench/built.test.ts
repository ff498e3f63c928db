/** The benchmarks as `npm run build:bench` compiles them, for machines without npm: threads and processes start there too. No import names their scripts. */
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import type { programArguments } from "../../bench/own-program.ts";
import type { nodeThreads } from "../../src/io/tokenizer/thread-node.ts";
import { wordPieceTokenizer } from "../../src/io/tokenizer.ts";

const out = mkdtempSync(join(tmpdir(), "simcse-bench-"));
afterAll(() => rmSync(out, { recursive: true }));
beforeAll(() => {
  execFileSync(process.execPath, [resolve("node_modules/typescript/bin/tsc"), "-p", "tsconfig.bench.json", "--outDir", out]);
  writeFileSync(join(out, "package.json"), JSON.stringify({ type: "module" }));
});

const built = (path: string) => pathToFileURL(join(out, path)).href;

it("start threads that tokenise", async () => {
  const { nodeThreads: threads } = (await import(built("src/io/tokenizer/thread-node.js"))) as { nodeThreads: typeof nodeThreads };
  const tokenizer = wordPieceTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "river"], { lowerCase: true });
  const thread = threads().start(tokenizer.recipe!);
  onTestFinished(() => thread.end());
  await thread.started;
  const answer = await thread.encode({ texts: ["A river", "river"], maxLength: 8 });
  expect(answer).toEqual({ ids: Uint32Array.of(2, 5, 6, 3, 2, 6, 3), ends: Uint32Array.of(4, 7) });
});

it("start the clients of a server", async () => {
  const own = (await import(built("bench/own-program.js"))) as { programArguments: typeof programArguments };
  const server = createServer((request, response) => request.resume().on("end", () => response.end(JSON.stringify({ data: [{}, {}] }))));
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const program = own.programArguments("serve-clients", built("bench/serve.js"));
  // One client for a second, with two sentences in each request.
  const { stdout } = await promisify(execFile)(process.execPath, [...program, url, "1", "2", "1"], { cwd: out });
  const { answered, lost } = JSON.parse(stdout) as { answered: number; lost: number };
  expect(answered).toBeGreaterThan(0);
  expect(lost).toBe(0);
});
