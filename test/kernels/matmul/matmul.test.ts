import { describe, expect, it } from "vitest";
import { ShapeError } from "../../../src/errors.ts";
import { type Dimension, f32 } from "../../../src/kernels/language/operation.ts";
import type { Layout } from "../../../src/kernels/matmul/attributes.ts";
import { matmul } from "../../../src/kernels/matmul/matmul.ts";
import { gelu } from "../../../src/kernels/pointwise/pointwise.ts";
import { openTestDevice } from "../../device.ts";
import { weighted } from "../../reference/differences.ts";
import { gelu as gelu64, geluDerivative } from "../../reference/gelu.ts";
import * as reference from "../../reference/matmul.ts";
import { columnSum } from "../../reference/reductions.ts";
import { expectClose, expectGradient, expectSame } from "../close.ts";
import { laidOut, livePart, normals } from "../data.ts";
import { adjoint, build, execute } from "../run.ts";
import { matmulVariants, type Variant } from "../variants.ts";
import { epilogues } from "./epilogues.ts";

const device = await openTestDevice();

type Size = reference.MatmulSize;
const size = (m: number, n: number, k: number): Size => ({ m, n, k });

const layouts: readonly Layout[] = ["nn", "nt", "tn"];
/** The way that the device runs them by itself. */
const own = matmulVariants(device).at(-1)!;
const cases = matmulVariants(device).flatMap((variant) => layouts.map((layout) => ({ variant, layout, name: variant.name })));

const shapeOfA = { nn: ["m", "k"], nt: ["m", "k"], tn: ["k", "m"] } as const;
const shapeOfB = { nn: ["k", "n"], nt: ["n", "k"], tn: ["k", "n"] } as const;

/** The sizes that may be live in `soft`. */
const liveInSoft = { nn: ["m", "k"], nt: ["m", "n"], tn: ["m", "k"] } as const;

interface Product {
  readonly variant: Variant;
  readonly layout: Layout;
  readonly capacity: Size;
  readonly live?: readonly (keyof Size)[];
  readonly bias?: boolean;
  readonly scale?: number;
}

/** A program for C, and where `gradients` are wanted for those of A, B and the bias. */
async function product({ variant, layout, capacity, live = [], bias = false, scale = 1 }: Product, gradients = false) {
  const program = await build(
    device,
    (tape) => {
      const dimension = (name: keyof Size): Dimension => (live.includes(name) ? tape.extent(name, capacity[name]) : capacity[name]);
      const matrix = (name: string, shape: readonly (keyof Size)[]) => tape.input(name, f32(...shape.map(dimension)));
      const options = { scale, ...(bias ? { bias: matrix("bias", ["n"]) } : {}) };
      const c = matmul(matrix("a", shapeOfA[layout]), matrix("b", shapeOfB[layout]), layout, options);
      if (!gradients) return { c };
      const [da, db, dBias] = adjoint(c, tape.input("dc", c));
      return { c, da: da!, db: db!, ...(dBias ? { dBias } : {}) };
    },
    variant.capabilities,
    variant.choose,
  );
  const chosen = program.plan.steps.find(({ node }) => node.operation.name === "matmul")!.lowering.variant.split(" ")[0];
  // `tile` handles sizes that do not divide into vectors, `soft` all others.
  const inFours = Object.values(capacity).every((count) => count % 4 === 0);
  if (variant.name === "tile" || (inFours && live.length === 0)) expect(chosen).toBe(variant.name);

  const shapes = { a: shapeOfA[layout], b: shapeOfB[layout], c: ["m", "n"] } as const;
  /** Runs on random operands of the given live size, which stand in memory laid out for the capacity, with NaN around them. */
  const execution = async (now: Size) => {
    const random = (name: "a" | "b" | "c", seed: number) => {
      const [rows, columns] = shapes[name];
      return normals(now[rows] * now[columns], seed);
    };
    const inMemory = (name: "a" | "b" | "c", data: Float32Array) => laidOut(data, now[shapes[name][1]], capacity[shapes[name][1]]);
    const operands = { a: random("a", 43), b: random("b", 44), dc: random("c", 45), bias: normals(now.n, 46) };
    const outputs = await execute(program, {
      inputs: {
        a: inMemory("a", operands.a),
        b: inMemory("b", operands.b),
        ...(gradients ? { dc: inMemory("c", operands.dc) } : {}),
        ...(bias ? { bias: operands.bias } : {}),
      },
      live: Object.fromEntries(live.map((name) => [name, now[name]])),
    });
    const outOfMemory = (name: "a" | "b" | "c", output: Float32Array) =>
      livePart(output, now[shapes[name][0]], now[shapes[name][1]], capacity[shapes[name][1]]);
    return { operands, outputs, outOfMemory };
  };
  const compare = async (now: Size) => {
    const { operands, outputs, outOfMemory } = await execution(now);
    const expected = reference.matmul(layout, now, operands.a, operands.b, { scale, ...(bias ? { bias: operands.bias } : {}) });
    // Partial sums of k products of deviation one grow to √k: a lone small result has their roundings too.
    expectClose(outOfMemory("c", outputs.c!), expected, { terms: now.k + 2, scale: Math.abs(scale) * Math.sqrt(now.k) + 1 });
  };
  return { chosen, compare, execution, close: () => program.close() };
}

