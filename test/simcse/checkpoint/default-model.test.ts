/** Where the default model is found, and that the repository's own one loads and is sensible. */
import { mkdir, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { expect, it } from "vitest";
import { openFolder } from "../../../src/io/folder-node.ts";
import { roundRows } from "../../../src/io/weights/int8-rows.ts";
import { openWeights } from "../../../src/io/weights.ts";
import { defaultModel } from "../../../src/simcse/checkpoint/default-model.ts";
import { findDefaultModel } from "../../../src/simcse/checkpoint/default-model-node.ts";
import { SimCSE } from "../../../src/simcse/simcse-node.ts";
import { openTestDevice } from "../../device.ts";
import { temporaryFolder } from "../../tiny-model.ts";

async function write(file: string, content = "{}"): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
}

it("is found in the clone, or in its package beside the code or in the app", async () => {
  const folder = await temporaryFolder();
  const [clone, app, strict] = ["clone", "app", "strict"].map((name) => join(folder, name)) as [string, string, string];
  const { name } = defaultModel;
  const code = join(clone, "dist", "src", "simcse", "code.js");
  await write(join(clone, "package.json"));
  expect(findDefaultModel(code, clone)).toBeNull();
  await write(join(clone, "models", "package", name, "config.json"));
  expect(findDefaultModel(code, clone)).toBe(join(clone, "models", "package", name));
  // A model outside the package that the code belongs to is not its own.
  const library = join(clone, "node_modules", "library");
  await write(join(library, "package.json"));
  expect(findDefaultModel(join(library, "code.js"), clone)).toBeNull();

  const installed = join(app, "node_modules", defaultModel.package);
  await write(join(installed, "package.json"));
  await write(join(installed, name, "config.json"));
  await write(join(app, "node_modules", "library", "package.json"));
  expect(findDefaultModel(join(app, "node_modules", "library", "code.js"), folder)).toBe(join(installed, name));
  // As pnpm installs: the library cannot see the app's packages, but the program runs in the app.
  await write(join(strict, "library", "package.json"));
  expect(findDefaultModel(join(strict, "library", "code.js"), app)).toBe(join(installed, name));
});

const [full, packaged] = [resolve("models", defaultModel.name), resolve("models", "package", defaultModel.name)];

const device = await openTestDevice();

it("the packaged model has the files that it is said to have, in at most 11 MB, and tells texts apart", async () => {
  const sizes = await Promise.all(defaultModel.files.map(async (file) => (await stat(join(packaged, file))).size));
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(11e6);
  await using model = await SimCSE.load(undefined, { device });
  expect(model.name).toBe(defaultModel.name);
  const texts = ["Someone plays an instrument.", "A chef chops onions.", "The stock market fell."];
  const [music, cooking, finance] = await model.similarity("A man is playing a guitar.", texts);
  expect(music! - Math.max(cooking!, finance!)).toBeGreaterThan(0.2);
});

it("the repository's model takes at most 20 MB in f16, and the packaged one is the same in 8 bits", async () => {
  expect((await stat(join(full, "model.safetensors"))).size).toBeLessThan(20e6);
  const [halves, bytes] = [(await openWeights(await openFolder(full)))!, (await openWeights(await openFolder(packaged)))!];
  expect([...bytes.tensors.keys()].toSorted()).toEqual([...halves.tensors.keys()].toSorted());
  for (const [name, { shape }] of halves.tensors) {
    const values = await halves.readF32(name);
    const wanted = shape.length === 2 ? roundRows(values, shape[0]!).data : values;
    // Buffer.equals, because toEqual takes a minute for ten million bytes.
    expect(Buffer.from(await bytes.readBytes(name)).equals(new Uint8Array(wanted.buffer)), name).toBe(true);
  }
});
