/**
 * A kernel: one dispatch, declared by the tensors it binds, its uniform parameters and its WGSL. Bindings, layouts and cache keys are
 * derived from the declaration.
 *
 * Every kernel can use the step block (`word(i)`, `seed()`, `stepNumber()`, and through `rows` the live size of an extent) and, if it has
 * parameters, `params`. Dimensions known when the plan is made are written into the WGSL; live sizes, seeds and rates are read from
 * uniforms.
 */
import { setterOf, wgsl } from "../../gpu/shader.ts";
import {
  bytesPerElement,
  type Dimension,
  type Kernel,
  type LiveSize,
  rowWidth,
  type Scalar,
  type Shape,
  type Tensor,
  type TensorBinding,
  type Type,
  Value,
  type Workgroups,
} from "./operation.ts";

/** 32-bit words in the step block: seed, step number, then scalars and live sizes. */
export const stepWords = 64;

/** Tensors that a kernel binds, by their names in WGSL: [tensor, WGSL element type]. What is undefined is not bound. */
export type Bindings = Readonly<Record<string, readonly [Tensor, string] | undefined>>;

/** What `of` makes of each item, by a name and its number: `x0`, `x1`, … */
export const numbered = <Item, T>(name: string, items: readonly Item[], of: (item: Item, i: number) => T): Readonly<Record<string, T>> =>
  Object.fromEntries(items.map((item, i) => [`${name}${i}`, of(item, i)]));

/** The declaration of a kernel. */
export interface KernelDeclaration {
  /** Its name in errors and profiles. */
  readonly label: string;
  readonly workgroupSize: readonly [number, number?, number?];
  /** Tensors that it reads. Floats are read as `name(i)`, u32 tables as `name[i]`. */
  readonly reads?: Bindings;
  /**
   * Matrices of f32 that it reads through textures, `name(row, quad)`: four columns from 4·quad on. Rows must divide into 64 columns, and
   * the device must have `matrixTextures`.
   */
  readonly textures?: Record<string, Tensor>;
  /** Tensors that it writes, and may read. Floats are written with `setName(i, value)`. */
  readonly writes?: Bindings;
  /** Numbers known in advance that are not written into the WGSL; it reads them as `params.name`. */
  readonly params?: Record<string, Parameter>;
  /** WGSL extensions. */
  readonly enables?: readonly string[];
  /** Module-scope WGSL. */
  readonly declarations?: string;
  /** The body of the entry point. It can use `group`, `groups`, `local`, `thread`, and `lane` where subgroups are enabled. */
  readonly main: string;
  readonly workgroups: (live: LiveSize) => Workgroups;
  /** Floating-point operations per step, for kernels that are limited by arithmetic. */
  readonly flop?: (live: LiveSize) => number;
  /** Bytes moved per step, for kernels that touch only a part of what they bind, or touch it several times. */
  readonly bytes?: (live: LiveSize) => number;
  /** All that it does, if it only adds up parts. */
  readonly joins?: Kernel["joins"];
}

/** A number in a kernel's `params`. */
export interface Parameter {
  readonly type: "u32" | "f32";
  readonly value: number;
}

/** A u32 in a kernel's `params`. */
export const paramU32 = (value: number): Parameter => ({ type: "u32", value });

/** An f32 in a kernel's `params`. */
export const paramF32 = (value: number): Parameter => ({ type: "f32", value });

const stepDeclarations = wgsl`
fn word(i: u32) -> u32 { return step[i / 4u][i % 4u]; }
fn seed() -> u32 { return step[0][0]; }
fn stepNumber() -> u32 { return step[0][1]; }
`;

