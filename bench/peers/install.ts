/** Installs the peers beside their package.json, where they are not there already. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** Null, or why npm could not: then each peer that is missing says so itself. */
export async function installPeers(): Promise<string | null> {
  const folder = fileURLToPath(new URL(".", import.meta.url));
  try {
    // Through a shell, since npm is a script on Windows.
    await promisify(execFile)("npm", ["install", "--no-save", "--no-audit", "--no-fund"], { cwd: folder, shell: true });
    return null;
  } catch (error) {
    return (error as { stderr?: string }).stderr?.trim().split("\n")[0] || (error as Error).message;
  }
}
