/** The benchmarks by name. */

import { encodeTable } from "./encode.ts";
import { hostTable } from "./host.ts";
import { kernelTable } from "./kernels.ts";
import { loadTable } from "./load.ts";
import { matmulTable, wrong } from "./matmul.ts";
import { formatTable } from "./measure.ts";
import type { Bench } from "./open-bench.ts";
import { pytorchSteps } from "./pytorch-steps.ts";
import { searchTable } from "./search.ts";
import { serveTable } from "./serve.ts";
import { memoryTable, partsTable } from "./trained-parts.ts";
import { trainingStepTable } from "./training-step.ts";
import { wikipedia } from "./wikipedia.ts";

export const benchTables: Readonly<Record<string, (bench: Bench) => Promise<string>>> = {
  kernels: async (bench) => {
    const products = await matmulTable(bench);
    // A wrong product fails the run, not only its row.
    if (products.rows.some((row) => row.at(-1) === wrong)) process.exitCode = 1;
    return `${formatTable(products)}\n\n${formatTable(await kernelTable(bench))}`;
  },
  step: async (bench) => formatTable(await trainingStepTable(bench, pytorchSteps)),
  parts: async (bench) => `${formatTable(memoryTable(bench))}\n\n${formatTable(await partsTable(bench))}`,
  host: hostTable,
  encode: async (bench) => formatTable(await encodeTable(bench, wikipedia)),
  load: ({ device, quick }) => loadTable(device, quick ? 1 : 3),
  search: ({ device, quick }) => searchTable(device, quick ? 1 : 5),
  serve: ({ device }) => serveTable(device),
};