describe.each(cases)("matmul $layout, $name", ({ variant, layout }) => {
  it.each([
    size(1, 1, 1),
    size(7, 57, 1),
    size(57, 7, 1001),
    size(1001, 57, 7),
    size(1, 1001, 57),
    size(57, 1, 1),
    size(64, 64, 64),
    size(57, 60, 64),
    size(60, 1000, 57),
    size(1001, 4, 8),
    size(4, 260, 1001),
  ])("equals the float64 reference for $m × $n × $k", async (capacity) => {
    // Sizes that need the same code share a pipeline: those with whole blocks of k have no bias, all others have one.
    const options = capacity.k % 16 === 0 ? {} : { bias: true, scale: 0.5 };
    const { compare, close } = await product({ variant, layout, capacity, ...options });
    await compare(capacity);
    close();
  });

  it("reads and writes only what is live", async () => {
    const capacity = size(132, 72, 68);
    const live = variant.name === "tile" ? (["m", "n", "k"] as const) : liveInSoft[layout];
    const { chosen, compare, close } = await product({ variant, layout, capacity, live, bias: true, scale: -1.5 });
    expect(chosen).toBe(variant.name);
    for (const count of [65, 57, 7, 1]) {
      for (const name of live) await compare({ ...capacity, [name]: count });
      await compare({ ...capacity, ...Object.fromEntries(live.map((name) => [name, count])) });
    }
    close();
  });

  it("gives the same bits again", async () => {
    const capacity = size(64, 128, 1000);
    const { execution, close } = await product({ variant, layout, capacity });
    const first = await execution(capacity);
    const again = await execution(capacity);
    expectSame(again.outputs.c!, first.outputs.c!);
    close();
  });

  it("sums nothing to the bias", async () => {
    const capacity = size(12, 8, 16);
    const { execution, close } = await product({ variant, layout, capacity, live: ["k"], bias: true, scale: 2 });
    const { operands, outputs } = await execution({ ...capacity, k: 0 });
    expect(outputs.c).toEqual(Float32Array.from({ length: 12 * 8 }, (_, i) => operands.bias[i % 8]!));
    close();
  });
});

describe.each(layouts)("matmul's gradients in layout %s", (layout) => {
  it.each([
    { capacity: size(57, 64, 68), live: [], scale: 0.7, bias: true },
    { capacity: size(7, 1, 57), live: [], scale: 1, bias: true },
    { capacity: size(132, 72, 68), live: ["m", "k"], scale: 20, bias: false },
  ] as const)("are the gradients of the reference for $capacity", async ({ capacity, ...options }) => {
    const { execution, close } = await product({ variant: own, layout, capacity, ...options }, true);
    const now = { ...capacity, ...Object.fromEntries(options.live.map((name) => [name, 57])) };
    const { operands, outputs, outOfMemory } = await execution(now);
    const { a, b, dc, bias } = operands;
    const of = (a: ArrayLike<number>, b: ArrayLike<number>, bias?: ArrayLike<number>) =>
      reference.matmul(layout, now, a, b, { scale: options.scale, ...(bias ? { bias } : {}) });
    const scale = (terms: number) => ({ terms, scale: options.scale * Math.sqrt(terms) });
    expectGradient(
      outOfMemory("a", outputs.da!),
      a,
      weighted(dc, (x) => of(x, b)),
      scale(now.n),
    );
    expectGradient(
      outOfMemory("b", outputs.db!),
      b,
      weighted(dc, (x) => of(a, x)),
      scale(now.m),
    );
    if (options.bias)
      expectGradient(
        outputs.dBias!,
        bias,
        weighted(dc, (x) => of(a, b, x)),
        { terms: now.m, scale: Math.sqrt(now.m) },
      );
    close();
  });
});

