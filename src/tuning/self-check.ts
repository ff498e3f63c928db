/**
 * Checks whether a variant has correct results on a device. Some drivers compile f16 and matrix units and compute wrong results. So a
 * variant that uses them is compared with the portable kernel, on small random inputs, before its first use on an adapter.
 */

import { describeNode } from "../autograd/choices.ts";
import type { Program } from "../autograd/program.ts";
import type { Device } from "../gpu/device.ts";
import {
  capacity,
  type Dimension,
  type Lowering,
  type Node,
  type Probes,
  type Shape,
  type Type,
  type Variant,
} from "../kernels/language/operation.ts";
import { namedTables, nodeProgram, pickPortable, randomInputs } from "./node-program.ts";

const doubtfulExtensions: readonly string[] = ["f16", "chromium_experimental_subgroup_matrix"];

/** Whether kernels use something that drivers may get wrong: f16 in memory or in registers, or matrix units. */
export function isDoubtful({ kernels }: Lowering, { capabilities }: Device): boolean {
  const halves = capabilities.features.has("shader-f16");
  return kernels.some(
    ({ shader, bindings }) =>
      shader.enables.some((name) => doubtfulExtensions.includes(name)) || (halves && bindings.some(({ tensor }) => tensor.dtype === "f16")),
  );
}

/** What a verdict applies to: all sizes of a node's kind, in one variant. */
export function checkKey(node: Node, { name }: Variant): string {
  const kind = ({ shape }: Type) => `[${shape.map((dimension) => (typeof dimension === "number" ? "·" : "≤")).join(",")}]`;
  const attributes = node.operation.probes?.(node).attributes ?? node.attributes;
  return `${name}: ${describeNode({ ...node, attributes }, kind)}`;
}

/**
 * The largest errors allowed, relative to the largest number expected. Rounding a result to f16 changes it by at most 2⁻¹¹ of its size. f32
 * sums of a hundred products differ by about 2⁻²⁰; matrix units truncate instead of rounding, which costs a few more bits. A sum
 * accumulated in f16 would be wrong by 2⁻⁹ or more.
 */
const tolerances = { f16: 2 ** -10, f32: 2 ** -14, u32: 0 } as const;

/** Compares `variant` with the portable kernel on the operation's probes. An operation without probes is trusted. */
export async function computesRight(device: Device, node: Node, variant: Variant): Promise<boolean> {
  const { operation } = node;
  const probes = operation.probes?.(node);
  if (probes === undefined) return true;
  const { attributes = node.attributes, tables = [], record } = probes;
  for (const inputs of probes.inputs) {
    const pick = (variants: readonly Variant[]) => variants.find(({ name }) => name === variant.name);
    const found = await results(device, await nodeProgram(device, { operation, attributes, inputs, record }, pick), tables);
    if (found === null) continue;
    const singles = inputs.map(({ dtype, shape }): Type => ({ dtype: dtype === "f16" ? "f32" : dtype, shape }));
    const portable = { operation, attributes: probes.portable, inputs: singles, record };
    const expected = await results(device, await nodeProgram(device, portable, pickPortable), tables);
    const precisions = probes.precisions ?? node.outputs.map(({ dtype }) => dtype);
    const right = precisions.every((dtype, i) => expected === null || agree(found[i]!, expected[i]!, tolerances[dtype]));
    if (!right) return false;
  }
  return true;
}

/** The live part of each output at sizes below capacity, so that live numbers have others beside them. Closes the program. */
async function results(device: Device, program: Program | null, tables: NonNullable<Probes["tables"]>): Promise<Float64Array[] | null> {
  if (program === null) return null;
  try {
    const extents = [...program.plan.tape.extents.values()];
    program.run({
      inputs: { ...randomInputs(program), ...namedTables(tables) },
      live: Object.fromEntries(extents.map((extent) => [extent.name, liveSize(extent)])),
    });
    const outputs: Float64Array[] = [];
    for (const [name, { shape }] of Object.entries(program.outputs)) outputs.push(livePart(await program.read(name), shape));
    device.check();
    return outputs;
  } finally {
    program.close();
  }
}

const liveSize = (dimension: Dimension) => (typeof dimension === "number" ? dimension : dimension.capacity - 1);

function livePart(memory: Float32Array, shape: Shape): Float64Array {
  const isLive = (index: number) => {
    let rest = index;
    for (const dimension of shape.toReversed()) {
      if (rest % capacity(dimension) >= liveSize(dimension)) return false;
      rest = Math.floor(rest / capacity(dimension));
    }
    return true;
  };
  return Float64Array.from(memory).filter((_, index) => isLive(index));
}

function agree(found: Float64Array, expected: Float64Array, tolerance: number): boolean {
  const largest = expected.reduce((size, value) => Math.max(size, Math.abs(value)), 0);
  // NaN compares false with every limit.
  return found.every((value, i) => Math.abs(value - expected[i]!) <= tolerance * largest);
}
