/**
 * The language that operations are written in (`simcse-webgpu/kernels`): an operation, its shape rule, its kernels and their variants. The
 * functions that model code calls are exported by the package's main entry. `docs/adding-an-operation.md` builds two operations with it.
 *
 * @module simcse-webgpu/kernels
 */

import "./browser-types.ts";

export { ShapeError } from "./errors.ts";
export type { Capabilities } from "./gpu/capabilities.ts";
export type { Access, ShaderBinding, ShaderDeclaration, ShaderTarget, Windows } from "./gpu/shader.ts";
export { range, wgsl } from "./gpu/shader.ts";
export { axisOf, type SplitShape, splitAt } from "./kernels/language/axis.ts";
export { broadcastShapes } from "./kernels/language/broadcast.ts";
export { type ColumnReduction, type ColumnTerm, columnReduction } from "./kernels/language/column-reduction.ts";
export {
  type Bindings,
  blockIndex,
  fold,
  horizontalSum,
  type KernelDeclaration,
  kernel,
  type Parameter,
  type PointKernelDeclaration,
  paramF32,
  paramU32,
  pointKernel,
  rows,
  rowVectors,
  scalar,
  sizeOf,
  sizeParam,
  threadsPerWorkgroup,
  vector,
  vectorWidth,
  zeroKernel,
} from "./kernels/language/kernel.ts";
export type {
  Dimension,
  DType,
  Extent,
  FloatType,
  Follower,
  Grouping,
  IndexLimit,
  Join,
  Kernel,
  LiveSize,
  Lowering,
  Node,
  Operand,
  Operation,
  PartOf,
  Persistent,
  Probes,
  Recorder,
  Scalar,
  Shape,
  Tensor,
  TensorBinding,
  Type,
  Variant,
  Workgroups,
} from "./kernels/language/operation.ts";
export {
  absorb,
  capacity,
  elementCount,
  expectFloat,
  expectKnown,
  expectType,
  f32,
  float,
  floatOf,
  formatShape,
  limitIndices,
  rowWidth,
  Scratch,
  sameShape,
  u32,
  Value,
} from "./kernels/language/operation.ts";
export { type PointwiseLowering, pointwise } from "./kernels/language/pointwise.ts";
export { type RowKernelDeclaration, rowKernel, rowVariant } from "./kernels/language/row-kernel.ts";
export { type VectorLowering, vectorLowering } from "./kernels/language/vectors.ts";
export type { PointwiseFunction } from "./kernels/pointwise/functions.ts";
export { type Constants, type GradientAttributes, type PointwiseOperation, pointwiseOperation } from "./kernels/pointwise/operation.ts";
