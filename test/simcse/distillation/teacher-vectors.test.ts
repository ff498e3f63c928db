/** A teacher's vectors in a file: the bits of `encode`, going on after an interruption, and never those of another teacher or text. */
import { readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { openFolder } from "../../../src/io/folder-node.ts";
import { decodeNpy } from "../../../src/io/formats/npy.ts";
import { distillationSet } from "../../../src/simcse/distillation/distillation-set.ts";
import { type TeacherVectorsOptions, writeTeacherVectors } from "../../../src/simcse/distillation/teacher-vectors-node.ts";
import { SimCSE } from "../../../src/simcse/simcse-node.ts";
import { openTestDevice } from "../../device.ts";
import { temporaryFolder, tinySentences, writeTinyModel } from "../../tiny-model.ts";

const device = await openTestDevice();
const folder = await temporaryFolder();
const window = 8;
const texts = Array.from(
  { length: 2 * window + 3 },
  (_, i) => `${tinySentences[i % 6]} ${"a ".repeat(i % 5)}${tinySentences[(i * 7) % 6]}`,
);
let teacher: SimCSE;
let expected: Float32Array;

beforeAll(async () => {
  const path = await temporaryFolder();
  await writeTinyModel(path);
  teacher = await SimCSE.loadFrom(device, await openFolder(path), { pooler: "avg" });
  expected = (await teacher.encode(texts)).data;
});

it("are learned by a student that reads texts with its prompt, as it will when it embeds", () => {
  const { tokenizer } = teacher.encoder;
  const preparation = { prompts: { query: "A cat: " }, defaultPromptName: "query", strip: true };
  const set = distillationSet(
    [" A dog. ", "b"],
    { length: 2, dimension: 2, data: Float32Array.of(1, 0, 0, 1) },
    { tokenizer, maxLength: 20, preparation },
  );
  expect(set.example(0).sentences).toEqual([tokenizer.encode("A cat:  A dog.", 20)]);
});

const write = (name: string, options: Partial<TeacherVectorsOptions> = {}) =>
  writeTeacherVectors(teacher.encoder, { name: "tiny", texts, folder: join(folder, name), window, ...options });
const read = async (path: string) => decodeNpy(await readFile(path), path);
const encodedIn = async (name: string) => JSON.parse(await readFile(join(folder, name, "vectors.json"), "utf8")).encoded;

/** Begins, and ends before the third window. */
async function interrupted(name: string): Promise<void> {
  const controller = new AbortController();
  const onProgress = (done: number) => done >= 2 * window && controller.abort(new Error("enough"));
  await expect(write(name, { signal: controller.signal, onProgress, texts })).rejects.toThrow("enough");
}

it("has the bits of encode, and is made once", async () => {
  const path = await write("whole");
  expect(await read(path)).toEqual({ shape: [texts.length, teacher.dimension], data: expected });
  const progress: number[] = [];
  expect(await write("whole", { onProgress: (done) => void progress.push(done) })).toBe(path);
  expect(progress).toEqual([texts.length]);
  expect((await readdir(join(folder, "whole"))).sort()).toEqual(["vectors.json", "vectors.npy"]);
});

it.each([
  ["as the disk was left", async () => {}, 2 * window],
  // A write that was under way: bytes that the record does not count.
  ["with half a window more", async (path: string) => writeFile(path, new Uint8Array(999), { flag: "a" }), 2 * window],
  ["with less than the record says", async (path: string) => truncate(path, 128 + 5 * 4 * 32 + 7), 5],
] as const)("goes on after an interruption, %s", async (name, change, rows) => {
  await interrupted(name);
  expect(await encodedIn(name)).toBe(2 * window);
  await change(join(folder, name, "vectors.npy.partial"));
  const progress: number[] = [];
  const path = await write(name, { onProgress: (done) => void progress.push(done) });
  expect(progress[0]).toBe(rows);
  expect((await read(path)).data).toEqual(expected);
});

it("refuses the vectors of another teacher or of other texts by name, and replaces them if asked to", async () => {
  await write("few", { texts: texts.slice(0, 9) });
  const others = [...texts.slice(0, 8), "Something else."];
  await expect(write("few", { texts: others })).rejects.toThrow(/few holds vectors of other texts/);
  const longer = await SimCSE.loadFrom(device, await openFolder(await savedTeacher()), { pooler: "cls_before_pooler" });
  await expect(
    writeTeacherVectors(longer.encoder, { name: "other", texts: texts.slice(0, 9), folder: join(folder, "few") }),
  ).rejects.toThrow(/vectors of another teacher: tiny/);
  longer.close();
  const { data } = await teacher.encode(others);
  expect((await read(await write("few", { texts: others, anew: true }))).data).toEqual(data);
});

async function savedTeacher(): Promise<string> {
  const path = await temporaryFolder();
  await teacher.save(path);
  return path;
}

it("refuses a record that is damaged", async () => {
  await write("damaged", { texts: texts.slice(0, 9) });
  await writeFile(join(folder, "damaged", "vectors.json"), '{"teacher": 5}');
  await expect(write("damaged", { texts: texts.slice(0, 9) })).rejects.toThrow(/vectors\.json does not say/);
});
