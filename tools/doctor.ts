/** `simcse doctor`: the adapter, its driver, features and limits; what will be fast, what will be slow, and how to fix it. */
import { Command } from "commander";
import { compile } from "../src/autograd/program.ts";
import type { Device } from "../src/gpu/device.ts";
import { knownDevices } from "../src/gpu/known-devices.ts";
import { openDevice } from "../src/gpu/node.ts";
import { f32 } from "../src/kernels/language/operation.ts";
import { matmul } from "../src/kernels/matmul/matmul.ts";
import { type Diagnosis, diagnose, type Verdict } from "./setup/diagnose.ts";
import { kernelTable } from "./setup/kernel-table.ts";
import { findAdapter } from "./setup/setup-adapter.ts";
import { softwareDrivers } from "./setup/vulkan-drivers.ts";

const marks: Readonly<Record<Verdict, string>> = { good: "✓", slow: "~", missing: "✗" };

export const doctorCommand = new Command("doctor")
  .description("report what this machine's adapter can do, what will be slow, and how to fix it")
  .option("--adapter <name>", "examine the adapter whose name contains this")
  .option("--kernels", "print which variants of the kernels this adapter runs, and which those of other makers would run")
  .action(async ({ adapter, kernels = false }: { adapter?: string; kernels?: boolean }) => {
    const { environment } = await findAdapter({ install: false, log: () => {} });
    Object.assign(process.env, environment);
    await using device = await openDevice({ adapter });
    if (kernels) {
      process.stdout.write(`${aligned(kernelTable([{ name: "this adapter", capabilities: device.capabilities }, ...knownDevices]))}\n`);
      return;
    }
    const findings = diagnose({
      name: device.name,
      architecture: device.info.architecture,
      capabilities: device.capabilities,
      runtime: runtime(),
      ...(await measureMatmul(device)),
    });
    process.stdout.write(`${report(findings)}\n`);
    process.stdout.write(`\nfeatures: ${[...device.capabilities.features].sort().join(", ") || "none"}\n`);
    for (const { name, manifest } of softwareDrivers()) process.stdout.write(`software driver: ${name}, ${manifest}\n`);
    for (const [variable, value] of Object.entries(environment))
      process.stdout.write(`needs ${variable}=${value}, which simcse sets automatically\n`);
  });

/** Bun and Deno also give the version of Node that they are like. */
function runtime(): { name: string; version: string } {
  const { bun, deno } = process.versions;
  if (bun !== undefined) return { name: "Bun", version: bun };
  if (deno !== undefined) return { name: "Deno", version: deno };
  return { name: "Node", version: process.version };
}

function report(findings: readonly Diagnosis[]): string {
  const width = Math.max(...findings.map(({ what }) => what.length));
  return findings
    .map(
      ({ what, verdict, found, fix }) =>
        `${marks[verdict]} ${what.padEnd(width)}  ${found}${fix ? `\n  ${" ".repeat(width)}  → ${fix}` : ""}`,
    )
    .join("\n");
}

/** Rows of cells in columns. */
function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

const size = 512;

/** Products that are timed together, after one for warming up. */
const products = 5;

async function measureMatmul(device: Device): Promise<{ gigaflops: number; matmul: string }> {
  const program = await compile(device, (tape) => ({
    c: matmul(tape.input("a", f32(size, size)), tape.input("b", f32(size, size)), "nn"),
  }));
  const operand = new Float32Array(size * size).fill(1);
  program.run({ inputs: { a: operand, b: operand } });
  await device.finish();
  const began = performance.now();
  for (let i = 0; i < products; i++) program.run();
  await device.finish();
  const seconds = (performance.now() - began) / 1000;
  const { variant } = program.plan.steps[0]!.lowering;
  program.close();
  return { gigaflops: (products * 2 * size ** 3) / seconds / 1e9, matmul: variant };
}
