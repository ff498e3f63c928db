/** The README's own programs, run as they stand there. */
import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { temporaryFolder, writeTinyModel } from "./tiny-model.ts";

const folder = await temporaryFolder();

const readme = await readFile("README.md", "utf8");
const blocks = (text: string) => [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, block]) => block!);

/** Runs a program that imports the package; gives what it prints. */
async function run(name: string, code: string): Promise<string> {
  const file = join(folder, `${name}.mts`);
  await writeFile(file, code.replaceAll('"simcse-webgpu"', JSON.stringify(resolve("src/index-node.ts"))));
  return (await promisify(execFile)(process.execPath, ["--import", "tsx", file])).stdout;
}

it("the original's three snippets work, one after another", async () => {
  const model = join(folder, "model");
  await mkdir(model);
  await writeTinyModel(model, { config: { simcse: { pooler_type: "avg", max_seq_length: 32 } } });
  const section = readme.slice(readme.indexOf("## Embeddings"), readme.indexOf("## The command line"));
  const code = `${blocks(section).join("\n").replace('"simcse-demo"', JSON.stringify(model))}
console.log(JSON.stringify({ embedding: [...embedding], similarities: similarities.map((row) => [...row]), results }));`;
  const printed = JSON.parse(await run("embeddings", code)) as {
    embedding: number[];
    similarities: number[][];
    results: { id: number; sentence: string; score: number }[];
  };
  expect(Math.hypot(...printed.embedding)).toBeCloseTo(1, 5);
  expect(printed.similarities.map((row) => row.length)).toEqual([2, 2]);
  // The index holds sentencesA, and the query is the first of sentencesB.
  expect(printed.results.length).toBeGreaterThan(0);
  for (const { id, score } of printed.results) expect(score).toBeCloseTo(printed.similarities[id]![0]!, 5);
});

it("the model of one's own trains", async () => {
  const stdout = await run("tower", blocks(readme).find((block) => block.includes("class Tower"))!);
  expect(stdout).toContain("this plan allocates");
  const losses = [...stdout.matchAll(/^\d+ ([\d.]+)$/gm)].map(([, loss]) => Number(loss));
  expect(losses.length).toBe(4);
  // Chance is ln 64 = 4.16; a tower that has learned the shuffle is far below it.
  expect(losses.at(-1)!).toBeLessThan(1.5);
});
