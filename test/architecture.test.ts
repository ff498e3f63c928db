/** The rules of ARCHITECTURE.md: imports point one way, and only files whose names say so import Node's modules. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, it } from "vitest";

/** For each room of src, the rooms that it may import from besides itself and the files beside the rooms: errors, options, optional-package, show. */
const rooms: Readonly<Record<string, readonly string[]>> = {
  gpu: [],
  io: [],
  kernels: ["gpu"],
  autograd: ["gpu", "kernels"],
  tuning: ["gpu", "io", "kernels", "autograd"],
  nn: ["gpu", "io", "kernels", "autograd"],
  simcse: ["gpu", "kernels", "autograd", "tuning", "nn", "io"],
};

const source = resolve("src");
const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
const imports = (file: string) =>
  [...readFileSync(join(source, file), "utf8").matchAll(/^(?:import|export)\b[^;]*?from "([^"]+)";/gm)].map(([, from]) => from!);

it.each(Object.keys(rooms))("src/%s imports only from the rooms below it", (room) => {
  const wrong = files
    .filter((file) => file.startsWith(`${room}/`))
    .flatMap((file) =>
      imports(file)
        .filter((from) => from.startsWith("."))
        .map((from) => relative(source, resolve(source, dirname(file), from)))
        .filter(
          (target) =>
            !["errors.ts", "options.ts", "optional-package.ts", "show.ts", "float16.ts", "finite.ts"].includes(target) &&
            ![room, ...rooms[room]!].includes(target.split("/")[0]!),
        )
        .map((target) => `${file} imports ${target}`),
    );
  expect(wrong).toEqual([]);
});

it("only gpu/node.ts and files that end in -node.ts import Node's modules or Dawn", () => {
  const reaching = files.filter((file) =>
    imports(file).some((from) => from.startsWith("node:") || from === "webgpu" || /-node\.ts$|\/gpu\/node\.ts$/.test(from)),
  );
  expect(reaching.filter((file) => file !== "gpu/node.ts" && !file.endsWith("-node.ts"))).toEqual([]);
});

it("files whose classes can be disposed of import disposal.ts", () => {
  const disposable = files.filter((file) => /^ +(?:async )?\[Symbol\.(?:d|asyncD)ispose\]/m.test(readFileSync(join(source, file), "utf8")));
  expect(disposable).toContain("gpu/device.ts");
  expect(disposable.filter((file) => !/^import "(?:\.\.\/)+disposal\.ts";$/m.test(readFileSync(join(source, file), "utf8")))).toEqual([]);
});

it("no files import each other in a circle, types included", () => {
  const project = ["src", "tools", "bench", "web"].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((file) => /\.tsx?$/.test(file) && !file.includes("node_modules"))
      .map((file) => join(folder, file)),
  );
  const graph = new Map(project.map((file) => [file, relativeImports(file)]));
  expect(circles(graph)).toEqual([]);
});

/** The project's files that a file imports, for values or for types. */
function relativeImports(file: string): string[] {
  const text = readFileSync(file, "utf8");
  return [...text.matchAll(/^(?:import|export)\b(?:[^;"]*? from)? ?"(\.[^"]+)";/gm)].map(([, from]) => join(dirname(file), from!));
}

/** Strongly connected components of more than one file (Tarjan 1972). */
function circles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = [];
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const stack: string[] = [];
  const visit = (file: string): void => {
    order.set(file, order.size);
    lowest.set(file, order.get(file)!);
    stack.push(file);
    for (const target of graph.get(file)!.filter((known) => graph.has(known))) {
      if (!order.has(target)) visit(target);
      if (stack.includes(target)) lowest.set(file, Math.min(lowest.get(file)!, lowest.get(target)!));
    }
    if (lowest.get(file) !== order.get(file)) return;
    const component = stack.splice(stack.indexOf(file));
    if (component.length > 1) found.push(component);
  };
  for (const file of graph.keys()) if (!order.has(file)) visit(file);
  return found;
}
