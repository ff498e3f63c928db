import { describe, expect, it } from "vitest";
import type { Program } from "../../../src/autograd/program.ts";
import { ShapeError } from "../../../src/errors.ts";
import { f32 } from "../../../src/kernels/language/operation.ts";
import type { Layout } from "../../../src/kernels/matmul/attributes.ts";
import { matmul } from "../../../src/kernels/matmul/matmul.ts";
import { openTestDevice } from "../../device.ts";
import { activations64 } from "../../reference/activations.ts";
import * as reference from "../../reference/matmul.ts";
import { columnSum } from "../../reference/reductions.ts";
import { expectClose, expectSame } from "../close.ts";
import { normals } from "../data.ts";
import { build, execute } from "../run.ts";
import { matmulVariants } from "../variants.ts";
import { epilogues } from "./epilogues.ts";
import { layouts, product, type Size, size } from "./product.ts";

const device = await openTestDevice();

/** In the variant that the device runs by itself: `tile` on a core device, `soft` on a software adapter with all features. */
const cases = matmulVariants(device)
  .slice(-1)
  .flatMap((variant) => layouts.map((layout) => ({ variant, layout, name: variant.name })));

/** The sizes that may be live in `soft`. */
const liveInSoft = { nn: ["m", "k"], nt: ["m", "n"], tn: ["m", "k"] } as const;

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
    const { compare, close } = await product(device, { variant, layout, capacity, ...options });
    await compare(capacity);
    close();
  });

  it("reads and writes only what is live, adds nothing to the bias where there is no depth, and gives the same bits again", async () => {
    const capacity = size(132, 72, 68);
    const live = variant.name === "tile" ? (["m", "n", "k"] as const) : liveInSoft[layout];
    const { chosen, compare, execution, close } = await product(device, { variant, layout, capacity, live, bias: true, scale: -1.5 });
    expect(chosen).toBe(variant.name);
    for (const count of [65, 57, 7, 1, 0]) {
      for (const name of live) await compare({ ...capacity, [name]: count });
      await compare({ ...capacity, ...Object.fromEntries(live.map((name) => [name, count])) });
    }
    const first = await execution(capacity);
    expectSame((await execution(capacity)).outputs.c!, first.outputs.c!);
    close();
  });
});

/** What the outputs of `epilogues` are, in float64. */
function expectedEpilogues(
  layout: Layout,
  now: Size,
  { a, b, bias, matrix }: Record<"a" | "b" | "bias" | "matrix", Float32Array>,
): Record<string, Float64Array> {
  const plain = reference.matmul(layout, now, a, b);
  const product = reference.matmul(layout, now, a, b, { bias });
  return {
    bias: product,
    ...Object.fromEntries(
      Object.entries(activations64).flatMap(([name, { f, derivative }]) => [
        [name, product.map(f)],
        // relu's derivative reads the result.
        ...(name === "relu" ? [] : [[`${name}Sums`, product] as const]),
        [`${name}Gradient`, product.map((value, i) => value * derivative(matrix[i]!))],
      ]),
    ),
    addend: product.map((value, i) => value + matrix[i]!),
    ...(layout === "tn" ? { product: plain, rowSums: columnSum(a, now.m) } : {}),
  };
}

/** Runs a program of `epilogues` on random operands of the given size, of which `rows` are live, and compares what it computes. */
async function compareEpilogues(program: Program, layout: Layout, now: Size, rows: number) {
  const operands = {
    a: normals(now.m * now.k, 47),
    b: normals(now.n * now.k, 48),
    bias: normals(now.n, 49),
    matrix: normals(now.m * now.n, 50),
  };
  const inputs = Object.fromEntries(Object.entries(operands).map(([name, data]) => [`${layout} ${name}`, data]));
  const outputs = await execute(program, { inputs, live: { rows } });
  const expected = expectedEpilogues(layout, now, operands);
  expect(Object.keys(outputs)).toEqual(Object.keys(expected));
  for (const [name, values] of Object.entries(expected)) {
    // GELU's error function is right to 1.5e-7, two roundings and a half of numbers near one.
    expectClose(outputs[name]!, values, { c: 8, terms: now.k + 2, scale: Math.sqrt(now.k) + 1 });
  }
  return outputs;
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
      await compareEpilogues(program, layout, { ...capacity, [liveName]: 57 }, 57);
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
      const outputs = await compareEpilogues(program, layout, { ...capacity, [live]: count }, count);
      expect(await compareEpilogues(program, layout, { ...capacity, [live]: count }, count)).toEqual(outputs);
    }
    program.close();
  });
});

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
