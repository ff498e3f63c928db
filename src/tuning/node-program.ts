/** One node as a program, computed on random numbers by one of its variants, to check it, or by several, to measure them. */

import { type Choose, plan } from "../autograd/plan.ts";
import { Program } from "../autograd/program.ts";
import type { StepInput } from "../autograd/step-input.ts";
import { Tape } from "../autograd/tape.ts";
import type { Device } from "../gpu/device.ts";
import { cast } from "../kernels/cast.ts";
import {
  elementCount,
  type Node,
  type Operation,
  type Probes,
  type Type,
  u32,
  type Value,
  type Variant,
} from "../kernels/language/operation.ts";

/** Everything that defines a node, without the tape it was recorded on. */
export interface NodeKind<A = unknown> {
  readonly operation: Operation<A>;
  readonly attributes: A;
  readonly inputs: readonly Type[];
  /** How it is recorded, if not from the inputs directly. */
  readonly record?: Probes<A>["record"];
}

/** A node like `kind` on a tape of its own. Its inputs are named x0, x1, …. */
export function nodeOf<A>({ operation, attributes, inputs, record }: NodeKind<A>, tape = new Tape()): Node<A> {
  const values = inputsOf(inputs, tape);
  return record ? record(values, attributes) : (tape.append(operation, values, attributes)[0]!.node as Node<A>);
}

function inputsOf(types: readonly Type[], tape: Tape): Value[] {
  return types.map(({ dtype, shape }, i) => {
    const own = shape.map((dimension) => (typeof dimension === "number" ? dimension : tape.extent(dimension.name, dimension.capacity)));
    return tape.input(`x${i}`, { dtype, shape: own });
  });
}

/** The variant that needs no WGSL extension. */
export const pickPortable = (variants: readonly Variant[]): Variant | undefined =>
  variants.find((variant) => variant.lower().kernels.every(({ shader }) => shader.enables.length === 0));

/**
 * The program of a node like `kind`, in the variant that `pick` returns; null if it returns none. What the node reads is computed by
 * portable variants. The outputs are named y0, y1, …, and cast to f32 to be read.
 */
export async function nodeProgram(
  device: Device,
  kind: NodeKind,
  pick: (variants: readonly Variant[]) => Variant | undefined,
): Promise<Program | null> {
  const tape = new Tape();
  const node = nodeOf(kind, tape);
  const picked = pick(node.operation.variants?.(node, device.capabilities) ?? []);
  if (picked === undefined) return null;
  const outputs: Record<string, Value> = Object.fromEntries(node.outputs.map((y, i) => [`y${i}`, cast(y, "f32")]));
  const choose: Choose = (other, variants) => (other === node ? picked : pickPortable(variants));
  return Program.build(device, plan(tape, outputs, device.capabilities, choose), outputs, {});
}

/** Ends the life of the values that it reads, without a kernel. */
const discard: Operation<null> = { name: "discard", infer: () => [u32(1)], lower: () => ({ variant: "", kernels: [] }) };

/**
 * The program of nodes like `kind`, one in each of the variants; their names are those of `nodes`. All read the same inputs. Their outputs
 * are not read, so that they take turns in the same memory.
 */
export async function variantsProgram(
  device: Device,
  { operation, attributes, inputs }: NodeKind,
  names: readonly string[],
): Promise<{ readonly program: Program; readonly nodes: readonly Node[] }> {
  const tape = new Tape();
  const values = inputsOf(inputs, tape);
  const nodes = names.map(() => tape.append(operation, values, attributes)[0]!.node!);
  const outputs = Object.fromEntries(nodes.map((node, i) => [`done${i}`, tape.append(discard, node.outputs, null)[0]!]));
  const choose = (node: Node, variants: readonly Variant[]) => variants.find(({ name }) => name === names[nodes.indexOf(node)]);
  return { program: await Program.build(device, plan(tape, outputs, device.capabilities, choose), outputs, {}), nodes };
}

/**
 * Random numbers for every input of floats of a program: ±[1/8, 2) with ten bits of fraction, which f16 and f32 both hold exactly. So two programs
 * whose inputs differ only in dtype get the same numbers. The numbers repeat in a large input, because generating millions would take
 * longer than any kernel.
 */
export function randomInputs({ plan: { tape } }: Program): NonNullable<StepInput["inputs"]> {
  return Object.fromEntries(
    [...tape.inputs]
      .filter(([, { dtype }]) => dtype !== "u32")
      .map(([name, { dtype, shape }], i) => {
        const count = elementCount(shape);
        const halves = randomHalves(Math.min(count, period), i);
        return [name, dtype === "f16" ? repeated(halves, new Uint16Array(count)) : repeated(widened(halves), new Float32Array(count))];
      }),
  );
}

/** The tables of indices with which a node is measured, by the names of its inputs. */
export const tablesOf = (node: Node): Record<string, Uint32Array> => namedTables(node.operation.tables?.(node) ?? []);

/** Tables by the names of a node's inputs. */
export function namedTables(tables: readonly (Uint32Array | null)[]): Record<string, Uint32Array> {
  return Object.fromEntries(tables.flatMap((table, i) => (table === null ? [] : [[`x${i}`, table]])));
}

const period = 2 ** 16;

function repeated<T extends Uint16Array | Float32Array>(numbers: T, target: T): T {
  target.set(numbers);
  for (let filled = numbers.length; filled < target.length; filled *= 2) target.copyWithin(filled, 0, filled);
  return target;
}

/** Bits of f16 values: sign, one of four exponents, ten bits of fraction (a linear congruential generator, Numerical Recipes 7.1). */
function randomHalves(count: number, seed: number): Uint16Array {
  let state = seed;
  return Uint16Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return ((state >>> 16) & 0x8fff) | 0x3000;
  });
}

/** Normal f16 values as f32 values: the exponent's bias is 15 in f16 and 127 in f32. */
function widened(halves: Uint16Array): Float32Array {
  const words = Uint32Array.from(halves, (half) => ((half & 0x8000) << 16) | (((half & 0x7fff) << 13) + ((127 - 15) << 23)));
  return new Float32Array(words.buffer);
}
