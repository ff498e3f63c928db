/** Compiles this package's kernels for a GPU that is not here, in a process of its own. */
import { spawn } from "node:child_process";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DeviceError } from "../../src/errors.ts";
import { programArguments } from "../own-program.ts";
import { type Compiler, environmentOf, type Report } from "./compilers.ts";
import type { CompiledDevice, CompiledKernel, Message } from "./messages.ts";

/** A kernel and its figures; none where it was not compiled, or the driver printed something else. */
export interface ReportedKernel extends CompiledKernel {
  readonly report: Report | null;
}

/** What a GPU's compiler made of the kernels. */
export interface Compilation {
  readonly device: CompiledDevice;
  readonly kernels: readonly ReportedKernel[];
  readonly seconds: number;
}

/**
 * Compiles every kernel that the GPU would run, or with `everyVariant` could run. Throws `DeviceError` where its driver is not installed or does
 * not know the GPU.
 */
export async function compileFor(compiler: Compiler, { everyVariant = false } = {}): Promise<Compilation> {
  const env = environmentOf(compiler);
  if (env === null)
    throw new DeviceError(`There is no compiler for ${compiler.gpu} here.`, "On Debian it is installed by `npm run setup -- --compilers`.");
  const folder = await mkdtemp(join(tmpdir(), "simcse-compilers-"));
  // A file, because drivers give up when a pipe is full for a moment. Appended to, because it is emptied in between.
  const printed = join(folder, "printed.txt");
  const stderr = await open(printed, "a");
  try {
    const started = performance.now();
    const args = [...programArguments("compile-kernels", import.meta.url), printed, everyVariant ? "all" : "chosen"];
    const child = spawn(process.execPath, args, { env, stdio: ["ignore", "ignore", stderr.fd, "ipc"] });
    let device: CompiledDevice | null = null;
    const kernels: ReportedKernel[] = [];
    child.on("message", (message: Message | null) => {
      if (message === null) return;
      if ("device" in message) device = message.device;
      else kernels.push({ ...message.kernel, report: compiler.read(message.kernel.printed) });
    });
    const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
    if (code !== 0 || device === null) {
      const how = `ended with ${code ?? "a signal"} after ${kernels.length} kernels: ${(await readFile(printed, "utf8")).slice(0, 500).trim()}`;
      throw new DeviceError(`The compiler for ${compiler.gpu} ${how}`, "Use a newer Mesa, which may know this GPU.");
    }
    return { device, kernels, seconds: (performance.now() - started) / 1000 };
  } finally {
    await stderr.close();
    await rm(folder, { recursive: true, force: true });
  }
}