/** A kernel from its declaration; bindings, layout and cache key are derived. */
export function kernel(declaration: KernelDeclaration): Kernel {
  const {
    label,
    workgroupSize,
    reads = {},
    textures = {},
    writes = {},
    params = {},
    enables = [],
    declarations = "",
    main,
    workgroups,
    flop,
    bytes,
    joins,
  } = declaration;
  const bind = (tensors: Bindings, access: TensorBinding["access"]): TensorBinding[] =>
    Object.entries(tensors).flatMap(([name, bound]) => (bound ? [{ name, tensor: bound[0], element: bound[1], access }] : []));
  const throughTextures = Object.fromEntries(Object.entries(textures).map(([name, tensor]) => [name, [tensor, "vec4f"] as const]));
  const bindings = [...bind(reads, "read"), ...bind(throughTextures, "texture"), ...bind(writes, "read_write")];
  const fields = Object.entries(params);
  const hasParams = fields.length > 0;
  const struct = hasParams ? `struct Params { ${fields.map(([name, { type }]) => `${name}: ${type}`).join(", ")} }\n` : "";
  return {
    shader: {
      label,
      bindings: [
        { name: "step", type: `array<vec4u, ${stepWords / 4}>`, access: "uniform" },
        ...(hasParams ? [{ name: "params", type: "Params", access: "uniform" as const }] : []),
        ...bindings.map(({ name, tensor, element, access }) => ({
          name,
          type: element,
          access,
          half: tensor.dtype === "f16",
          adds: access === "read_write" && tensor instanceof Value && tensor.adds,
        })),
      ],
      enables,
      workgroupSize: [workgroupSize[0], workgroupSize[1] ?? 1, workgroupSize[2] ?? 1],
      declarations: struct + stepDeclarations + declarations,
      main,
    },
    bindings,
    params: packParams(fields.map(([, parameter]) => parameter)),
    workgroups,
    flop,
    bytes,
    joins,
  };
}

/**
 * The least bytes that a kernel moves: its own count, or the live part of every tensor that it binds, counted once if it is read and once
 * more if it is written.
 */
export function trafficOf(kernel: Kernel, live: LiveSize): number {
  const { bindings, bytes } = kernel;
  return bytes?.(live) ?? bindings.reduce((sum, binding) => sum + passes(kernel, binding) * liveBytes(binding.tensor, live), 0);
}

/** How often a kernel passes over a tensor: to read it, to write it, or both. */
function passes({ shader: { bindings, declarations, main } }: Kernel, { name, access, tensor: { dtype } }: TensorBinding): number {
  if (access !== "read_write") return 1;
  if (bindings.some((binding) => binding.name === name && binding.adds)) return 2;
  const code = declarations + main;
  const count = (pattern: string) => code.match(new RegExp(pattern, "g"))?.length ?? 0;
  if (dtype !== "u32") return count(`\\b${setterOf(name)}\\(`) > 0 && count(`\\b${name}\\(`) > 0 ? 2 : 1;
  const elements = `\\b${name}\\[(?:[^\\[\\]]|\\[[^\\]]*\\])*\\]`;
  return count(elements) > count(`${elements}\\s*=(?!=)`) ? 2 : 1;
}

/** Bytes of the live part of a tensor. */
export function liveBytes({ shape, dtype }: Type, live: LiveSize): number {
  return shape.reduce<number>((product, size) => product * live(size), bytesPerElement[dtype]);
}

function packParams(parameters: readonly Parameter[]): Uint32Array {
  const words = new Uint32Array(parameters.length);
  const floats = new Float32Array(words.buffer);
  parameters.forEach(({ type, value }, i) => {
    (type === "u32" ? words : floats)[i] = value;
  });
  return words;
}

/**
 * WGSL for the live size of a dimension, or for the number of rows that several leading dimensions form. Only the first of these counts by
 * its live size, because the others are laid out at their capacity.
 */
export function rows(dimension: Dimension | Shape): string {
  if (isShape(dimension)) return dimension.length === 0 ? "1u" : `${rows(dimension[0]!)} * ${rowWidth(dimension)}u`;
  return typeof dimension === "number" ? `${dimension}u` : `word(${dimension.word}u)`;
}

/** The same number as `rows`, for workgroup counts. */
export function liveRows(dimension: Dimension | Shape, live: LiveSize): number {
  if (isShape(dimension)) return dimension.length === 0 ? 1 : live(dimension[0]!) * rowWidth(dimension);
  return live(dimension);
}

const isShape = (dimension: Dimension | Shape): dimension is Shape => Array.isArray(dimension);

/** A field of `params` for a dimension that is not written into the WGSL, so that shapes share a pipeline; read it with `sizeOf`. */
export function sizeParam(dimension: Dimension): Parameter {
  return paramU32(typeof dimension === "number" ? dimension : dimension.word);
}

