/** The programs of docs/vector-databases.md find what `search` finds: in PostgreSQL with pgvector, and in Qdrant where Python has its client (SIMCSE_PYTHON). */
import { execFile, spawn } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { PGlite } from "@electric-sql/pglite";
import { vector } from "@electric-sql/pglite-pgvector";
import { expect, it } from "vitest";
import { openFolder } from "../src/io/folder-node.ts";
import { SimCSE } from "../src/simcse/simcse.ts";
import { openTestDevice } from "./device.ts";
import { hasPython, pythonTimeout, runPython } from "./python.ts";
import { temporaryFolder, tinySentences, writeTinyModel } from "./tiny-model.ts";
import { program, simcse } from "./tools/run-simcse.ts";

const page = await readFile("docs/vector-databases.md", "utf8");
const block = (language: string) => new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(page)![1]!;

const folder = await temporaryFolder();
const model = join(folder, "my-model");
const sentences = [...tinySentences, 'A "quoted" \\ line, with commas'];
const query = "He plays guitar.";

interface Hit {
  readonly sentence: string;
  readonly score: number;
}

/** What the model's own index finds. */
async function wanted(): Promise<Hit[]> {
  await writeTinyModel(model, { config: { simcse: { pooler_type: "avg", max_seq_length: 24 } } });
  await writeFile(join(folder, "sentences.txt"), `${sentences.join("\n")}\n`);
  await using own = await SimCSE.loadFrom(await openTestDevice(), await openFolder(model));
  await own.buildIndex(sentences);
  return await own.search(query, { topK: 5, threshold: -1 });
}
const hits = await wanted();

function expectHits(found: readonly Hit[]): void {
  expect(found.map(({ sentence }) => sentence)).toEqual(hits.map(({ sentence }) => sentence));
  found.forEach(({ score }, i) => void expect(score).toBeCloseTo(hits[i]!.score, 5));
}

it("pgvector: the program, and the lines of `simcse encode`", async () => {
  const stored = join(folder, "stored");
  await packageOf("pg", [
    `import { PGlite } from ${moduleName("@electric-sql/pglite")};`,
    `import { vector } from ${moduleName("@electric-sql/pglite-pgvector")};`,
    "class Client extends PGlite {",
    `  constructor() { super({ dataDir: ${JSON.stringify(stored)}, extensions: { vector } }); }`,
    "  async connect() { await this.waitReady; }",
    "  end() { return this.close(); }",
    "}",
    "export default { Client };",
  ]);
  await packageOf("simcse-webgpu", [`export * from "${pathToFileURL("out/commands/index-node.js")}";`]);
  await writeFile(join(folder, "program.mjs"), block("js"));
  const { stdout } = await promisify(execFile)(process.execPath, ["program.mjs"], { cwd: folder });
  expectHits(JSON.parse(stdout) as Hit[]);

  const lines = await simcse(["encode", "--model", model, "--input", join(folder, "sentences.txt")]);
  await using database = new PGlite({ dataDir: stored, extensions: { vector } });
  const [create, copy, insert] = block("sql").trimEnd().split("\n") as [string, string, string];
  await database.exec(`${create} DELETE FROM sentences`);
  await database.query(copy.replace("\\copy", "COPY").replace("'vectors.jsonl'", "'/dev/blob'"), [], { blob: new Blob([lines.stdout]) });
  await database.exec(insert);
  const { rows } = await database.query<Hit>(
    "SELECT b.sentence, -(a.embedding <#> b.embedding) AS score FROM sentences a, sentences b WHERE a.sentence = $1 ORDER BY score DESC LIMIT 1",
    [sentences.at(-1)],
  );
  expect(rows).toEqual([{ sentence: sentences.at(-1), score: expect.closeTo(1, 5) }]);
  expect((await database.query("SELECT 1 FROM sentences")).rows).toHaveLength(sentences.length);
});

it.runIf(await hasPython("qdrant_client", "pyarrow"))(
  "Qdrant, its client's local mode (needs SIMCSE_PYTHON with qdrant-client)",
  async () => {
    const [index, exported] = [join(folder, "some.index"), join(folder, "vectors.parquet")];
    await simcse(["index", "build", "--model", model, "--input", join(folder, "sentences.txt"), "--index", index]);
    await simcse(["index", "export", "--index", index, "--output", exported]);
    const server = spawn(process.execPath, [program, "serve", "--model", model, "--port", "0"], { stdio: ["ignore", "ignore", "pipe"] });
    try {
      let printed = "";
      for await (const chunk of server.stderr) {
        printed += chunk;
        if (/serving on \S+/.test(printed)) break;
      }
      const code = block("python")
        .replace('"http://127.0.0.1:6333"', '":memory:"')
        .replace("http://127.0.0.1:8000", /serving on (\S+)/.exec(printed)![1]!)
        .replaceAll("vectors.parquet", exported);
      expectHits(JSON.parse(await runPython(["-c", code])) as Hit[]);
    } finally {
      server.kill();
    }
  },
  pythonTimeout,
);

/** A package that the program of the page finds. */
async function packageOf(name: string, lines: readonly string[]): Promise<void> {
  const at = join(folder, "node_modules", name);
  await mkdir(at, { recursive: true });
  await writeFile(join(at, "package.json"), JSON.stringify({ type: "module", exports: "./index.js" }));
  await writeFile(join(at, "index.js"), `${lines.join("\n")}\n`);
}

/** The address of an installed package, as an import names it. */
function moduleName(name: string): string {
  return JSON.stringify(import.meta.resolve(name));
}
