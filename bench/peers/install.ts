/** Installs the peers beside their package.json, unless they are already installed. */
import { exec } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** Null, or the reason why npm failed; each missing peer then reports itself. */
export async function installPeers(): Promise<string | null> {
  const folder = fileURLToPath(new URL(".", import.meta.url));
  try {
    await promisify(exec)("npm install --no-save --no-audit --no-fund", { cwd: folder });
    return null;
  } catch (error) {
    return (error as { stderr?: string }).stderr?.trim().split("\n")[0] || (error as Error).message;
  }
}
