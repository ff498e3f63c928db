/** Packages that only some uses need, such as Dawn, the client of the hub and the writer of Parquet. Others do not install them. */
import { PackageError } from "./errors.ts";

/** What an error says of a package that is not there: in Node; in Jest and Yarn's Plug'n'Play. */
const notFound = ["ERR_MODULE_NOT_FOUND", "MODULE_NOT_FOUND"];

/**
 * Waits for a dynamic import of an optional package. Throws `PackageError`, which says how to install it, if it is not installed.
 *
 *     const { create } = await optionalPackage("webgpu", "open a device with Dawn", import("webgpu"));
 */
export async function optionalPackage<T>(name: string, purpose: string, loading: Promise<T>): Promise<T> {
  try {
    return await loading;
  } catch (cause) {
    if (!notFound.includes((cause as { code?: string }).code ?? "")) throw cause;
    throw new PackageError(`The package ${name} is needed to ${purpose}, and is not installed.`, `Run \`${installing(name)}\`.`, { cause });
  }
}

/** The command that installs a package for the runtime that this is. */
export function installing(name: string): string {
  if ("Deno" in globalThis) return `deno add npm:${name}`;
  return `${"Bun" in globalThis ? "bun add" : "npm install"} ${name}`;
}
