/**
 * The language that operations are written in (`simcse-webgpu/kernels`): an operation, its shape rule, its kernels and their variants.
 * What model code calls is in the package's own face.
 *
 * @module simcse-webgpu/kernels
 */

import "./webgpu-types.ts";

export type { Access, ShaderBinding, ShaderDeclaration, Windows } from "./gpu/shader.ts";
export { wgsl } from "./gpu/shader.ts";
export { columnReduction } from "./kernels/language/column-reduction.ts";
export { kernel, paramF32, paramU32, pointKernel, rows, sizeOf, sizeParam } from "./kernels/language/kernel.ts";
export type {
  Dimension,
  DType,
  FloatType,
  Follower,
  Kernel,
  LiveSize,
  Lowering,
  Node,
  Operand,
  Operation,
  Probes,
  Recorder,
  Scratch,
  Shape,
  Tensor,
  TensorBinding,
  Variant,
  Workgroups,
} from "./kernels/language/operation.ts";
export { expectType } from "./kernels/language/operation.ts";
export { pointwise } from "./kernels/language/pointwise.ts";
export { rowKernel } from "./kernels/language/row-kernel.ts";
