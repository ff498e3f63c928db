/**
 * Matrix products: the shapes of a BERT in all three layouts, f32 and f16, in every variant of the device. The variants of
 * a product take turns, and each is compared with float64 dot products at some places: a wrong kernel is marked WRONG.
 */
import { plan } from "../src/autograd/plan.ts";
import { Program } from "../src/autograd/program.ts";
import { Tape } from "../src/autograd/tape.ts";
import type { Device } from "../src/gpu/device.ts";
import { cast } from "../src/kernels/cast.ts";
import { type FloatType, f32 } from "../src/kernels/language/operation.ts";
import { type Layout, operandShapes } from "../src/kernels/matmul/attributes.ts";
import { matmul } from "../src/kernels/matmul/matmul.ts";
import { contenderOf } from "../src/tuning/measure.ts";
import { integers, normals } from "../test/kernels/data.ts";
import { type BenchTable, measureKernels, percent, short, timeCells, workOf } from "./measure.ts";
import { benchDtypes } from "./models.ts";
import type { Bench } from "./open-bench.ts";

interface Product {
  /** Its role in BERT. */
  readonly name: string;
  readonly layout: Layout;
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** The products of a layer with the given tokens, hidden size and intermediate size. */
const layer = (model: string, tokens: number, hidden: number, intermediate: number): Product[] => [
  { name: `${model}, query·key·value`, layout: "nt", m: tokens, n: 3 * hidden, k: hidden },
  { name: `${model}, intermediate`, layout: "nt", m: tokens, n: intermediate, k: hidden },
  { name: `${model}, output`, layout: "nt", m: tokens, n: hidden, k: intermediate },
  { name: `${model}, gradient of output's input`, layout: "nn", m: tokens, n: intermediate, k: hidden },
  { name: `${model}, gradient of output's weight`, layout: "tn", m: hidden, n: intermediate, k: tokens },
];

const cube = (layout: Layout, size: number): Product => ({ name: `${size}³`, layout, m: size, n: size, k: size });
const cubes = (size: number) => (["nn", "nt", "tn"] as const).map((layout) => cube(layout, size));

function products({ quick, device: { capabilities } }: Bench): Product[] {
  if (quick) return [...cubes(256), ...layer("hidden 128", 512, 128, 512).slice(1, 2)];
  if (!capabilities.software) return [...cubes(1024), ...cubes(4096), ...layer("BERT-base", 4096, 768, 3072)];
  // A batch of BERT-base takes many seconds on a CPU, so a quarter of it is used.
  return [...cubes(512), cube("nn", 1024), ...layer("hidden 128", 4096, 128, 512), ...layer("BERT-base", 1024, 768, 3072).slice(1, 2)];
}

/** The positions of the factors of element (row, column) of a product at a depth. */
const factors: Record<Layout, (product: Product, row: number, column: number, depth: number) => [number, number]> = {
  nn: ({ n, k }, i, j, d) => [i * k + d, d * n + j],
  nt: ({ k }, i, j, d) => [i * k + d, j * k + d],
  tn: ({ m, n }, i, j, d) => [d * m + i, d * n + j],
};

interface Candidate {
  readonly variant: string;
  readonly program: Program;
}

/** A program for each variant, whose output `c` is always f32. */
async function candidates(device: Device, product: Product, dtype: FloatType): Promise<Candidate[]> {
  const { a: left, b: right } = operandShapes[product.layout](product);
  const record = () => {
    const tape = new Tape();
    const [a, b] = [tape.input("a", f32(...left)), tape.input("b", f32(...right))];
    return { tape, outputs: { c: cast(matmul(cast(a, dtype), cast(b, dtype), product.layout), "f32") } };
  };
  const names: string[] = [];
  const { tape, outputs } = record();
  plan(tape, outputs, device.capabilities, (node, variants) => {
    if (node.operation.name === "matmul") names.push(...toCompare(variants.map(({ name }) => name)));
    return undefined;
  });
  const found: Candidate[] = [];
  for (const wanted of names) {
    const { tape, outputs } = record();
    const planned = plan(tape, outputs, device.capabilities, (_, variants) => variants.find(({ name }) => name === wanted));
    const { lowering } = planned.steps.find(({ node }) => node.operation.name === "matmul")!;
    found.push({ variant: lowering.variant, program: await Program.build(device, planned, outputs, {}) });
  }
  return found;
}

/** All variants; but beside matrix units, which are several times faster, one tile is enough. */
function toCompare(names: readonly string[]): string[] {
  const onMatrices = names.filter((name) => name.startsWith("subgroup matrix"));
  return onMatrices.length === 0 ? [...names] : [...onMatrices, ...names.filter((name) => !onMatrices.includes(name)).slice(0, 1)];
}

/** Number of places of a product that are compared. */
const places = 64;

async function isRight({ program }: Candidate, product: Product, a: Float32Array, b: Float32Array, dtype: FloatType): Promise<boolean> {
  const { m, n, k, layout } = product;
  const c = await program.read("c");
  // The product has a standard deviation of √K. f16 rounds factors and product, f32 each of K sums.
  const tolerance = 16 * Math.sqrt(k) * (dtype === "f16" ? 2 ** -11 : 2 ** -24 * Math.sqrt(k));
  const [rows, columns] = [integers(places, m, 1), integers(places, n, 2)];
  return rows.every((row, i) => {
    const column = columns[i]!;
    let expected = 0;
    for (let depth = 0; depth < k; depth++) {
      const [x, y] = factors[layout](product, row, column, depth);
      expected += a[x]! * b[y]!;
    }
    return Math.abs(c[row * n + column]! - expected) <= tolerance;
  });
}

/** What the last column says of a product that is not right. */
export const wrong = "WRONG";

/** The table of all products. */
export async function matmulTable(bench: Bench): Promise<BenchTable> {
  const { device, ceilings } = bench;
  const rows: string[][] = [];
  for (const product of products(bench)) {
    const { name, layout, m, n, k } = product;
    const [a, b] = [normals(m * k, 3), normals(k * n, 4)];
    for (const dtype of benchDtypes(bench)) {
      const list = await candidates(device, product, dtype);
      const isMatmul = (operation: string) => operation === "matmul";
      for (const { program } of list) program.run({ inputs: { a, b } });
      const right = await Promise.all(list.map((candidate) => isRight(candidate, product, a, b, dtype)));
      const timings = await measureKernels(
        bench,
        list.map(({ program }) => contenderOf(program, ({ operation }) => isMatmul(operation.name))),
      );
      for (const [i, { variant, program }] of list.entries()) {
        const { milliseconds } = timings[i]!;
        const { flop, roofline } = workOf(
          program.work().filter(({ operation }) => isMatmul(operation)),
          ceilings,
        );
        rows.push([
          `${layout} ${m}×${n}×${k} (${name})`,
          `${dtype} ${variant}${i === 0 ? " ←" : ""}`,
          ...timeCells(timings[i]!),
          short(flop / milliseconds / 1e6),
          percent(roofline / milliseconds),
          right[i] ? "right" : wrong,
        ]);
        program.close();
      }
    }
  }
  return {
    head: ["matmul", "variant", "ms", "spread", "GFLOP/s", "of ceiling", "result"],
    rows,
    note: "← is what the device chooses without measuring.",
  };
}
