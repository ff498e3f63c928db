/** The benchmarks as `npm run build:bench` compiles them, for machines without npm: threads that tokenise start there too. No import names their script. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import type { nodeThreads } from "../../src/io/tokenizer/thread-node.ts";
import { wordPieceTokenizer } from "../../src/io/tokenizer.ts";

it("start threads that tokenise", async () => {
  const out = mkdtempSync(join(tmpdir(), "simcse-bench-"));
  onTestFinished(() => rmSync(out, { recursive: true }));
  execFileSync(process.execPath, [resolve("node_modules/typescript/bin/tsc"), "-p", "tsconfig.bench.json", "--outDir", out]);
  writeFileSync(join(out, "package.json"), JSON.stringify({ type: "module" }));
  const built = (await import(pathToFileURL(join(out, "src/io/tokenizer/thread-node.js")).href)) as { nodeThreads: typeof nodeThreads };
  const tokenizer = wordPieceTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "river"], { lowerCase: true });
  const thread = built.nodeThreads().start(tokenizer.recipe!);
  onTestFinished(() => thread.end());
  await thread.started;
  const answer = await thread.encode({ texts: ["A river", "river"], maxLength: 8 });
  expect(answer).toEqual({ ids: Uint32Array.of(2, 5, 6, 3, 2, 6, 3), ends: Uint32Array.of(4, 7) });
});
