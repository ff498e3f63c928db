/** Installs the peers beside their package.json, where they are not there already. */
import { exec } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** Null, or why npm could not: then each peer that is missing says so itself. */
export async function installPeers(): Promise<string | null> {
  const folder = fileURLToPath(new URL(".", import.meta.url));
  try {
    await promisify(exec)("npm install --no-save --no-audit --no-fund", { cwd: folder });
    return null;
  } catch (error) {
    return (error as { stderr?: string }).stderr?.trim().split("\n")[0] || (error as Error).message;
  }
}
