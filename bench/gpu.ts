/**
 * `npm run bench:gpu [-- --quick]`: examines a machine in one command: it checks every kernel variant of the adapter,
 * then runs all benchmarks, with PyTorch's step beside ours if PyTorch is installed. Writes bench/results/DATE-ADAPTER.md, and the same
 * tables as DATE-ADAPTER.json.
 *
 * Needs no npm: built by `npm run build:bench` it runs as `node out/bench/gpu.js`, see bench/README.md.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { writeFileAtomically } from "../src/io/folder-node.ts";
import { reportFailure } from "../tools/cli/failure.ts";
import { openAdapter } from "../tools/setup/open-adapter.ts";
import { correctness } from "./correctness.ts";
import { circumstances, sayProgress } from "./machine.ts";
import { type BenchTable, formatTable } from "./measure.ts";
import { openBench } from "./open-bench.ts";
import { PyTorch } from "./pytorch.ts";
import { benchTables } from "./tables.ts";

/** The driver as named by NVIDIA's tool; other drivers are in the adapter's description. */
function nvidiaDriver(): string[] {
  const query = ["--query-gpu=name,driver_version", "--format=csv,noheader"];
  const { status, stdout } = spawnSync("nvidia-smi", query, { encoding: "utf8" });
  return status === 0 ? [`- NVIDIA driver: ${stdout.trim().split("\n").join("; ")}`] : [];
}

async function pytorchLine(): Promise<string> {
  using torch = new PyTorch("bench/training_step.py");
  const found = await torch.packages();
  if ("reason" in found) return `- PyTorch: ${found.reason}`;
  return `- PyTorch ${found.versions.PyTorch}, ${found.cuda === null ? "without CUDA: no comparison on a GPU" : `CUDA ${found.cuda}`}`;
}

const fileName = (adapter: string) =>
  adapter
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-|-$/g, "")
    .slice(0, 40);

const { quick, output_dir } = new Command("bench:gpu")
  .description("Checks every kernel variant of this machine's adapter, then runs all benchmarks. Writes Markdown and JSON.")
  .option("--quick", "few shapes and rounds, as a smoke test", false)
  .option("--output_dir <dir>", "where the results are written", "bench/results")
  .parse()
  .opts<{ quick: boolean; output_dir: string }>();

try {
  await using device = await openAdapter();
  const bench = await openBench(device, { quick, say: sayProgress });
  const parts: string[] = [];
  const tables: Record<string, readonly BenchTable[]> = {};
  const day = new Date().toISOString().slice(0, 10);
  const path = join(output_dir, `${day}-${fileName(device.name)}`);
  mkdirSync(output_dir, { recursive: true });
  const heading = [circumstances(bench), ...nvidiaDriver(), await pytorchLine()].join("\n");
  // Written after each part, so that results survive if a driver ends the process.
  const add = async (part: string) => {
    console.log(`${part}\n`);
    parts.push(part);
    await writeFileAtomically(`${path}.md`, `${parts.join("\n\n")}\n`);
    const { ceilings, rounds } = bench;
    const all = { day, adapter: device.name, circumstances: heading.split("\n"), ceilings, rounds, quick, tables };
    await writeFileAtomically(`${path}.json`, `${JSON.stringify(all, null, 2)}\n`);
  };
  await add(heading);
  await add(await correctness(bench));
  // Compilers of other GPUs say nothing of this one.
  const { compilers: _, ...ofThisGpu } = benchTables;
  for (const [name, measureTables] of Object.entries(ofThisGpu)) {
    sayProgress(`benchmark ${name}`);
    tables[name] = await measureTables(bench);
    for (const table of tables[name]) await add(formatTable(table));
  }
  console.log(`written: ${path}.md and ${path}.json`);
} catch (error) {
  reportFailure(error, { debug: true });
}
