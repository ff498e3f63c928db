/** Students: which tensors and rows they have, what else of the teacher they keep, and that they load like any folder. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { FormatError, OptionError } from "../../../src/errors.ts";
import { toHalves } from "../../../src/float16.ts";
import { type Folder, MemoryFolder, readObject } from "../../../src/io/folder.ts";
import { loadTokenizer } from "../../../src/io/tokenizer.ts";
import { openWeights } from "../../../src/io/weights.ts";
import { readConfig } from "../../../src/simcse/checkpoint/checkpoint.ts";
import { openConvertible, sentenceTransformersFiles } from "../../../src/simcse/checkpoint/convert.ts";
import { type StudentOptions, studentFiles } from "../../../src/simcse/checkpoint/student.ts";
import { goldenOf, kinds, publishedFolder, written } from "../../golden-models.ts";

async function student(teacher: Folder, options: StudentOptions): Promise<MemoryFolder> {
  return written(await studentFiles(teacher, options));
}

/** A published model with the head of a masked language model. */
function withMaskedHead(kind: "bert" | "roberta"): Folder {
  const files = Object.entries(kinds[kind].files).map(([name, content]) => [name, content] as const);
  const weights = readFileSync(new URL(`../../golden/${kind}_mlm.bin`, import.meta.url));
  return new MemoryFolder("teacher", [...files, ["config.json", JSON.stringify(goldenOf(kind).config)], ["pytorch_model.bin", weights]]);
}

/** The rows of a matrix. */
function rowsOf(matrix: Float32Array, rows: readonly number[], width: number): number[][] {
  return rows.map((row) => [...matrix.subarray(row * width, (row + 1) * width)]);
}

describe.each([
  ["bert", 2],
  ["roberta", 1],
] as const)("a student of %s", (kind, count) => {
  const teacher = withMaskedHead(kind);
  const last = count - 1;

  it("has the layers that are named, in their order, and everything else to the bit", async () => {
    const folder = await student(teacher, { layers: count === 2 ? [1, 0] : [0] });
    const [before, after] = [(await openWeights(teacher))!, (await openWeights(folder))!];
    expect(await readObject(folder, "config.json")).toMatchObject({
      ...(await readObject(teacher, "config.json")),
      num_hidden_layers: count,
    });
    const sources = [...before.tensors.keys()].filter((name) => !name.endsWith("decoder.weight"));
    expect([...after.tensors.keys()].toSorted()).toEqual(sources.toSorted());
    const swapped = (name: string) => name.replace(/layer\.(\d)/, (_, layer) => `layer.${last - Number(layer)}`);
    for (const name of sources) expect(await after.readBytes(swapped(name)), name).toEqual(await before.readBytes(name));
  });

  it("has the rows of a smaller vocabulary", async () => {
    const pruned = { tokenizer: await loadTokenizer(teacher), oldIds: [0, 1, 2, 3, 11, 20, 40, 96] };
    const folder = await student(teacher, { layers: [last], tokenizer: pruned, dtype: "F32" });
    const [before, after] = [(await openWeights(teacher))!, (await openWeights(folder))!];
    const size = pruned.oldIds.length;
    const byToken = [...before.tensors.keys()].filter((name) => /word_embeddings\.weight$|(predictions|lm_head)\.bias$/.test(name));
    expect(byToken.length).toBe(2);
    for (const name of byToken) {
      const width = before.tensors.get(name)!.shape[1] ?? 1;
      expect(after.tensors.get(name)!.shape[0], name).toBe(size);
      expect(rowsOf(await after.readF32(name), [...Array(size).keys()], width)).toEqual(
        rowsOf(await before.readF32(name), pruned.oldIds, width),
      );
    }
    expect(await readObject(folder, "config.json")).toMatchObject({ vocab_size: size, num_hidden_layers: 1, torch_dtype: "float32" });
  });

  it("is written in half precision", async () => {
    const folder = await student(teacher, { dtype: "F16" });
    const [before, after] = [(await openWeights(teacher))!, (await openWeights(folder))!];
    const name = [...before.tensors.keys()].find((name) => name.endsWith("layer.0.output.dense.weight"))!;
    expect(after.tensors.get(name)!.dtype).toBe("F16");
    expect(await after.readBytes(name)).toEqual(new Uint8Array(toHalves(await before.readF32(name)).buffer));
  });

  it("names what cannot be", async () => {
    for (const layers of [[], [count], [-1], [0.5], [0, 0]])
      await expect(studentFiles(teacher, { layers }), String(layers)).rejects.toThrow(OptionError);
    await expect(studentFiles(teacher, { layers: [0, 7] })).rejects.toThrow(`teacher has no layer 7: it has ${count}.`);
    const tokenizer = await loadTokenizer(teacher);
    const oldIds = [...Array(tokenizer.vocabSize).keys(), 5000];
    await expect(student(teacher, { tokenizer: { tokenizer, oldIds } })).rejects.toThrow(/takes row 5000/);
  });
});

it("a student of sentence-transformers keeps its modules and settings", async () => {
  const source = await openConvertible(publishedFolder("bert"), { pooler: "cls", maxLength: 17 });
  const teacher = await written(sentenceTransformersFiles(source, "F32"));
  // As older models are: the transformer in a folder of its own.
  const nested = new MemoryFolder("nested");
  for (const file of teacher.files) {
    const inside = /^(?:config\.|model\.|tokenizer|vocab|special|sentence_bert)[^/]*$/.test(file);
    await nested.write(inside ? `0_Transformer/${file}` : file, await teacher.read(file));
  }
  const modules = new TextDecoder().decode(await nested.read("modules.json")).replace('"path": ""', '"path": "0_Transformer"');
  await nested.write("modules.json", modules);
  for (const [of, place] of [
    [teacher, ""],
    [nested, "0_Transformer/"],
  ] as const) {
    const folder = await student(of, { layers: [0], dtype: "F16" });
    expect(folder.files.toSorted()).toEqual(of.files.toSorted());
    expect(await readConfig(folder)).toMatchObject({ pooler: "cls", maxLength: 17, hasTrainedHead: true });
    expect((await openConvertible(folder)).transformer.num_hidden_layers).toBe(1);
    expect(await folder.has(`${place}config.json`)).toBe(true);
    expect(
      (await openWeights(new MemoryFolder("dense", [["model.safetensors", await folder.read("2_Dense/model.safetensors")]])))!.tensors.size,
    ).toBe(2);
  }
});

it("a student of an official model keeps the pooler that its name says", async () => {
  const teacher = publishedFolder("bert", "princeton-nlp/sup-simcse-bert-base-uncased");
  expect(await readConfig(await student(teacher, { layers: [1] }))).toMatchObject({ pooler: "cls", maxLength: 40 });
});

it("a RoBERTa whose padding would get another id is refused: its positions are counted from it", async () => {
  const teacher = publishedFolder("roberta");
  const tokenizer = await loadTokenizer(teacher);
  await expect(studentFiles(teacher, { tokenizer: { tokenizer, oldIds: [0, 2, 3, 1] } })).rejects.toThrow(FormatError);
  await expect(studentFiles(publishedFolder("bert"), { tokenizer: { tokenizer, oldIds: [1, 0] } })).resolves.toBeDefined();
});
