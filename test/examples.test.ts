/** The programs in `examples/` and those of `docs/adding-an-operation.md`, run unchanged. */
import { execFile } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { f32, type Value } from "../src/kernels/language/operation.ts";
import { openTestDevice } from "./device.ts";
import { expectAdjoint, expectClose } from "./kernels/close.ts";
import { normals } from "./kernels/data.ts";
import { adjoint, build, execute } from "./kernels/run.ts";
import { rowVariants } from "./kernels/variants.ts";

const device = await openTestDevice();

/** Everything that a program prints. */
async function output(...args: string[]): Promise<string> {
  return (await promisify(execFile)(process.execPath, args)).stdout;
}

describe("examples", () => {
  it("the autoencoder's loss falls to a tenth", async () => {
    const printed = await output("--import", "tsx", "examples/autoencoder.ts");
    const losses = [...printed.matchAll(/loss ([\d.]+)/g)].map(([, loss]) => Number(loss));
    expect(losses.at(-1)).toBeLessThan(losses[0]! / 10);
  });

  it("the text classifier tells good reviews from bad ones that it has not seen", async () => {
    const printed = await output("--import", "tsx", "examples/text-classifier.ts");
    const shares = [...printed.matchAll(/: (\d+)% good/g)].map(([, share]) => Number(share));
    expect(shares.map((share) => share > 80)).toEqual([true, false, true, false]);
    expect(shares.map((share) => share < 20)).toEqual([false, true, false, true]);
  });
});

describe("docs/adding-an-operation.md", async () => {
  // Inside the project, so that TypeScript finds what the code imports.
  const folder = resolve("out", `adding-an-operation-${process.pid}`);
  await mkdir(folder, { recursive: true });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const page = await readFile("docs/adding-an-operation.md", "utf8");
  const [softplusCode, rmsNormCode] = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, block]) => block!);
  await writeFile(join(folder, "softplus.ts"), softplusCode!);
  await writeFile(join(folder, "rms-norm.ts"), rmsNormCode!);

  /** A module of the page, which imports the package's source by the package's names. */
  async function load<T>(name: string): Promise<T> {
    const text = await readFile(join(folder, name), "utf8");
    const faces = { "simcse-webgpu": "index-node.ts", "simcse-webgpu/kernels": "kernels.ts" };
    const file = join(folder, `runs-${name}`);
    const imports = Object.entries(faces).reduce(
      (code, [from, face]) => code.replaceAll(`"${from}"`, JSON.stringify(resolve("src", face))),
      text,
    );
    await writeFile(file, imports);
    return (await import(/* @vite-ignore */ pathToFileURL(file).href)) as T;
  }

  it("is valid TypeScript", async () => {
    const project = { extends: resolve("tsconfig.json"), include: ["softplus.ts", "rms-norm.ts"], exclude: [] };
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify(project));
    await output(resolve("node_modules", ".bin", "tsc"), "-p", folder);
  });

  it.each([
    { file: "softplus.ts", name: "softplus", f: (x: ArrayLike<number>) => Array.from(x, (v) => Math.log1p(Math.exp(v))) },
    {
      file: "rms-norm.ts",
      name: "rmsNorm",
      f: (x: ArrayLike<number>) => {
        const all = Array.from(x);
        return Array.from({ length: all.length / 12 }, (_, row) => all.slice(12 * row, 12 * row + 12)).flatMap((values) => {
          const rms = Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / 12 + 1e-6);
          return values.map((v) => v / rms);
        });
      },
    },
  ])("$name computes what it says, forward and backward", async ({ file, name, f }) => {
    const operation = (await load<Record<string, (x: Value) => Value>>(file))[name]!;
    for (const { capabilities } of rowVariants(device)) {
      const program = await build(
        device,
        (tape) => {
          const y = operation(tape.input("x", f32(tape.extent("rows", 59), 12)));
          return { y, dx: adjoint(y, tape.input("dy", y))[0]! };
        },
        capabilities,
      );
      const [x, dy] = [normals(57 * 12, 141), normals(57 * 12, 142)];
      const { y, dx } = await execute(program, { inputs: { x, dy }, live: { rows: 57 } });
      expectClose(y!, f(x), { c: 16 });
      expectAdjoint(dx!, x, dy, f, { c: 16 });
      program.close();
    }
  });
});
