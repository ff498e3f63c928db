/** The Pythons that a benchmark tries: what it compares with is installed in one of them, or in none. */
import { spawnSync } from "node:child_process";

/** Paths of Pythons, `$PYTHON` first. */
export const pythons: readonly string[] = [process.env.PYTHON, "python3", "/usr/bin/python3"].filter((path) => path !== undefined);

/** What the first Python prints in which a script succeeds; null if it does in none. */
export function runInPython(script: string, given: readonly string[]): string | null {
  for (const python of pythons) {
    const { status, stdout } = spawnSync(python, [script, ...given], { encoding: "utf8" });
    if (status === 0) return stdout;
  }
  return null;
}
