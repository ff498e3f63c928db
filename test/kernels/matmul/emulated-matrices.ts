/**
 * Matrix units in plain WGSL, to check on any adapter what a kernel for them loads, stores and finishes: the same kernel, with functions in
 * place of the built-in ones. A virtual subgroup of 32 threads holds a matrix as it likes: a thread has a run of columns of one row.
 */
import type { SubgroupMatrix } from "../../../src/gpu/capabilities.ts";
import type { Kernel, Lowering } from "../../../src/kernels/language/operation.ts";

export const lanes = 32;

/** A kernel for matrix units as one for any device with f16. It must name its arrays `left`, `right`, `results` and `sums`. */
export function emulated(kernel: Kernel, matrix: SubgroupMatrix): Kernel {
  if (!kernel.shader.enables.includes("chromium_experimental_subgroup_matrix")) return kernel;
  const { shader } = kernel;
  const main = shader.main
    .replaceAll(/subgroup_matrix_result<f32, \d+, \d+>/g, "Result")
    .replaceAll(/subgroupMatrixLoad<subgroup_matrix_(left|right)<f16, \d+, \d+>, (\w+)>\(/g, "$1_$2(own, ")
    .replaceAll("subgroupMatrixMultiplyAccumulate(", "multiplyAdd(")
    .replaceAll("subgroupMatrixStore<row_major>(&results[subgroup], ", "storeResult(own, &results[subgroup], ")
    .replaceAll("subgroupMatrixStore<row_major>(&sumsMemory, ", "storeSums(own, ");
  return {
    ...kernel,
    shader: { ...shader, enables: ["f16"], declarations: shader.declarations + declarations(shader.declarations, main, matrix), main },
  };
}

/** A lowering whose kernels for matrix units are emulated. */
export const emulatedLowering = (lowering: Lowering, matrix: SubgroupMatrix): Lowering => ({
  ...lowering,
  kernels: lowering.kernels.map((kernel) => emulated(kernel, matrix)),
});

function declarations(given: string, main: string, { M, N, K }: SubgroupMatrix): string {
  const own = (M * N) / lanes;
  const inRow = N / own;
  const arrayOf = (name: string) => new RegExp(`var<workgroup> ${name}: array<(array<vec4[uf], \\d+>)`).exec(given)?.[1];
  const [left, right, results] = ["left", "right", "results"].map(arrayOf);
  const half = (at: string) => `unpack2x16float((*p)[(${at}) / 8u][(${at}) / 2u % 4u])[(${at}) % 2u]`;
  const sides = (["row_major", "col_major"] as const).map((order) => {
    const at = (row: string, column: string) =>
      order === "row_major" ? `(offset + (${row}) * stride) * 8u + ${column}` : `(offset + (${column}) * stride) * 8u + ${row}`;
    return `
fn left_${order}(own: u32, p: ptr<workgroup, ${left}>, offset: u32, stride: u32) -> Left {
  var m: Left;
  for (var k = 0u; k < ${K}u + unknown(); k++) { let at = ${at(`own / ${inRow}u`, "k")}; m.v[k] = ${half("at")}; }
  return m;
}
fn right_${order}(own: u32, p: ptr<workgroup, ${right}>, offset: u32, stride: u32) -> Right {
  var m: Right;
  for (var k = 0u; k < ${K}u + unknown(); k++) {
    for (var j = 0u; j < ${own}u + unknown(); j++) { let at = ${at("k", `own % ${inRow}u * ${own}u + j`)}; m.v[k * ${own}u + j] = ${half("at")}; }
  }
  return m;
}`;
  });
  return `
// Zero, which the compiler cannot know: a software adapter would unroll all loops, and compile them for minutes.
fn unknown() -> u32 { return params.k / 0x40000000u; }
struct Left { v: array<f32, ${K}> }
struct Right { v: array<f32, ${K * own}> }
struct Result { v: array<f32, ${own}> }
${sides.join("\n")}
fn multiplyAdd(l: Left, r: Right, c: Result) -> Result {
  var sum = c;
  for (var k = 0u; k < ${K}u + unknown(); k++) { for (var j = 0u; j < ${own}u + unknown(); j++) { sum.v[j] += l.v[k] * r.v[k * ${own}u + j]; } }
  return sum;
}
${
  results
    ? `fn storeResult(own: u32, p: ptr<workgroup, ${results}>, offset: u32, m: Result, stride: u32) {
  for (var j = 0u; j < ${own}u + unknown(); j++) {
    let at = (offset + own / ${inRow}u * stride) * 4u + own % ${inRow}u * ${own}u + j;
    (*p)[at / 4u][at % 4u] = m.v[j];
  }
}`
    : ""
}
${
  main.includes("storeSums(")
    ? `fn storeSums(own: u32, offset: u32, m: Result, stride: u32) {
  for (var j = 0u; j < ${own}u + unknown(); j++) { setSums(offset + own / ${inRow}u * stride + own % ${inRow}u * ${own}u + j, m.v[j]); }
}`
    : ""
}
`;
}
