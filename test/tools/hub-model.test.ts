/** Models by name on the command line: downloaded from a hub on this machine, converted, and then used without it. */
import { spawn } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { publishedFolder } from "../golden-models.ts";
import { startHub } from "../io/hub-server.ts";
import { temporaryFolder } from "../tiny-model.ts";
import { expectFailure, program, simcse } from "./run-simcse.ts";

const name = "princeton-nlp/sup-simcse-bert-base-uncased";
const folder = await temporaryFolder();
const published = publishedFolder("bert");
const files = Object.fromEntries(await Promise.all(published.files.map(async (file) => [file, await published.read(file)] as const)));
const hub = await startHub({ [name]: { files, lfs: ["pytorch_model.bin"] } });
const env = { HF_ENDPOINT: hub.url, HF_HOME: join(folder, "home"), HF_HUB_CACHE: join(folder, "cache"), HF_TOKEN: "", HF_HUB_OFFLINE: "" };
const model = ["--model_name_or_path", name];

interface Line {
  readonly embedding: readonly number[];
}
const vector = (stdout: string) => (JSON.parse(stdout) as Line).embedding;

it("an official model is downloaded by its name, known by it, and then encodes offline", async () => {
  const online = await simcse(["encode", ...model], { input: "w5 w6 w7\n", env });
  expect(online).toMatchObject({ code: 0 });
  // The head of a supervised model ends in a tanh: another pooler gives another vector.
  const before = await simcse(["encode", ...model, "--pooler", "cls_before_pooler"], { input: "w5 w6 w7\n", env });
  expect(vector(before.stdout)).not.toEqual(vector(online.stdout));
  const asked = hub.requests.length;
  const offline = await simcse(["encode", ...model, "--offline"], { input: "w5 w6 w7\n", env });
  expect(offline.stdout).toBe(online.stdout);
  expect(hub.requests.length).toBe(asked);
});

it("is converted into every form", async () => {
  const converted = join(folder, "converted");
  const convert = (...args: string[]) =>
    simcse(["convert", ...model, "--output_dir", converted, "--overwrite_output_dir", ...args], { env });
  expect(await convert()).toMatchObject({ code: 0, stdout: "" });
  expect(JSON.parse(await readFile(join(converted, "config.json"), "utf8"))).toMatchObject({ simcse: { pooler_type: "cls" } });
  const [there, here] = await Promise.all([
    simcse(["encode", ...model], { input: "w5 w6\n", env }),
    simcse(["encode", "--model_name_or_path", converted], { input: "w5 w6\n" }),
  ]);
  expect(here.stdout).toBe(there.stdout);
  expect(await convert("--format", "onnx")).toMatchObject({ code: 0 });
  expect(await readdir(converted)).toEqual(expect.arrayContaining(["config.json", "onnx", "tokenizer.json"]));
  expect(await convert("--format", "sentence-transformers", "--pooler", "avg", "--dtype", "f16")).toMatchObject({ code: 0 });
  expect(await readdir(converted)).toEqual(expect.arrayContaining(["1_Pooling", "model.safetensors", "modules.json"]));
  expectFailure(await convert("--format", "onnx", "--dtype", "int8"), "f32 or f16");
  expectFailure(await convert("--format", "sentence-transformers", "--pooler", "avg_top2"), "does not pool by avg_top2");
});

it("one that is not there, or not in the cache, says so", async () => {
  expectFailure(await simcse(["encode", "--model_name_or_path", "lab/nothing"], { env }), "has no model lab/nothing");
  expectFailure(await simcse(["encode", "--model_name_or_path", "lab/nothing", "--offline"], { env }), "is not in the cache");
});

it("a download is ended by Ctrl-C", async () => {
  hub.held.add("pytorch_model.bin");
  const asked = hub.requests.length;
  const child = spawn(process.execPath, [program, "encode", ...model], {
    env: { ...process.env, ...env, HF_HUB_CACHE: join(folder, "another") },
  });
  const ended = new Promise((resolve) => child.on("close", (_, signal) => resolve(signal)));
  while (!hub.requests.slice(asked).some((request) => request.includes("storage"))) await new Promise((resolve) => setTimeout(resolve, 20));
  child.kill("SIGINT");
  expect(await ended).toBe("SIGINT");
});