/** What the outputs of `epilogues` are, in float64. */
function expectedEpilogues(layout: Layout, now: Size, { a, b, bias, matrix }: Record<"a" | "b" | "bias" | "matrix", Float32Array>) {
  const plain = reference.matmul(layout, now, a, b);
  const product = reference.matmul(layout, now, a, b, { bias });
  return {
    bias: product,
    gelu: product.map(gelu64),
    preActivation: product,
    geluGradient: product.map((value, i) => value * geluDerivative(matrix[i]!)),
    addend: product.map((value, i) => value + matrix[i]!),
    ...(layout === "tn" ? { product: plain, rowSums: columnSum(a, now.m) } : {}),
  };
}

// `tile` finishes alike in all layouts, and has sums of rows in this one.
describe.each(cases.filter(({ name, layout }) => name === "soft" || layout === "tn"))(
  "matmul's epilogues in layout $layout, $name",
  ({ name, layout, variant: { capabilities } }) => {
    it("equal the float64 reference", async () => {
      const capacity = size(132, 72, 68);
      const liveName = layout === "tn" ? "k" : "m";
      const program = await build(
        device,
        (tape) => epilogues(tape, layout, { ...capacity, [liveName]: tape.extent("rows", capacity[liveName]) }, "f32"),
        capabilities,
      );
      for (const { node, lowering } of program.plan.steps) if (node.operation.name === "matmul") expect(lowering.variant).toMatch(name);
      const now = { ...capacity, [liveName]: 57 };
      const operands = {
        a: normals(now.m * now.k, 47),
        b: normals(now.n * now.k, 48),
        bias: normals(now.n, 49),
        matrix: normals(now.m * now.n, 50),
      };
      const outputs = await execute(program, {
        inputs: Object.fromEntries(Object.entries(operands).map(([name, data]) => [`${layout} ${name}`, data])),
        live: { rows: 57 },
      });
      const expected = expectedEpilogues(layout, now, operands);
      expect(Object.keys(outputs)).toEqual(Object.keys(expected));
      for (const [name, values] of Object.entries(expected)) {
        // GELU's error function is right to 1.5e-7, two roundings and a half of numbers near one.
        expectClose(outputs[name]!, values, { c: 8, terms: now.k + 2, scale: Math.sqrt(now.k) + 1 });
      }
      program.close();
    });
  },
);

/** Sizes that the variant takes, at the edges of its tiles, and which of them is live. */
const throughTextures = {
  nn: { capacity: size(140, 192, 128), live: "m", counts: [140, 65, 7] },
  nt: { capacity: size(140, 132, 128), live: "m", counts: [140, 65, 7] },
  tn: { capacity: size(192, 128, 140), live: "k", counts: [140, 65, 7, 0] },
} as const;

describe.skipIf(device.capabilities.subgroupSize !== 8)("matmul through textures", () => {
  const capabilities = { ...device.capabilities, software: true };

  it.each(layouts)("equals the float64 reference in layout %s, with every epilogue", async (layout) => {
    const { capacity, live, counts } = throughTextures[layout];
    const program = await build(
      device,
      (tape) => epilogues(tape, layout, { ...capacity, [live]: tape.extent("rows", capacity[live]) }, "f32"),
      capabilities,
    );
    for (const { lowering } of program.plan.steps) expect(lowering.variant).toMatch(/^soft textures/);
    // Operands are copied once, for the first of the products that read them.
    const copied = [...program.plan.textures.uses.values()].flatMap((uses) => [...uses.values()]).filter(({ isCopied }) => isCopied);
    expect(copied).toHaveLength(2);
    for (const count of counts) {
      const now = { ...capacity, [live]: count };
      const operands = {
        a: normals(now.m * now.k, 47),
        b: normals(now.n * now.k, 48),
        bias: normals(now.n, 49),
        matrix: normals(now.m * now.n, 50),
      };
      const inputs = Object.fromEntries(Object.entries(operands).map(([name, data]) => [`${layout} ${name}`, data]));
      const outputs = await execute(program, { inputs, live: { rows: count } });
      for (const [name, values] of Object.entries(expectedEpilogues(layout, now, operands))) {
        expectClose(outputs[name]!, values, { c: 8, terms: now.k + 2, scale: Math.sqrt(now.k) + 1 });
      }
      const again = await execute(program, { inputs, live: { rows: count } });
      expect(again).toEqual(outputs);
    }
    program.close();
  });
});

