/** The benchmarks by name. */
import { compilerTables } from "./compilers.ts";
import { devicesTable } from "./devices.ts";
import { encodeTables } from "./encode-texts.ts";
import { hostTable } from "./host.ts";
import { kernelTable } from "./kernels.ts";
import { loadTable } from "./load.ts";
import { matmulTable, wrong } from "./matmul.ts";
import type { BenchTable } from "./measure.ts";
import type { Bench } from "./open-bench.ts";
import { PyTorchSteps } from "./pytorch-steps.ts";
import { searchTable } from "./search.ts";
import { memoryTable, partsTable } from "./trained-parts.ts";
import { trainingStepTable } from "./training-step.ts";
import { tuningTable } from "./tuning.ts";

export const benchTables: Readonly<Record<string, (bench: Bench) => Promise<readonly BenchTable[]>>> = {
  kernels: async (bench) => {
    const tables = [await matmulTable(bench), await kernelTable(bench)];
    // A wrong kernel fails the run, not only its row.
    if (tables.some(({ rows }) => rows.some((row) => row.at(-1)!.startsWith(wrong)))) process.exitCode = 1;
    return tables;
  },
  step: async (bench) => {
    using peers = await PyTorchSteps.start(bench);
    return [await trainingStepTable(bench, peers)];
  },
  parts: async (bench) => [memoryTable(bench), await partsTable(bench)],
  devices: async (bench) => [await devicesTable(bench)],
  host: async (bench) => [await hostTable(bench)],
  tuning: async (bench) => [await tuningTable(bench)],
  encode: encodeTables,
  compilers: (bench) => compilerTables(bench),
  load: async (bench) => [await loadTable(bench)],
  search: async (bench) => [await searchTable(bench)],
  // Imported here, because only the server needs the packages of HTTP.
  serve: async (bench) => [await (await import("./serve.ts")).serveTable(bench)],
};
