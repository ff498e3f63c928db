/**
 * The examples for Spark and Ray, each with two local workers of which one is killed: every sentence has its vector, with the bits of one process.
 * They need Python with pyspark or ray (SIMCSE_PYTHON names it); Spark also needs Java.
 */
import { existsSync } from "node:fs";
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { delimiter, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { openFolder } from "../src/io/folder-node.ts";
import { SimCSE } from "../src/simcse/simcse.ts";
import { openTestDevice } from "./device.ts";
import { hasPython, pythonTimeout, runPython, runs } from "./python.ts";
import { temporaryFolder, tinySentences, writeTinyModel } from "./tiny-model.ts";

const hasSpark = (await hasPython("pyspark", "pandas", "pyarrow")) && (await runs("java", "-version"));
const hasRay = await hasPython("ray.data", "pyarrow");

/** Prints each row's vector, as base64, by its id. */
const readVectors = `
import base64, json, sys
import numpy as np, pyarrow.parquet as pq
rows = pq.read_table(sys.argv[1]).to_pylist()
assert len({row["id"] for row in rows}) == len(rows)
print(json.dumps({row["id"]: base64.b64encode(np.asarray(row["embedding"], "<f4").tobytes()).decode() for row in rows}))
`;

describe.runIf(hasSpark || hasRay)("with Python", async () => {
  const folder = await temporaryFolder();
  const model = join(folder, "model");
  await writeTinyModel(model, { config: { simcse: { pooler_type: "avg", max_seq_length: 24 } } });
  const sentences = Array.from({ length: 60 }, (_, i) => (i === 7 ? "" : `${tinySentences[i % 6]} ${tinySentences[Math.floor(i / 10)]}`));
  const corpus = join(folder, "corpus.jsonl");
  await writeFile(corpus, sentences.map((text, id) => JSON.stringify({ id, text })).join("\n"));
  const workers = await installWorkers(join(folder, "workers"));

  async function expectSameVectors(name: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<void> {
    const killed = join(folder, `killed-in-${name}`);
    const output = join(folder, `${name}.parquet`);
    await runPython([`examples/${name}/encode.py`, corpus, output, "--model", model, ...args], {
      PYTHONPATH: [resolve("examples/worker"), process.env.PYTHONPATH ?? ""].join(delimiter),
      SIMCSE_WORKER: `'${process.execPath}' '${join(workers, "killed-worker.mjs")}'`,
      SIMCSE_KILLED: killed,
      ...env,
    });
    expect(existsSync(killed)).toBe(true);
    const rows = JSON.parse(await runPython(["-c", readVectors, output])) as Record<string, string>;
    await using simcse = await SimCSE.loadFrom(await openTestDevice(), await openFolder(model));
    const { data, dimension } = await simcse.encode(sentences);
    const vectors = sentences.map((_, i) => Buffer.from(data.slice(i * dimension, (i + 1) * dimension).buffer).toString("base64"));
    expect(rows).toEqual({ ...vectors });
  }

  it.runIf(hasSpark)(
    "Spark (needs SIMCSE_PYTHON with pyspark, and Java)",
    () =>
      expectSameVectors("spark", ["--partitions", "4"], {
        PYSPARK_PYTHON: process.env.SIMCSE_PYTHON!,
        // Two tasks at a time, each tried up to four times.
        PYSPARK_SUBMIT_ARGS: "--master local[2,4] --conf spark.ui.enabled=false pyspark-shell",
      }),
    pythonTimeout,
  );

  it.runIf(hasRay)(
    "Ray (needs SIMCSE_PYTHON with ray)",
    () => expectSameVectors("ray", ["--actors", "2", "--batch_size", "16"], { RAY_USAGE_STATS_ENABLED: "0" }),
    pythonTimeout,
  );
});

/** A folder as the examples want it on every machine: the worker, and the library where it finds it. */
async function installWorkers(folder: string): Promise<string> {
  const library = join(folder, "node_modules", "simcse-webgpu");
  await mkdir(library, { recursive: true });
  await writeFile(join(library, "package.json"), JSON.stringify({ type: "module", exports: "./index.js" }));
  await writeFile(join(library, "index.js"), `export * from "${pathToFileURL("out/commands/index-node.js")}";\n`);
  await copyFile("examples/worker/encode-worker.mjs", join(folder, "encode-worker.mjs"));
  await copyFile("test/killed-worker.mjs", join(folder, "killed-worker.mjs"));
  return folder;
}
