/** The benchmarks by name. */

import { encodeTable } from "./encode.ts";
import { hostTable } from "./host.ts";
import { kernelTable } from "./kernels.ts";
import { loadTable } from "./load.ts";
import type { Bench } from "./machine.ts";
import { matmulTable } from "./matmul.ts";
import { searchTable } from "./search.ts";
import { serveTable } from "./serve.ts";
import { trainingStepTable } from "./training-step.ts";

export const benchTables: Readonly<Record<string, (bench: Bench) => Promise<string>>> = {
  kernels: async (bench) => `${await matmulTable(bench)}\n\n${await kernelTable(bench)}`,
  step: trainingStepTable,
  host: hostTable,
  encode: encodeTable,
  load: ({ device, quick }) => loadTable(device, quick ? 1 : 3),
  search: ({ device, quick }) => searchTable(device, quick ? 1 : 5),
  serve: ({ device }) => serveTable(device),
};
