/** Runs Python for tests that compare with its packages. SIMCSE_PYTHON names the program; without it these tests are skipped. */
import { spawn } from "node:child_process";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Python imports its packages for minutes when other work takes the cores. */
export const pythonTimeout = 600_000;

const program = process.env.SIMCSE_PYTHON;

/** Whether there is a Python that has all of these modules. */
export async function hasPython(...modules: readonly string[]): Promise<boolean> {
  if (program === undefined) return false;
  const code = `import importlib.util as u, sys; sys.exit(not all(u.find_spec(m) for m in ${JSON.stringify(modules)}))`;
  return runPython(["-c", code]).then(
    () => true,
    () => false,
  );
}

/** Whether a program starts and ends without an error. */
export function runs(command: string, ...args: readonly string[]): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: "ignore" });
    child.once("error", () => resolve(false)).once("exit", (code) => resolve(code === 0));
  });
}

/**
 * What Python prints. It writes into files, because a pipe would stay open as long as processes that it started hold it; what is left of these
 * ends with it.
 */
export async function runPython(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "simcse-python-"));
  const [output, errors] = [join(folder, "output"), join(folder, "errors")];
  const files = [await open(output, "w"), await open(errors, "w")];
  try {
    const child = spawn(program!, args, {
      stdio: ["ignore", ...files.map(({ fd }) => fd)],
      detached: true,
      env: { ...process.env, HF_HUB_OFFLINE: "1", ...env },
    });
    const code = await new Promise((resolve, reject) => child.once("error", reject).once("exit", resolve));
    endGroup(child.pid!);
    if (code === 0) return await readFile(output, "utf8");
    throw new Error(`Python ended with ${code}:\n${(await readFile(errors, "utf8")).slice(-4000)}`);
  } finally {
    for (const file of files) await file.close();
    await rm(folder, { recursive: true, force: true });
  }
}

function endGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL");
  } catch {
    // Nothing is left of it.
  }
}
