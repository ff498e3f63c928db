/** The benchmarks by name, and what they have in common: the adapter, its ceilings, and how long they may take. */
import { cpus, loadavg } from "node:os";
import { describeCeilings } from "../src/autograd/profile.ts";
import { type Ceilings, measureCeilings } from "../src/gpu/ceilings.ts";
import type { Device } from "../src/gpu/device.ts";
import { encodeTable } from "./encode.ts";
import { hostTable } from "./host.ts";
import { kernelTable } from "./kernels.ts";
import { loadTable } from "./load.ts";
import { matmulTable } from "./matmul.ts";
import { searchTable } from "./search.ts";
import { serveTable } from "./serve.ts";
import { trainingStepTable } from "./training-step.ts";

export interface Bench {
  readonly device: Device;
  readonly ceilings: Ceilings;
  /** Few shapes and few rounds: for trying whether it runs. */
  readonly quick: boolean;
  /** Times each subject is measured. */
  readonly rounds: number;
}

export async function openBench(device: Device, { quick }: { quick: boolean }): Promise<Bench> {
  return { device, quick, ceilings: await measureCeilings(device), rounds: quick ? 3 : device.capabilities.software ? 7 : 25 };
}

export const benchTables: Readonly<Record<string, (bench: Bench) => Promise<string>>> = {
  kernels: async (bench) => `${await matmulTable(bench)}\n\n${await kernelTable(bench)}`,
  step: trainingStepTable,
  host: hostTable,
  encode: encodeTable,
  load: ({ device, quick }) => loadTable(device, quick ? 1 : 3),
  search: ({ device, quick }) => searchTable(device, quick ? 1 : 5),
  serve: ({ device }) => serveTable(device),
};

/** Adapter, machine, day, and the ceilings that all shares refer to. */
export function circumstances({ device, ceilings, quick }: Bench): string {
  const { vendor, architecture, description } = device.info;
  const features = [...device.capabilities.features].filter((name) => name !== "core-features-and-limits");
  const busy = loadavg()[0]!;
  return [
    `# ${device.name}`,
    "",
    `${new Date().toISOString().slice(0, 10)}, ${cpus().length} × ${cpus()[0]!.model.trim()}, Node ${process.version}${quick ? ", a quick trial" : ""}`,
    "",
    `- adapter: ${[vendor, architecture, description].filter(Boolean).join(", ")}; ${features.join(", ")}`,
    `- measured ceilings: ${Object.entries(describeCeilings(ceilings))
      .map(([name, value]) => `${name} ${value}`)
      .join(", ")}`,
    `- load of the machine when it began: ${busy.toFixed(1)} on ${cpus().length} cores${busy > cpus().length / 2 ? ", so other work shared them: compare ratios of one table, and no times" : ""}`,
  ].join("\n");
}
