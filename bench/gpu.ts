/**
 * `npm run bench:gpu [-- --quick]`: examines a machine in one command: it checks every kernel variant of the adapter,
 * then runs all benchmarks, with PyTorch's step beside ours if PyTorch is installed. Writes bench/results/DATE-ADAPTER.md.
 *
 * Needs no npm: built by `npm run build:bench` it runs as `node out/bench/gpu.js`, see bench/README.md.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { writeFileAtomically } from "../src/io/folder-node.ts";
import { reportFailure } from "../tools/cli/failure.ts";
import { openAdapter } from "../tools/setup/open-adapter.ts";
import { correctness } from "./correctness.ts";
import { circumstances } from "./machine.ts";
import { openBench } from "./open-bench.ts";
import { findPyTorch } from "./pytorch.ts";
import { benchTables } from "./tables.ts";

/** The driver as named by NVIDIA's tool; other drivers are in the adapter's description. */
function nvidiaDriver(): string[] {
  const query = ["--query-gpu=name,driver_version", "--format=csv,noheader"];
  const { status, stdout } = spawnSync("nvidia-smi", query, { encoding: "utf8" });
  return status === 0 ? [`- NVIDIA driver: ${stdout.trim().split("\n").join("; ")}`] : [];
}

function pytorchLine(): string {
  const torch = findPyTorch();
  if (torch === null) return "- PyTorch: not installed";
  return `- PyTorch ${torch.version}, ${torch.cuda === null ? "without CUDA: no comparison on a GPU" : `CUDA on ${torch.cuda}`}`;
}

const fileName = (adapter: string) =>
  adapter
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-|-$/g, "")
    .slice(0, 40);

try {
  const { values } = parseArgs({
    options: { quick: { type: "boolean", default: false }, output_dir: { type: "string", default: "bench/results" } },
  });
  await using device = await openAdapter();
  const bench = await openBench(device, values);
  const parts: string[] = [];
  const path = join(values.output_dir, `${new Date().toISOString().slice(0, 10)}-${fileName(device.name)}.md`);
  mkdirSync(values.output_dir, { recursive: true });
  // Written after each part, so that results survive if a driver ends the process.
  const add = async (part: string) => {
    console.log(`${part}\n`);
    parts.push(part);
    await writeFileAtomically(path, `${parts.join("\n\n")}\n`);
  };
  await add([circumstances(bench), ...nvidiaDriver(), pytorchLine()].join("\n"));
  await add(await correctness(bench));
  for (const table of Object.values(benchTables)) await add(await table(bench));
  console.log(`written: ${path}`);
} catch (error) {
  reportFailure(error, { debug: true });
}
