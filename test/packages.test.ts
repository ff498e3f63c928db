/** The packages state what they import, once, and have the same version. */
import { readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { join } from "node:path";
import { expect, it } from "vitest";
import { defaultModel } from "../src/simcse/checkpoint/default-model.ts";

interface Manifest {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

const manifest = (file: string) => JSON.parse(readFileSync(file, "utf8")) as Manifest;
const library = manifest("package.json");
const commandLine = manifest("cli/package.json");
const model = manifest("models/package/package.json");

/** Packages that the files of a folder import, types left out. */
function packagesOf(folder: string): string[] {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  const specifiers = files.flatMap((file) => {
    const code = readFileSync(join(folder, file), "utf8");
    const found = [...code.matchAll(/^import (?!type\b)[^;]*?from "([^"]+)";|\bimport\("([^"]+)"\)/gm)];
    return found.map(([, fixed, dynamic]) => (fixed ?? dynamic)!);
  });
  const names = specifiers
    .filter((name) => !name.startsWith(".") && !name.startsWith("node:") && !builtinModules.includes(name))
    .map((name) =>
      name
        .split("/")
        .slice(0, name.startsWith("@") ? 2 : 1)
        .join("/"),
    );
  return [...new Set(names)].sort();
}

it("the library depends on what src imports", () => {
  const stated = { ...library.dependencies, ...library.peerDependencies };
  expect(packagesOf("src").filter((name) => !(name in stated))).toEqual([]);
});

it("the command line depends on what src and tools import, and on nothing else", () => {
  const imported = new Set([...packagesOf("src"), ...packagesOf("tools")]);
  expect(Object.keys(commandLine.dependencies).sort()).toEqual([...imported].sort());
});

it("have the same version, and so have their libraries", () => {
  expect([commandLine.version, model.version]).toEqual([library.version, library.version]);
  const all = { ...library.devDependencies, ...library.peerDependencies, ...library.dependencies };
  const others = Object.entries(commandLine.dependencies).filter(([name, range]) => name in all && all[name] !== range);
  expect(others).toEqual([]);
  const { [defaultModel.package]: modelRange, ...installed } = library.peerDependencies ?? {};
  expect(modelRange).toBe(`^${library.version}`);
  const peers = Object.entries(installed).filter(([name, range]) => library.devDependencies?.[name] !== range);
  expect(peers).toEqual([]);
});
