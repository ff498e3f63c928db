/**
 * A student gives the same vectors in transformers, sentence-transformers and ONNX Runtime: one made of a tiny model, and the repository's own
 * model where it is. Needs Python with these packages: SIMCSE_PYTHON names its program.
 */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
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
import { hasPython, runPython, pythonTimeout as timeout } from "../python.ts";
import { temporaryFolder, tinySentences, writeTinyModel } from "../tiny-model.ts";

const python = await hasPython("torch", "transformers", "sentence_transformers", "onnxruntime");
const device = python ? await openTestDevice() : null;
const script = resolve("test/golden/other_runtimes.py");

const texts = [...tinySentences, "", "Naïve café, 3½ µm: “quoted” 日本語!", "a ".repeat(400)];

/** Unit vectors whose cosine is lower are not the same, or too far from it where weights are rounded to f16. */
const [leastCosine, leastInHalves] = [0.99999, 0.9999];

it.runIf(python)(
  "a student of a tiny model (needs SIMCSE_PYTHON)",
  async () => {
    const path = await temporaryFolder();
    const [teacher, student] = [join(path, "teacher"), join(path, "student")];
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

it.runIf(python && existsSync(join(own, "config.json")))(
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
  for (const dtype of ["F32", "F16"] as const) await writeFilesInto(onnx, onnxFiles(rounded, dtype));
  await writeFile(input, JSON.stringify(texts));
  const printed = await runPython([script, floats, onnx, input]);
  await using simcse = await SimCSE.loadFrom(device!, await openFolder(bytes));
  const { data, dimension } = await simcse.encode(texts);
  for (const [runtime, rows] of Object.entries(JSON.parse(printed) as Record<string, number[][]>)) {
    for (const [i, row] of rows.entries()) {
      const cosine = row.reduce((sum, value, at) => sum + value * data[i * dimension + at]!, 0);
      expect(cosine, `${runtime}: ${texts[i]}`).toBeGreaterThan(runtime.includes("f16") ? leastInHalves : leastCosine);
    }
  }
}
