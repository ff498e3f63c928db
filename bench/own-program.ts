/** Programs of the benchmarks that run in a process of their own: as TypeScript through tsx, or built (`npm run build:bench`), like the file that starts them. */
import { fileURLToPath } from "node:url";

/** Node's arguments that run the program `name`, a path without extension relative to the file whose `import.meta.url` is `from`. */
export function programArguments(name: string, from: string): readonly string[] {
  const [extension, loader] = from.endsWith(".ts") ? ["ts", ["--import", "tsx"]] : ["js", []];
  return [...loader, fileURLToPath(new URL(`${name}.${extension}`, from))];
}
