/** Compiles this package's kernels for a GPU that is not here, in a process of its own. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { DeviceError } from "../../src/errors.ts";
import { type Compiler, environmentOf, type Report } from "./compilers.ts";
import { type CompiledDevice, type CompiledKernel, marks } from "./marks.ts";

/** A kernel and what the driver printed of it; no report where it was not compiled, or printed otherwise. */
export interface ReportedKernel extends CompiledKernel {
  readonly report: Report | null;
}

/** What a GPU's compiler made of the kernels. */
export interface Compilation {
  readonly device: CompiledDevice;
  readonly kernels: readonly ReportedKernel[];
  readonly seconds: number;
}

/** Lines of the drivers that are read; NVK prints megabytes of others for each kernel. */
const isWanted = (line: string) => /: |CL prog|\bstp\./.test(line) && line.length < 400;

/**
 * Compiles every kernel that the GPU would run, or with `everyVariant` could run. Throws `DeviceError` where its driver is not installed or does
 * not know the GPU.
 */
export async function compileFor(compiler: Compiler, { everyVariant = false } = {}): Promise<Compilation> {
  const env = environmentOf(compiler);
  if (env === null)
    throw new DeviceError(`There is no compiler for ${compiler.gpu} here.`, "On Debian it is installed by `npm run setup -- --compilers`.");
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const program = fileURLToPath(new URL(`./compile-kernels.${extension}`, import.meta.url));
  const loader = extension === "ts" ? ["--import", "tsx"] : [];
  const started = performance.now();
  const child = spawn(process.execPath, [...loader, program, ...(everyVariant ? ["all"] : [])], {
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  let device: CompiledDevice | null = null;
  const kernels: ReportedKernel[] = [];
  let printed: string[] = [];
  for await (const line of createInterface({ input: child.stderr })) {
    if (line.startsWith(marks.device)) device = JSON.parse(line.slice(marks.device.length)) as CompiledDevice;
    else if (line.startsWith(marks.begin)) printed = [];
    else if (line.startsWith(marks.end)) {
      const kernel = JSON.parse(line.slice(marks.end.length)) as CompiledKernel;
      kernels.push({ ...kernel, report: compiler.read(printed.join("\n")) });
    } else if (isWanted(line)) printed.push(line);
  }
  const code = await ended;
  if (code !== 0 || device === null) {
    const how = `ended with ${code ?? "a signal"} after ${kernels.length} kernels: ${printed.join(" ")}`;
    throw new DeviceError(`The compiler for ${compiler.gpu} ${how}`, "Use a newer Mesa, which may know this GPU.");
  }
  return { device, kernels, seconds: (performance.now() - started) / 1000 };
}
