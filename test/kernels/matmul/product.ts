/** One product as a program, for random operands of any live size, which are compared with the float64 reference. */
import { expect } from "vitest";
import type { Device } from "../../../src/gpu/device.ts";
import { type Dimension, f32 } from "../../../src/kernels/language/operation.ts";
import type { Layout } from "../../../src/kernels/matmul/attributes.ts";
import { matmul } from "../../../src/kernels/matmul/matmul.ts";
import * as reference from "../../reference/matmul.ts";
import { expectClose } from "../close.ts";
import { laidOut, livePart, normals } from "../data.ts";
import { adjoint, build, execute } from "../run.ts";
import type { Variant } from "../variants.ts";
import { operandShapes } from "./epilogues.ts";

export type Size = reference.MatmulSize;
export const size = (m: number, n: number, k: number): Size => ({ m, n, k });

export const layouts: readonly Layout[] = ["nn", "nt", "tn"];

export interface Product {
  readonly variant: Variant;
  readonly layout: Layout;
  readonly capacity: Size;
  readonly live?: readonly (keyof Size)[];
  readonly bias?: boolean;
  readonly scale?: number;
}

/** A program for C, and where `gradients` are wanted for those of A, B and the bias. */
export async function product(
  device: Device,
  { variant, layout, capacity, live = [], bias = false, scale = 1 }: Product,
  gradients = false,
) {
  const shapes = { ...operandShapes[layout], c: ["m", "n"] } as const;
  const program = await build(
    device,
    (tape) => {
      const dimension = (name: keyof Size): Dimension => (live.includes(name) ? tape.extent(name, capacity[name]) : capacity[name]);
      const matrix = (name: string, shape: readonly (keyof Size)[]) => tape.input(name, f32(...shape.map(dimension)));
      const options = { scale, ...(bias ? { bias: matrix("bias", ["n"]) } : {}) };
      const c = matmul(matrix("a", shapes.a), matrix("b", shapes.b), layout, options);
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
