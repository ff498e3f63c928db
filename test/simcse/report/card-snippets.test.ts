/** The Python of a model card makes the model's vectors, for every pooler and for architectures without a pooler of their own. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openFolder, writeFilesInto } from "../../../src/io/folder-node.ts";
import { huggingFaceFiles, openConvertible, sentenceTransformersFiles } from "../../../src/simcse/checkpoint/convert.ts";
import { isInSentenceTransformers } from "../../../src/simcse/checkpoint/saved-model.ts";
import { type PoolerType, poolerTypes } from "../../../src/simcse/model/poolers.ts";
import { loadingSnippets } from "../../../src/simcse/report/card.ts";
import { SimCSE } from "../../../src/simcse/simcse.ts";
import { openTestDevice } from "../../device.ts";
import { goldenModel } from "../../golden/golden-model.ts";
import { hasPython, pythonTimeout, runPython } from "../../python.ts";
import { temporaryFolder, writeTinyModel } from "../../tiny-model.ts";

/** The sentence of the snippets. */
const sentence = "He plays guitar.";

it.runIf(await hasPython("torch", "transformers", "sentence_transformers"))(
  "every pooler (needs SIMCSE_PYTHON with transformers and sentence-transformers)",
  async () => {
    const path = await temporaryFolder();
    const tiny = join(path, "tiny");
    await writeTinyModel(tiny, { layers: 3 });
    const models = [
      ...poolerTypes.map((pooler) => ({ name: pooler as string, source: openFolder(tiny), pooler })),
      ...(["distilbert", "albert", "modernbert", "mpnet", "nomic_bert", "gte", "eurobert"] as const).flatMap((kind) =>
        (["cls_before_pooler", "avg_top2"] as const).map((pooler) => ({ name: `${kind} ${pooler}`, source: goldenModel(kind), pooler })),
      ),
    ];
    const programs: Record<string, string> = {};
    const wanted: Record<string, Float32Array> = {};
    const device = await openTestDevice();
    for (const { name, source, pooler } of models) {
      const at = join(path, name);
      await writeFilesInto(at, await filesOf(await source, pooler));
      await using simcse = await SimCSE.loadFrom(device, await openFolder(at));
      const { maxLength } = simcse.encoder;
      const vector = await simcse.encode(sentence);
      for (const { title, language, code } of loadingSnippets({ name: at, pooler, maxLength, modelType: simcse.model.config.model_type })) {
        if (language !== "python") continue;
        programs[`${name}: ${title}`] = code;
        wanted[`${name}: ${title}`] = vector;
      }
    }
    expect(Object.keys(programs)).toHaveLength(5 + 3 + 7 * (2 + 1));
    const input = join(path, "programs.json");
    await writeFile(input, JSON.stringify(programs));
    const rows = JSON.parse(await runPython(["test/golden/card_snippets.py", input])) as Record<string, number[]>;
    for (const [program, row] of Object.entries(rows)) {
      const cosine = row.reduce((sum, value, i) => sum + value * wanted[program]![i]!, 0) / Math.hypot(...row);
      expect(cosine, program).toBeGreaterThan(0.99999);
    }
  },
  pythonTimeout,
);

it("an architecture without a pooler has none in transformers", () => {
  const titles = (modelType: string) => loadingSnippets({ name: "x", pooler: "cls", modelType }).map(({ title }) => title);
  expect(titles("bert")).toContain("Python, transformers");
  expect(titles("distilbert")).not.toContain("Python, transformers");
  expect(titles("distilbert")).toContain("Python, sentence-transformers");
});

async function filesOf(source: Awaited<ReturnType<typeof openFolder>>, pooler: PoolerType) {
  const model = await openConvertible(source, { pooler });
  return isInSentenceTransformers(pooler) ? sentenceTransformersFiles(model, "F32") : huggingFaceFiles(model, "F32");
}
