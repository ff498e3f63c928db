/** The programs of the README and of the guides in docs/, run unchanged. */
import { execFile } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { temporaryFolder, tinySentences, writeTinyModel } from "./tiny-model.ts";

const folder = await temporaryFolder();
// Inside the project, so that the package's libraries are found.
const built = resolve("out", `readme-${process.pid}`);

beforeAll(() => execute("npx", "tsc", "-p", "tsconfig.build.json", "--outDir", built));
afterAll(() => rm(built, { recursive: true, force: true }));

/** The sections with programs, and the pages that they are on. */
const pages = {
  Library: "README.md",
  "Your own data": "docs/training.md",
  "Distil a small model": "docs/training.md",
  Embeddings: "docs/library.md",
  "Fine-tuning in ten lines": "docs/library.md",
  "A model of your own": "docs/library.md",
} as const;

type Section = keyof typeof pages;

const sections = Object.keys(pages) as Section[];
const texts = new Map(
  await Promise.all([...new Set(Object.values(pages))].map(async (page) => [page, await readFile(page, "utf8")] as const)),
);

/** The programs of a section. */
function blocks(section: Section): string[] {
  const [, text] = texts.get(pages[section])!.split(`\n## ${section}\n`);
  return [...text!.split("\n## ")[0]!.matchAll(/```[jt]s\n([\s\S]*?)```/g)].map(([, block]) => block!);
}

async function execute(...[program, ...args]: string[]): Promise<string> {
  try {
    return (await promisify(execFile)(program!, args)).stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${stdout}\n${stderr}`);
  }
}

/** Runs a program that imports the package in plain Node; returns its output. */
async function run(name: string, code: string): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, code.replaceAll('"simcse-webgpu"', JSON.stringify(join(built, "src", "index-node.js"))));
  return execute(process.execPath, ...(name.endsWith(".mts") ? ["--import", "tsx"] : []), file);
}

it("its programs are valid TypeScript", async () => {
  const project = join(built, "sections");
  await mkdir(project);
  for (const title of sections) await writeFile(join(project, `${title}.ts`), `${blocks(title).join("\n")}\nexport {};`);
  const paths = { "simcse-webgpu": [join(built, "src", "index-node.d.ts")] };
  const extending = { extends: resolve("tsconfig.json"), include: ["*.ts"], exclude: [] };
  const unused = { noUnusedLocals: false, noUnusedParameters: false };
  await writeFile(join(project, "tsconfig.json"), JSON.stringify({ ...extending, compilerOptions: { paths, ...unused } }));
  await execute("npx", "tsc", "-p", project);
});

it("the library in a few lines", async () => {
  const model = join(folder, "few-lines");
  await writeTinyModel(model, { config: { simcse: { pooler_type: "avg", max_seq_length: 32 } } });
  const code = blocks("Library")[0]!.replace('"simcse-demo"', JSON.stringify(model));
  const printed = await run(
    "library.mjs",
    `${code}\nconsole.log(JSON.stringify([embedding.length, similarities[0].length, results.length]));`,
  );
  const [dimension, cosines, found] = JSON.parse(printed) as number[];
  expect(dimension).toBeGreaterThan(0);
  expect(cosines).toBe(2);
  expect(found).toBeLessThanOrEqual(2);
});

it("the original's three snippets work, one after another", async () => {
  const model = join(folder, "model");
  await writeTinyModel(model, { config: { simcse: { pooler_type: "avg", max_seq_length: 32 } } });
  const code = `${blocks("Embeddings").join("\n").replace('"simcse-demo"', JSON.stringify(model))}
console.log(JSON.stringify({ embedding: [...embedding], similarities: similarities.map((row) => [...row]), results }));
model.close();`;
  const printed = JSON.parse(await run("embeddings.mjs", code)) as {
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

it("ten lines fine-tune a model", async () => {
  const [model, tuned] = [join(folder, "to-tune"), join(folder, "tuned")];
  await writeTinyModel(model, { config: { simcse: { pooler_type: "avg", max_seq_length: 32 } } });
  const code = blocks("Fine-tuning in ten lines")[0]!;
  expect(code.trim().split("\n").length).toBeLessThanOrEqual(10);
  const named = code.replace('"simcse-demo"', JSON.stringify(model)).replace('"simcse-tuned"', JSON.stringify(tuned));
  const printed = await run("tune.mjs", `${named}\nmodel.close();`);
  expect(printed.trim().split("\n")).toHaveLength(5);
  expect(JSON.parse(await readFile(join(tuned, "modules.json"), "utf8"))).toHaveLength(3);
});

it("a few lines distil a model", async () => {
  const [model, student, texts] = [join(folder, "teacher"), join(folder, "student"), join(folder, "sentences.txt")];
  await writeTinyModel(model, { layers: 6, config: { simcse: { pooler_type: "avg", max_seq_length: 32 } } });
  await writeFile(texts, `${tinySentences.join("\n")}\n`);
  const code = blocks("Distil a small model")[0]!
    .replace('"sentence-transformers/all-MiniLM-L6-v2"', JSON.stringify(model))
    .replace('"sentences.txt"', JSON.stringify(texts))
    .replace('"student"', JSON.stringify(student))
    .replace("embeddingSize: 96", "embeddingSize: 16");
  expect((await run("distil.mts", `${code}\nstudent.close();\nteacher.close();`)).trim().split("\n")).toHaveLength(1);
  expect(JSON.parse(await readFile(join(student, "config.json"), "utf8"))).toMatchObject({ num_hidden_layers: 4, embedding_size: 16 });
});

it("a table of questions and answers is held out in part, trained on, and scored before and after", async () => {
  const [model, table] = [join(folder, "for-answers"), join(folder, "faq.csv")];
  await writeTinyModel(model, { config: { simcse: { pooler_type: "avg", max_seq_length: 32 } } });
  const rows = tinySentences.flatMap((a, i) => tinySentences.map((b, j) => `${a} ${i} ${j},${b}`));
  await writeFile(table, ["question,answer", ...rows].join("\n"));
  const [code] = blocks("Your own data");
  const named = code!
    .replace('"sentence-transformers/all-MiniLM-L6-v2"', JSON.stringify(model))
    .replaceAll('"faq.csv"', JSON.stringify(table));
  const printed = await run("answers.mjs", `${named}\nmodel.close();`);
  const scores = printed.trim().split(" ").map(Number);
  expect(scores).toHaveLength(2);
  for (const score of scores) expect(score).toBeGreaterThan(0);
});

it("the model of one's own trains", async () => {
  const stdout = await run("tower.mts", blocks("A model of your own")[0]!);
  expect(stdout).toContain("this plan allocates");
  const losses = [...stdout.matchAll(/^\d+ ([\d.]+)$/gm)].map(([, loss]) => Number(loss));
  expect(losses.length).toBe(4);
  // Chance is ln 64 = 4.16; a tower that has learned the shuffle is far below it.
  expect(losses.at(-1)!).toBeLessThan(1.5);
});
