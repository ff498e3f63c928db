/**
 * What the package exports, read from its built declarations with the TypeScript 5 API (the project compiles with TypeScript 7, which has none):
 * everything that a public signature names is exported, every export has a docstring, and each has one name.
 */
import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { relative, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import type TypeScript from "../docs/node_modules/typescript/lib/typescript.js";

const ts = createRequire(import.meta.url)(resolve("docs/node_modules/typescript")) as typeof TypeScript;

/** The faces of the package; Node's and the browser's are two forms of one. */
const faces = ["index.d.ts", "index-node.d.ts", "kernels.d.ts"];

// Inside the project, so that the libraries that the declarations name are found.
const built = resolve("out", `declarations-${process.pid}`);

let checker: TypeScript.TypeChecker;
/** Each export's own symbol, and the names that it has in the faces. */
const exported = new Map<TypeScript.Symbol, Set<string>>();

beforeAll(async () => {
  await promisify(execFile)("npx", ["tsc", "-p", "tsconfig.build.json", "--outDir", built]);
  const files = faces.map((face) => resolve(built, "src", face));
  const program = ts.createProgram(files, {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    strict: true,
    types: ["node", "@webgpu/types"],
  });
  checker = program.getTypeChecker();
  for (const file of files) {
    const face = checker.getSymbolAtLocation(program.getSourceFile(file)!)!;
    for (const symbol of checker.getExportsOfModule(face)) {
      const own = resolved(symbol);
      if (!isOurs(own)) continue;
      exported.set(own, (exported.get(own) ?? new Set()).add(symbol.name));
    }
  }
});

afterAll(() => rm(built, { recursive: true, force: true }));

const resolved = (symbol: TypeScript.Symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol);

/** Whether a symbol is declared in the package; the names of WebGPU's types are global. */
const isOurs = ({ declarations = [] }: TypeScript.Symbol) =>
  declarations.some((declaration) => {
    const file = declaration.getSourceFile().fileName;
    return file.startsWith(built) && !file.endsWith("browser-types.d.ts");
  });

const place = (symbol: TypeScript.Symbol) => `${symbol.name} (${relative(built, symbol.declarations![0]!.getSourceFile().fileName)})`;

/** The types that a declaration names, private members left out. */
function* namedTypes(node: TypeScript.Node): Generator<TypeScript.Symbol> {
  const modifiers = ts.canHaveModifiers(node) ? (ts.getModifiers(node) ?? []) : [];
  if (modifiers.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword)) return;
  const name = ts.isTypeReferenceNode(node) ? node.typeName : ts.isExpressionWithTypeArguments(node) ? node.expression : undefined;
  const symbol = name && checker.getSymbolAtLocation(name);
  if (symbol !== undefined) yield resolved(symbol);
  const children: TypeScript.Node[] = [];
  ts.forEachChild(node, (child) => void children.push(child));
  for (const child of children) yield* namedTypes(child);
}

it("exports every type that a public signature names", () => {
  const missing: string[] = [];
  const seen = new Set(exported.keys());
  for (const symbol of seen) {
    for (const type of (symbol.declarations ?? []).flatMap((declaration) => [...namedTypes(declaration)])) {
      if (seen.has(type) || !isOurs(type) || type.flags & ts.SymbolFlags.TypeParameter) continue;
      // Types that it names are visited too, because iterating a set includes elements added meanwhile.
      seen.add(type);
      missing.push(`${place(type)}, named by ${symbol.name}`);
    }
  }
  expect(missing).toEqual([]);
});

it("has a docstring for every export", () => {
  const bare = [...exported.keys()].filter((symbol) => symbol.getDocumentationComment(checker).length === 0);
  expect(bare.map(place)).toEqual([]);
});

it("exports nothing under two names", () => {
  expect([...exported.values()].filter((names) => names.size > 1)).toEqual([]);
});
