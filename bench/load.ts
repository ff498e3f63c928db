/**
 * Loading a checkpoint of BERT-base, 438 MB as torch.save writes it: how long from the file to the GPU, and how much memory beyond the GPU's copy.
 * On a software adapter that copy lies in the same memory and is subtracted. The model's output is compared with PyTorch's.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { compile } from "../src/autograd/program.ts";
import type { Device } from "../src/gpu/device.ts";
import { readJson } from "../src/io/folder.ts";
import { openFolder } from "../src/io/folder-node.ts";
import { inspectWeights, loadWeights, readConfig } from "../src/simcse/checkpoint/checkpoint.ts";
import { BatchPacker, declareBatch, tableSizes } from "../src/simcse/model/batch.ts";
import { SimCseModel } from "../src/simcse/model/model.ts";
import { poolSentences } from "../src/simcse/model/poolers.ts";
import type { BenchTable } from "./measure.ts";
import { runInPython } from "./pythons.ts";

interface Vectors {
  readonly sentences: readonly (readonly number[])[];
  readonly vectors: readonly (readonly number[])[];
}

const head = ["BERT-base, pytorch_model.bin, load", "MB", "s", "of it opening", "peak MB beyond the GPU's copy", "× the file"];

export async function loadTable(device: Device, rounds = 3): Promise<BenchTable> {
  const path = await mkdtemp(join(tmpdir(), "simcse-load-"));
  try {
    const script = resolve("bench/load_checkpoint.py");
    if (runInPython(script, [path]) === null)
      return { head, rows: [], note: "Loading: needs a Python with PyTorch, which makes the checkpoint." };
    return await measureLoading(device, path, rounds);
  } finally {
    await rm(path, { recursive: true });
  }
}

async function measureLoading(device: Device, path: string, rounds: number): Promise<BenchTable> {
  const folder = await openFolder(path);
  const config = await readConfig(folder);
  const fileBytes = await folder.size("pytorch_model.bin");
  const rows: string[][] = [];
  let difference = 0;
  for (let round = 1; round <= rounds; round++) {
    const memory = watchMemory();
    const start = performance.now();
    const model = await SimCseModel.allocate(device, config.transformer, { training: false, mlp: true });
    const { weights } = await inspectWeights(config);
    const opened = performance.now();
    await loadWeights(model, weights!, { head: "checkpoint" });
    await device.finish();
    const seconds = (performance.now() - start) / 1000;
    const extra = memory.stop() - (device.capabilities.software ? model.store.bytes : 0);
    rows.push([
      `${round}`,
      (fileBytes / 1e6).toFixed(0),
      seconds.toFixed(2),
      ((opened - start) / 1000).toFixed(2),
      (extra / 1e6).toFixed(0),
      (extra / fileBytes).toFixed(2),
    ]);
    if (round === 1) difference = await compare(model, await readJson<Vectors>(folder, "vectors.json"));
    model.close();
  }
  return { head, rows, note: `Its vectors differ from PyTorch's by ${difference.toExponential(1)} at most.` };
}

/** Peak growth of the process's memory in bytes, sampled every other millisecond. */
function watchMemory(): { stop: () => number } {
  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  let peak = before;
  const sample = () => {
    peak = Math.max(peak, process.memoryUsage.rss());
  };
  const timer = setInterval(sample, 2);
  return {
    stop: () => {
      clearInterval(timer);
      sample();
      return peak - before;
    },
  };
}

/** The largest difference of an element between the model's vectors and PyTorch's. */
async function compare(model: SimCseModel, { sentences, vectors }: Vectors): Promise<number> {
  const tokens = sentences.reduce((sum, { length }) => sum + length, 0);
  const capacity = { sentences: sentences.length, tokens, ...tableSizes(model.config) };
  const program = await compile(model.device, (tape) => {
    const batch = declareBatch(tape, capacity, { indices: false });
    return {
      vectors: poolSentences("cls", model.modules.transformer.forward(batch, { training: false, rows: "first" }), batch, model.mlp),
    };
  });
  const packed = new BatchPacker(capacity).pack(
    sentences.map((ids) => ({ ids, key: 0 })),
    { indices: false },
  );
  program.run(packed);
  const found = await program.read("vectors");
  program.close();
  return Math.max(...vectors.flat().map((value, i) => Math.abs(value - found[i]!)));
}