/**
 * Tiles of each size. Only the first is as a GPU has it, with depths written out, and with k in parts: such kernels take a software adapter
 * seconds to compile, and a loaded one minutes.
 */
const layerTiles: readonly (Record<Layout, string> & { software: boolean })[] = [
  { nt: "tile 64×64×16 in 4 parts", nn: "tile 64×64×16", tn: "tile 64×64×16 in 4 parts", software: false },
  { nt: "tile 64×128×16", nn: "tile 64×128×16", tn: "tile 64×128×16", software: device.capabilities.software },
];

it.each(layerTiles)(
  "a layer with GELU and its gradients equal the float64 reference with $nn, software: $software",
  { timeout: 600_000 },
  async ({ software, ...tiles }) => {
    const [rows, inSize, outSize] = [132, 68, 200];
    const program = await build(
      device,
      (tape) => {
        const x = tape.input("x", f32(tape.extent("rows", rows), inSize));
        const y = gelu(matmul(x, tape.input("weight", f32(outSize, inSize)), "nt", { bias: tape.input("bias", f32(outSize)) }));
        const [dx, dWeight, dBias] = adjoint(y, tape.input("dy", y));
        return { y, dx: dx!, dWeight: dWeight!, dBias: dBias! };
      },
      { ...device.capabilities, software, subgroupSize: null },
      ({ attributes }, variants) => variants.find(({ name }) => name === tiles[(attributes as { layout: Layout }).layout]),
    );
    const products = program.plan.steps.filter(({ node }) => node.operation.name === "matmul");
    expect(products.map(({ choice }) => choice)).toEqual([tiles.nt, tiles.tn, tiles.nn]);
    const [weight, bias] = [normals(outSize * inSize, 52), normals(outSize, 53)];
    for (const live of [rows, 57]) {
      const [x, dy] = [normals(live * inSize, 51), normals(live * outSize, 54)];
      const outputs = await execute(program, { inputs: { x, weight, bias, dy }, live: { rows: live } });
      const sums = reference.matmul("nt", size(live, outSize, inSize), x, weight, { bias });
      const dSums = sums.map((sum, i) => dy[i]! * geluDerivative(sum));
      const expected = {
        y: { values: sums.map(gelu64), terms: inSize },
        dx: { values: reference.matmul("nn", size(live, inSize, outSize), dSums, weight), terms: outSize },
        dWeight: { values: reference.matmul("tn", size(outSize, inSize, live), dSums, x), terms: live },
        dBias: { values: columnSum(dSums, outSize), terms: live },
      };
      for (const [name, { values, terms }] of Object.entries(expected)) {
        expectClose(outputs[name]!, values, { c: 8, terms, scale: Math.sqrt(terms) + 1 });
      }
    }
    program.close();
  },
);

describe("matmul", () => {
  it("refuses operands that do not fit", async () => {
    for (const [a, b, layout] of [
      [f32(2, 3), f32(4, 5), "nn"],
      [f32(2, 3), f32(3, 5), "nt"],
      [f32(2, 3), f32(3, 5), "tn"],
      [f32(2), f32(2, 5), "nn"],
    ] as const) {
      await expect(build(device, (tape) => ({ c: matmul(tape.input("a", a), tape.input("b", b), layout) }))).rejects.toThrow(ShapeError);
    }
    const bias = build(device, (tape) => ({
      c: matmul(tape.input("a", f32(2, 3)), tape.input("b", f32(3, 4)), "nn", { bias: tape.input("bias", f32(3)) }),
    }));
    await expect(bias).rejects.toThrow(ShapeError);
  });
});
