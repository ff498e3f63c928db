/** Several products in one dispatch, in each variant that computes them: the results are those of each product. */
import { expect, it } from "vitest";
import type { Choose } from "../../../src/autograd/plan.ts";
import { cast } from "../../../src/kernels/cast.ts";
import { float } from "../../../src/kernels/language/operation.ts";
import { grouped } from "../../../src/kernels/matmul/grouped.ts";
import { openTestDevice } from "../../device.ts";
import * as reference from "../../reference/matmul.ts";
import { columnSum } from "../../reference/reductions.ts";
import { expectClose } from "../close.ts";
import { normals } from "../data.ts";
import { emulatedLowering, lanes } from "../emulated-matrices.ts";
import { build, execute } from "../run.ts";
import { chooseNamed } from "../variants.ts";

const device = await openTestDevice();

const depth = 140;
/** m and n of the products: one tile, several of them, and less than one. */
const sizes = [
  { m: 136, n: 72 },
  { m: 200, n: 264 },
];
const matrix = { componentType: "f16", resultComponentType: "f32", M: 16, N: 16, K: 16 };
const emulated: Choose = (_, variants) => {
  const variant = variants.find(({ name }) => name === "subgroup matrix 64×64×32");
  return variant && { name: variant.name, lower: () => emulatedLowering(variant.lower(), matrix) };
};

/** Without matrix units, tiles are offered: on a GPU with k in parts too. */
const unitless = { ...device.capabilities, subgroupMatrices: [] };
const ways = [
  { name: "tile 64×64×16", dtype: "f32", capabilities: unitless, choose: chooseNamed("tile 64×64×16") },
  {
    name: "tile 64×128×16 in 2 parts",
    dtype: "f32",
    capabilities: { ...unitless, software: false },
    choose: chooseNamed("tile 64×128×16 in 2 parts"),
  },
  { name: "tile 64×128×16", dtype: "f16", capabilities: unitless, choose: chooseNamed("tile 64×128×16") },
  {
    name: "subgroup matrix 64×64×32",
    dtype: "f16",
    capabilities: { ...device.capabilities, software: false, subgroupSize: lanes, subgroupMatrices: [matrix] },
    choose: emulated,
  },
] as const;

it.each(device.capabilities.features.has("shader-f16") ? ways : ways.slice(0, 2))(
  "$name computes several products of $dtype and their sums of rows",
  async ({ name, dtype, capabilities, choose }) => {
    const program = await build(
      device,
      (tape) => {
        const k = tape.extent("rows", depth);
        const operands = sizes.flatMap(({ m, n }, i) => [tape.input(`a${i}`, float("f32", k, m)), tape.input(`b${i}`, float("f32", k, n))]);
        const results = tape.append(
          grouped,
          operands.map((operand) => cast(operand, dtype)),
          { rowSums: true },
        );
        return Object.fromEntries(results.map((result, i) => [`${i % 2 === 0 ? "c" : "sums"}${Math.floor(i / 2)}`, result]));
      },
      capabilities,
      choose,
    );
    expect(program.plan.steps.find(({ node }) => node.operation === grouped)!.choice).toBe(name);
    for (const k of [depth, 57, 0]) {
      // Eighths below four, which f16 holds.
      const eighths = (count: number, seed: number) => normals(count, seed).map((x) => Math.round(Math.max(-4, Math.min(4, x)) * 8) / 8);
      const operands = sizes.map(({ m, n }, i) => ({ a: eighths(k * m, 2 * i), b: eighths(k * n, 2 * i + 1) }));
      const inputs = Object.fromEntries(operands.flatMap(({ a, b }, i) => [[`a${i}`, a] as const, [`b${i}`, b] as const]));
      const outputs = await execute(program, { inputs, live: { rows: k } });
      sizes.forEach(({ m, n }, i) => {
        const { a, b } = operands[i]!;
        expectClose(outputs[`c${i}`]!, reference.matmul("tn", { m, n, k }, a, b), { terms: k, scale: 1 });
        expectClose(outputs[`sums${i}`]!, columnSum(a, m), { terms: k, scale: 1 });
      });
    }
    program.close();
  },
);
