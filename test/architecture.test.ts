/** The house's own rules: imports point one way, and only files that say so import Node's modules (ARCHITECTURE.md). */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, it } from "vitest";

/** Each room of src, and the rooms that it may import from besides itself, src/errors.ts and src/options.ts. */
const rooms: Readonly<Record<string, readonly string[]>> = {
  gpu: [],
  io: [],
  kernels: ["gpu"],
  autograd: ["gpu", "kernels"],
  tuning: ["gpu", "io", "kernels", "autograd"],
  nn: ["gpu", "kernels", "autograd"],
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
        .filter((target) => !["errors.ts", "options.ts"].includes(target) && ![room, ...rooms[room]!].includes(target.split("/")[0]!))
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
