/** A product's gradients, in each layout, and with the tiles that devices without subgroups compute them in. */
import { describe, expect, it } from "vitest";
import { f32 } from "../../../src/kernels/language/operation.ts";
import type { Layout } from "../../../src/kernels/matmul/attributes.ts";
import { matmul } from "../../../src/kernels/matmul/matmul.ts";
import type { Activation } from "../../../src/kernels/pointwise/functions.ts";
import { openTestDevice } from "../../device.ts";
import { activations64 } from "../../reference/activations.ts";
import * as reference from "../../reference/matmul.ts";
import { columnSum } from "../../reference/reductions.ts";
import { expectAdjoint, expectClose } from "../close.ts";
import { normals } from "../data.ts";
import { adjoint, build, execute } from "../run.ts";
import { matmulVariants } from "../variants.ts";
import { activate } from "./epilogues.ts";
import { layouts, product, size } from "./product.ts";

const device = await openTestDevice();
/** The way that the device runs products by itself. */
const own = matmulVariants(device).at(-1)!;

describe.each(layouts)("matmul's gradients in layout %s", (layout) => {
  it.each([
    { capacity: size(57, 64, 68), live: [], scale: 0.7, bias: true },
    { capacity: size(7, 1, 57), live: [], scale: 1, bias: true },
    { capacity: size(132, 72, 68), live: ["m", "k"], scale: 20, bias: false },
  ] as const)("are the gradients of the reference for $capacity", async ({ capacity, ...options }) => {
    const { execution, close } = await product(device, { variant: own, layout, capacity, ...options }, true);
    const now = { ...capacity, ...Object.fromEntries(options.live.map((name) => [name, 57])) };
    const { operands, outputs, outOfMemory } = await execution(now);
    const { a, b, dc, bias } = operands;
    const of = (a: ArrayLike<number>, b: ArrayLike<number>, bias?: ArrayLike<number>) =>
      reference.matmul(layout, now, a, b, { scale: options.scale, ...(bias ? { bias } : {}) });
    const scale = (terms: number) => ({ terms, scale: options.scale * Math.sqrt(terms) });
    expectAdjoint(outOfMemory("a", outputs.da!), a, dc, (x) => of(x, b), scale(now.n));
    expectAdjoint(outOfMemory("b", outputs.db!), b, dc, (x) => of(a, x), scale(now.m));
    if (options.bias) expectAdjoint(outputs.dBias!, bias, dc, (x) => of(a, b, x), { terms: now.m, scale: Math.sqrt(now.m) });
    close();
  });
});

/**
 * Tiles of each size. Only the first is as a GPU has it, with depths written out, and with k in parts: such kernels take a software adapter
 * seconds to compile, and a loaded one minutes.
 */
const inParts = { nt: "tile 64×64×16 in 4 parts", nn: "tile 64×64×16", tn: "tile 64×64×16 in 4 parts", software: false };
const layerTiles: readonly (Record<Layout, string> & { software: boolean; name: Activation })[] = [
  { ...inParts, name: "gelu" },
  // With other functions only the kernel that joins the parts is another one.
  { ...inParts, name: "geluTanh" },
  { ...inParts, name: "relu" },
  { ...inParts, name: "silu" },
  { nt: "tile 64×128×16", nn: "tile 64×128×16", tn: "tile 64×128×16", software: device.capabilities.software, name: "gelu" },
];

it.each(layerTiles)(
  "a layer with $name and its gradients equal the float64 reference with $nt, software: $software",
  { timeout: 600_000 },
  async ({ software, name, ...tiles }) => {
    const { f, derivative } = activations64[name];
    const [rows, inSize, outSize] = [132, 68, 200];
    const program = await build(
      device,
      (tape) => {
        const x = tape.input("x", f32(tape.extent("rows", rows), inSize));
        const y = activate[name](matmul(x, tape.input("weight", f32(outSize, inSize)), "nt", { bias: tape.input("bias", f32(outSize)) }));
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
      const dSums = sums.map((sum, i) => dy[i]! * derivative(sum));
      const expected = {
        y: { values: sums.map(f), terms: inSize },
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
