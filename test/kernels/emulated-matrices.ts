/**
 * Matrix units in plain WGSL, to check on any adapter what a kernel for them loads, stores and finishes: the same kernel, with functions in
 * place of the built-in ones. An operand is where it stands in workgroup memory, and is read when it is multiplied: a kernel that changed
 * it in between would show. A result belongs to a virtual subgroup of 32 threads, of which each has a run of columns of one row.
 *
 * Software adapters inline every function, so there are few loops, and none that they could unroll.
 */
import type { SubgroupMatrix } from "../../src/gpu/capabilities.ts";
import type { Kernel, Lowering } from "../../src/kernels/language/operation.ts";

export const lanes = 32;

/** A kernel for matrix units as one for any device with f16, and with subgroups if it shuffles. It must declare `own`, a thread's lane. */
export function emulated(kernel: Kernel, matrix: SubgroupMatrix): Kernel {
  if (!kernel.shader.enables.includes("chromium_experimental_subgroup_matrix")) return kernel;
  const { shader } = kernel;
  const main = shader.main
    .replaceAll(/subgroup_matrix_result<f32, \d+, \d+>/g, "Result")
    .replaceAll(/subgroupMatrixLoad<subgroup_matrix_(?:left|right)<f16, \d+, \d+>, (\w+)>\(&\w+\[/g, "$1(")
    .replaceAll(/((?:row|col)_major\([^\]]*)\]/g, "$1")
    .replaceAll(/subgroupMatrixStore<row_major>\(&(\w+)/g, "store_$1(own, &$1")
    .replaceAll("subgroupMatrixMultiplyAccumulate(", "multiplyAdd(own, ")
    .replaceAll("subgroupMatrixScalarMultiply(", "scaled(");
  const [left, right] = (["left", "right"] as const).map(
    (side) => new RegExp(`subgroup_matrix_${side}<f16, \\d+, \\d+>, \\w+>\\(&(\\w+)`).exec(shader.main)![1]!,
  ) as [string, string];
  const stored = [...new Set([...main.matchAll(/\bstore_(\w+)\(/g)].map((match) => match[1]!))];
  const declarations = `${shader.declarations}
${products({ left, right }, matrix)}
${stored.map((name) => store(name, shader.declarations, matrix)).join("\n")}`;
  const enables = ["f16", ...(main.includes("subgroupShuffle") ? ["subgroups"] : [])];
  return { ...kernel, shader: { ...shader, enables, declarations, main } };
}

/** A lowering whose kernels for matrix units are emulated. */
export const emulatedLowering = (lowering: Lowering, matrix: SubgroupMatrix): Lowering => ({
  ...lowering,
  kernels: lowering.kernels.map((kernel) => emulated(kernel, matrix)),
});

/** Columns of a result that a thread has, and threads that share a row. */
function ownPart({ M, N }: SubgroupMatrix) {
  const columns = (M * N) / lanes;
  return { columns, inRow: N / columns };
}

/** Operands from the named arrays of arrays of vec4u, and what is done with them. */
function products({ left, right }: { readonly left: string; readonly right: string }, matrix: SubgroupMatrix): string {
  const { columns, inRow } = ownPart(matrix);
  const half = (name: string, array: string, at: string) =>
    `unpack2x16float(${name}[${array}][(${at}) / 8u][(${at}) / 2u % 4u])[(${at}) % 2u]`;
  return `
// Zero, which the compiler cannot know: a software adapter would unroll all loops, and compile them for minutes.
fn unknown() -> u32 { return stepNumber() / 0x40000000u; }
// Where an operand is: its array, its first half there, and the halves from one row and column to the next.
struct Operand { array: u32, first: u32, row: u32, column: u32 }
struct Result { v: array<f32, ${columns}> }
fn row_major(array: u32, offset: u32, stride: u32) -> Operand { return Operand(array, offset * 8u, stride * 8u, 1u); }
fn col_major(array: u32, offset: u32, stride: u32) -> Operand { return Operand(array, offset * 8u, 1u, stride * 8u); }
fn multiplyAdd(own: u32, l: Operand, r: Operand, c: Result) -> Result {
  var sum = c;
  for (var e = 0u; e < ${matrix.K * columns}u + unknown(); e++) {
    let k = e / ${columns}u;
    let j = e % ${columns}u;
    let a = ${half(left, "l.array", `l.first + own / ${inRow}u * l.row + k * l.column`)};
    let b = ${half(right, "r.array", `r.first + k * r.row + (own % ${inRow}u * ${columns}u + j) * r.column`)};
    sum.v[j] += a * b;
  }
  return sum;
}
fn scaled(m: Result, factor: f32) -> Result {
  var product = m;
  for (var j = 0u; j < ${columns}u + unknown(); j++) { product.v[j] *= factor; }
  return product;
}`;
}

/** How a number is written to an element of memory, and the numbers in one, by its type. */
const elements: Readonly<Record<string, { readonly size: number; readonly write: (at: string, value: string) => string }>> = {
  f32: { size: 1, write: (at, value) => `(*p)[${at}] = ${value};` },
  vec4f: { size: 4, write: (at, value) => `(*p)[${at} / 4u][${at} % 4u] = ${value};` },
  vec4u: { size: 4, write: (at, value) => `(*p)[${at} / 4u][${at} % 4u] = bitcast<u32>(${value});` },
};

/** The function that stores a result in an array of the named ones in workgroup memory, or in a tensor. */
function store(name: string, given: string, matrix: SubgroupMatrix): string {
  const { columns, inRow } = ownPart(matrix);
  const [, array, element = "f32"] = new RegExp(`var<workgroup> ${name}: array<(array<(vec4[uf]), \\d+>)`).exec(given) ?? [];
  const pointer = array ? `ptr<workgroup, ${array}>` : "ptr<storage, array<f32>, read_write>";
  const { size, write } = elements[element]!;
  return `
fn store_${name}(own: u32, p: ${pointer}, offset: u32, m: Result, stride: u32) {
  for (var j = 0u; j < ${columns}u + unknown(); j++) {
    let at = (offset + own / ${inRow}u * stride) * ${size}u + own % ${inRow}u * ${columns}u + j;
    ${write("at", "m.v[j]")}
  }
}`;
}
