/** The packages as `npm pack` makes them, and programs that install and run them. */
import { execFile } from "node:child_process";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

/** Runs a program; its output, or a failure that shows it. */
export async function run(cwd: string, program: string, ...args: string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(program, args, { cwd, maxBuffer: 2 ** 26 });
    return stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${program} ${args.join(" ")} failed in ${cwd}:\n${stdout}\n${stderr}`);
  }
}

/** Installs packages into the folder of an app. */
export const install = (app: string, ...packages: string[]): Promise<string> =>
  run(app, "npm", "install", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error", ...packages);

/** The files of the library, the command line and the default model, packed into a folder. */
export async function packAll(folder: string): Promise<{ library: string; commandLine: string; defaultModel: string }> {
  const pack = async (from: string) => {
    const [packed] = JSON.parse(await run(from, "npm", "pack", "--json", "--ignore-scripts", "--pack-destination", folder)) as [
      { filename: string },
    ];
    return join(folder, packed.filename);
  };
  return {
    library: await pack(resolve(".")),
    commandLine: await pack(resolve("cli")),
    defaultModel: await pack(resolve("models/package")),
  };
}
