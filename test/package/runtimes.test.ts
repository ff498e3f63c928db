/**
 * The packed packages in Deno and in Bun, where these are on the PATH: the same bits as in Node, through Dawn; and Deno's own WebGPU, which is another
 * implementation (wgpu).
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder, tinySentences, writeTinyModel } from "../tiny-model.ts";
import { install, packAll, run } from "./packed.ts";

type Runtime = readonly [program: string, ...args: string[]];

const node: Runtime = [process.execPath];
const others: Readonly<Record<string, Runtime>> = { Bun: ["bun"], Deno: ["deno", "run", "--allow-all", "--node-modules-dir=manual"] };
const isInstalled = ([program]: Runtime) => spawnSync(program, ["--version"]).status === 0;
const installed = Object.entries(others).filter(([, runtime]) => isInstalled(runtime));
for (const name of Object.keys(others))
  if (!installed.some(([found]) => found === name)) console.log(`${name} is not on the PATH: its tests are skipped`);
const deno = others.Deno!;

const folder = await temporaryFolder();
const model = join(folder, "model");
const commandLine = join("node_modules", "simcse-webgpu-cli", "simcse.js");

interface Answers {
  readonly vector: number[];
  readonly found: { readonly id: number; readonly score: number }[];
  readonly losses: number[];
}

/** Encodes, searches, trains and saves with `openDevice` of a module. */
async function answersOf([program, ...args]: Runtime, deviceModule = "simcse-webgpu"): Promise<Answers> {
  const name = join(folder, "answers.mjs");
  const saved = join(folder, "saved");
  await writeFile(
    name,
    `import { SimCSE } from "simcse-webgpu";
import { openDevice } from "${deviceModule}";
const sentences = ${JSON.stringify(tinySentences)};
const device = await openDevice();
const model = await SimCSE.load(${JSON.stringify(model)}, { training: true, device });
await model.buildIndex(sentences);
const found = (await model.search(sentences[0], { topK: 3, threshold: -1 })).map(({ id, score }) => ({ id, score }));
const losses = [];
for await (const { loss } of model.train(sentences, { epochs: 2, batchSize: 4, learningRate: 1e-3 })) losses.push(loss);
await model.save(${JSON.stringify(saved)});
const again = await SimCSE.load(${JSON.stringify(saved)}, { device, dtype: "f32" });
const vector = [...(await again.encode(sentences[0]))];
console.log(JSON.stringify({ vector, found, losses }));
device.close();`,
  );
  const printed = await run(folder, program, ...args, name);
  return JSON.parse(printed) as Answers;
}

let expected: Answers;

beforeAll(async () => {
  if (installed.length === 0) return;
  const packed = await packAll(folder);
  await writeFile(join(folder, "package.json"), JSON.stringify({ type: "module", private: true }));
  await install(folder, packed.library, packed.commandLine);
  await mkdir(model, { recursive: true });
  await writeTinyModel(model, { config: { simcse: { pooler_type: "avg", max_seq_length: 32 } } });
  expected = await answersOf(node);
});

describe.each(installed)("in %s", (name, [program, ...args]) => {
  it("encodes, searches, trains and saves with Node's bits", async () => {
    expect(await answersOf([program, ...args])).toEqual(expected);
  });

  it("is named by doctor, which finds the adapter", async () => {
    expect(await run(folder, program, ...args, commandLine, "doctor")).toMatch(new RegExp(`✓ ${name} +\\d+\\.\\d+`));
  });

  it("serves, and ends in order at Ctrl-C", async () => {
    const server = spawn(program, [...args, commandLine, "serve", "--model", model, "--port", "0"], { cwd: folder });
    let said = "";
    const url = await new Promise<string>((resolve, reject) => {
      server.stderr.setEncoding("utf8").on("data", (text: string) => {
        said += text;
        const found = /serving on (\S+)/.exec(said);
        if (found) resolve(found[1]!);
      });
      server.once("exit", () => reject(new Error(said)));
    });
    const body = JSON.stringify({ model: "model", input: tinySentences });
    const answer = await fetch(`${url}/v1/embeddings`, { method: "POST", headers: { "content-type": "application/json" }, body });
    expect(((await answer.json()) as { data: unknown[] }).data.length).toBe(tinySentences.length);
    server.kill("SIGINT");
    const [code] = await once(server, "exit");
    expect({ code, said }).toEqual({ code: 0, said: expect.stringContaining("shutting down") });
  });
});

it.skipIf(!isInstalled(deno))("computes the same on Deno's own WebGPU", async () => {
  const { vector, found, losses } = await answersOf(deno, "simcse-webgpu/browser");
  expect(found.map(({ id }) => id)).toEqual(expected.found.map(({ id }) => id));
  // Other kernels, whose sums have another order: the tolerance is that of the browser's losses.
  for (const [i, loss] of losses.entries()) expect(Math.abs(loss - expected.losses[i]!)).toBeLessThan(1e-4);
  for (const [i, number] of vector.entries()) expect(Math.abs(number - expected.vector[i]!)).toBeLessThan(1e-4);
});
