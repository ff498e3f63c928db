/**
 * A student gives the same vectors in transformers, sentence-transformers and ONNX Runtime: one made of a tiny model, and the repository's own
 * model where it is. Needs Python with these packages: SIMCSE_PYTHON names its program.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import type { Folder } from "../../src/io/folder.ts";
import { openFolder, writeFilesInto } from "../../src/io/folder-node.ts";
import { countTokens, pruneTokenizer } from "../../src/io/tokenizer/prune.ts";
import { loadTokenizer } from "../../src/io/tokenizer.ts";
import { openConvertible, sentenceTransformersFiles } from "../../src/simcse/checkpoint/convert.ts";
import { onnxFiles } from "../../src/simcse/checkpoint/convert-onnx.ts";
import { defaultModel } from "../../src/simcse/checkpoint/default-model.ts";
import { studentFiles } from "../../src/simcse/checkpoint/student.ts";
import { SimCSE } from "../../src/simcse/simcse.ts";
import { openTestDevice } from "../device.ts";
import { temporaryFolder, tinySentences, writeTinyModel } from "../tiny-model.ts";

const python = process.env.SIMCSE_PYTHON;
const device = python === undefined ? null : await openTestDevice();
const script = resolve("test/golden/other_runtimes.py");

const texts = [...tinySentences, "", "Naïve café, 3½ µm: “quoted” 日本語!", "a ".repeat(400)];

/** Python imports its packages for minutes when other work takes the cores. */
const timeout = 600_000;

/** Unit vectors whose cosine is lower are not the same. */
const leastCosine = 0.99999;

it.runIf(python !== undefined)(
  "a student of a tiny model (needs SIMCSE_PYTHON)",
  async () => {
    const path = await temporaryFolder();
    const [teacher, student] = [join(path, "teacher"), join(path, "student")];
    await mkdir(teacher);
    await writeTinyModel(teacher, { config: { simcse: { pooler_type: "avg", max_seq_length: 24 } } });
    const source = await openFolder(teacher);
    const tokenizer = await loadTokenizer(source);
    const pruned = await pruneTokenizer(tokenizer, await countTokens(tokenizer, tinySentences), 54);
    await writeFilesInto(student, await studentFiles(source, { layers: [0], tokenizer: pruned }));
    await compare(await openFolder(student), path);
  },
  timeout,
);

const own = resolve("models", defaultModel.name);

it.runIf(python !== undefined && existsSync(join(own, "config.json")))(
  `${defaultModel.name} (needs SIMCSE_PYTHON and models/${defaultModel.name})`,
  async () => compare(await openFolder(own), await temporaryFolder()),
  timeout,
);

/** Writes a model in f32 by way of 8 bits, so that both conversions are read too, and compares its vectors. */
async function compare(model: Folder, path: string): Promise<void> {
  const [bytes, floats, onnx, input] = ["bytes", "floats", "onnx", "texts.json"].map((name) => join(path, name)) as [
    string,
    string,
    string,
    string,
  ];
  await writeFilesInto(bytes, sentenceTransformersFiles(await openConvertible(model), "I8"));
  const rounded = await openConvertible(await openFolder(bytes));
  await writeFilesInto(floats, sentenceTransformersFiles(rounded, "F32"));
  await writeFilesInto(onnx, onnxFiles(rounded));
  await writeFile(input, JSON.stringify(texts));
  const { stdout } = await promisify(execFile)(python!, [script, floats, onnx, input], {
    maxBuffer: 2 ** 26,
    env: { ...process.env, HF_HUB_OFFLINE: "1" },
  });
  await using simcse = await SimCSE.loadFrom(device!, await openFolder(bytes));
  const { data, dimension } = await simcse.encode(texts);
  for (const [runtime, rows] of Object.entries(JSON.parse(stdout) as Record<string, number[][]>)) {
    for (const [i, row] of rows.entries()) {
      const cosine = row.reduce((sum, value, at) => sum + value * data[i * dimension + at]!, 0);
      expect(cosine, `${runtime}: ${texts[i]}`).toBeGreaterThan(leastCosine);
    }
  }
}
