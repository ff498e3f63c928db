/**
 * Matrix units in WGSL (`chromium_experimental_subgroup_matrix`; tensor cores on NVIDIA): products of f16 matrices with f32 sums, as the
 * kernels that use them write them down. Memory is counted in vectors of 16 bytes.
 */
import type { Capabilities, SubgroupMatrix } from "../../gpu/capabilities.ts";

/** What a kernel that uses them enables. */
export const matrixExtensions: readonly string[] = ["f16", "subgroups", "chromium_experimental_subgroup_matrix"];

/** Halves in 16 bytes, the vectors of operands in memory. */
export const halvesPerVector = 8;

/** A device's matrix units. */
export interface MatrixUnits {
  readonly matrix: SubgroupMatrix;
  /** Lanes of every subgroup. */
  readonly lanes: number;
}

/**
 * The configuration that kernels use: f16 operands with f32 sums, of a size that divides all tiles and is moved in whole vectors. Null
 * where a device has none, or subgroups of several sizes. (Dawn on Metal has no f16 → f32.)
 */
export function matrixUnits({ features, subgroupSize: lanes, subgroupMatrices }: Capabilities): MatrixUnits | null {
  const matrix = subgroupMatrices.find(
    ({ componentType, resultComponentType, M, N, K }) =>
      componentType === "f16" && resultComponentType === "f32" && [M, N, K].every((size) => size % 8 === 0 && 32 % size === 0),
  );
  return matrix !== undefined && lanes !== null && features.has("shader-f16") ? { matrix, lanes } : null;
}

/** Where a matrix is: an array in WGSL, and in it the first vector and the distance from one line to the next, also WGSL. */
export interface MatrixPlace {
  readonly array: string;
  readonly offset: string;
  readonly stride: string;
}

/** WGSL that loads one operand. `alongDepth` says whether its lines run along the dimension that is summed over. */
export function loadOperand(
  side: "left" | "right",
  { M, N, K }: SubgroupMatrix,
  alongDepth: boolean,
  { array, offset, stride }: MatrixPlace,
): string {
  const type = side === "left" ? `subgroup_matrix_left<f16, ${K}, ${M}>` : `subgroup_matrix_right<f16, ${N}, ${K}>`;
  const order = (side === "left") === alongDepth ? "row_major" : "col_major";
  return `subgroupMatrixLoad<${type}, ${order}>(&${array}, ${offset}, ${stride})`;
}

/** The WGSL type of a result. */
export const resultType = ({ M, N }: SubgroupMatrix): string => `subgroup_matrix_result<f32, ${N}, ${M}>`;

/** WGSL that adds a product to a result. */
export const addProduct = (result: string, left: string, right: string): string =>
  `${result} = subgroupMatrixMultiplyAccumulate(${left}, ${right}, ${result});`;

/** WGSL that stores a result, row by row. */
export const storeResult = (result: string, { array, offset, stride }: MatrixPlace): string =>
  `subgroupMatrixStore<row_major>(&${array}, ${offset}, ${result}, ${stride});`;
