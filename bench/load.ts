/**
 * Loading a checkpoint of BERT-base, 438 MB as torch.save writes it: how long from the file to the GPU, and how much memory beyond the GPU's copy.
 * On a software adapter that copy lies in the same memory and is subtracted. The model's output is compared with PyTorch's.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { openFolder } from "../src/io/folder-node.ts";
import type { Load } from "./load-round.ts";
import type { BenchTable } from "./measure.ts";
import type { Bench } from "./open-bench.ts";
import { programArguments } from "./own-program.ts";
import { runInPython } from "./pythons.ts";

const head = ["BERT-base, pytorch_model.bin, load", "MB", "s", "of it opening", "peak MB beyond the GPU's copy", "× the file"];

export async function loadTable({ quick }: Bench): Promise<BenchTable> {
  const path = await mkdtemp(join(tmpdir(), "simcse-load-"));
  try {
    const script = resolve("bench/load_checkpoint.py");
    if (runInPython(script, [path]) === null)
      return { head, rows: [], note: "Loading: needs a Python with PyTorch, which makes the checkpoint." };
    return await measureLoading(path, quick ? 1 : 3);
  } finally {
    await rm(path, { recursive: true });
  }
}

async function measureLoading(path: string, rounds: number): Promise<BenchTable> {
  const fileBytes = await (await openFolder(path)).size("pytorch_model.bin");
  const rows: string[][] = [];
  let furthest = 0;
  for (let round = 1; round <= rounds; round++) {
    const args = [...programArguments("load-round", import.meta.url), path];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    const { seconds, opening, extraBytes, difference } = JSON.parse(stdout) as Load;
    furthest = Math.max(furthest, difference);
    rows.push([
      `${round}`,
      (fileBytes / 1e6).toFixed(0),
      seconds.toFixed(2),
      opening.toFixed(2),
      (extraBytes / 1e6).toFixed(0),
      (extraBytes / fileBytes).toFixed(2),
    ]);
  }
  return { head, rows, note: `Its vectors differ from PyTorch's by ${furthest.toExponential(1)} at most.` };
}