/** WGSL for the live size of a dimension whose `sizeParam` is the field `name`. */
export function sizeOf(name: string, dimension: Dimension): string {
  return typeof dimension === "number" ? `params.${name}` : `word(params.${name})`;
}

/** WGSL for a host scalar of the step. */
export function scalar({ word }: Scalar): string {
  return `bitcast<f32>(word(${word}u))`;
}

/** Whether a kernel reads a host scalar of the step. */
export function readsScalar({ shader: { main, declarations } }: Kernel, read: Scalar): boolean {
  return main.includes(scalar(read)) || declarations.includes(scalar(read));
}

/** Elements per thread: 4 where rows divide into vectors of four, else 1. */
export function vectorWidth(...widths: number[]): 1 | 4 {
  return widths.every((width) => width % 4 === 0) ? 4 : 1;
}

/** WGSL type of `width` floats, as a kernel computes with them. */
export function vector(width: 1 | 4): string {
  return width === 1 ? "f32" : "vec4f";
}

/** How kernels read rows of `width` floats: `columns` vectors of `step`, of the WGSL type `element`. */
export function rowVectors(width: number): { readonly step: 1 | 4; readonly element: string; readonly columns: number } {
  const step = vectorWidth(width);
  return { step, element: vector(step), columns: width / step };
}

/** WGSL for the sum of a vector's elements. */
export function horizontalSum(expression: string, width: 1 | 4): string {
  return width === 1 ? `(${expression})` : `dot(${expression}, vec4f(1))`;
}

/** WGSL for the largest component of a vector of this width. */
export function horizontalLargest(expression: string, width: 1 | 4): string {
  return width === 1 ? `(${expression})` : `max(max(${expression}.x, ${expression}.y), max(${expression}.z, ${expression}.w))`;
}

/** The most workgroups along one dimension of a dispatch on a core device. */
const maxWorkgroups = 65_535;

/** Workgroups for `count` blocks, folded into two dimensions if one is not enough; WGSL gets its block as `block`, see `blockIndex`. */
export function fold(count: number): Workgroups {
  return count <= maxWorkgroups ? [count, 1, 1] : [maxWorkgroups, Math.ceil(count / maxWorkgroups), 1];
}

/** WGSL that declares `block`, the index that `fold` spread over two dimensions. */
export const blockIndex = "let block = group.y * groups.x + group.x;";

/** Default threads per workgroup: two or more subgroups on every adapter, and within every device's limits. */
export const threadsPerWorkgroup = 64;

/** The declaration of a kernel with one thread per vector: the tensor whose elements it covers, and the elements per thread. */
export interface PointKernelDeclaration extends Omit<KernelDeclaration, "workgroupSize" | "workgroups"> {
  readonly over: Type;
  /** `vectorWidth` of its rows. */
  readonly width: 1 | 4;
}

/**
 * A kernel with one thread per vector of each row. It declares `row` and `column` (counted in vectors), and `index` into row-major memory.
 * The row count may be live; the width is the product of the other dimensions of `over`.
 */
export function pointKernel(declaration: PointKernelDeclaration): Kernel {
  const { over, width, main, ...rest } = declaration;
  const columns = rowWidth(over.shape) / width;
  const first = over.shape[0] ?? 1;
  return kernel({
    ...rest,
    workgroupSize: [threadsPerWorkgroup],
    main: wgsl`${blockIndex}
  let index = block * ${threadsPerWorkgroup}u + thread;
  let row = index / ${columns}u;
  let column = index % ${columns}u;
  if (row >= ${rows(first)}) { return; }
  ${main}`,
    workgroups: (live) => fold(Math.ceil((live(first) * columns) / threadsPerWorkgroup)),
  });
}

/** A kernel that fills a tensor of floats with zeros. */
export function zeroKernel(label: string, tensor: Tensor): Kernel {
  const width = vectorWidth(rowWidth(tensor.shape));
  const element = vector(width);
  return pointKernel({ label, over: tensor, width, writes: { zeros: [tensor, element] }, main: `setZeros(index, ${element}());` });
}

/** WGSL for NaN, computed from any u32 of the kernel, because a constant NaN does not compile. */
export function nan(any: string): string {
  return `bitcast<f32>(0x7fc00000u | min(${any}, 1u))`;
}
