/**
 * Defines what an operation is: the language that kernels, tape and planner share.
 *
 * An operation is one file in the folder above. It has the function that model code calls, its shape rule (`infer`), its kernels (`lower`,
 * which chooses a variant from the device's capabilities) and its gradient rule (`gradient`, written in operations). Nothing here touches a
 * GPU: a value is a shape, a dtype and the node that computes it, until the planner assigns memory.
 */
import { ShapeError } from "../../errors.ts";
import type { Capabilities } from "../../gpu/capabilities.ts";
import { type BufferWindow, wholeWords } from "../../gpu/device.ts";
import type { Access, ShaderDeclaration } from "../../gpu/shader.ts";

/** How elements are stored on the device. */
export type DType = "f32" | "f16" | "u32";

/** How a tensor of floats is stored; kernels compute in f32 either way. */
export type FloatType = "f32" | "f16";

/** Bytes of one element. */
export const bytesPerElement: Record<DType, number> = { f32: 4, f16: 2, u32: 4 };

/**
 * A dimension whose live size is given each step and is at most `capacity`: tokens, sentences, pairs. Memory is laid out for the capacity;
 * kernels compute only the live part and leave the rest undefined.
 */
export interface Extent {
  readonly name: string;
  readonly capacity: number;
  /** The index of the live size in the step block. */
  readonly word: number;
}

/** A size that is fixed, or an `Extent` whose live size changes from step to step. */
export type Dimension = number | Extent;
/** The dimensions of a tensor, row-major. */
export type Shape = readonly Dimension[];

/** The dtype and shape of a tensor. */
export interface Type<D extends DType = DType> {
  readonly dtype: D;
  readonly shape: Shape;
}

/** A number the host gives each step: a learning rate, a loss scale. */
export interface Scalar {
  readonly name: string;
  readonly word: number;
}

/** Where a tensor lies in the memory of a larger one. */
export interface PartOf<Whole> {
  readonly whole: Whole;
  /** Bytes from its beginning. */
  readonly offset: number;
}

/** A tensor whose memory outlives every plan: a parameter, its gradient, an optimiser's moment. Plans share it. */
export interface Persistent extends Type {
  readonly name: string;
  readonly shape: readonly number[];
  /** Throws when its memory has not been allocated yet. */
  readonly window: BufferWindow;
  /** The tensor whose buffer it is in; absent if it has its own buffer. */
  readonly partOf?: PartOf<Persistent> | undefined;
  /** Where its gradient is kept, if it has a persistent one. */
  readonly gradient?: Persistent | undefined;
  /** Its f16 copy, which f16 products read instead. */
  readonly half?: Persistent | undefined;
}

/** A symbolic tensor on a tape. */
export class Value<D extends DType = DType> implements Type<D> {
  /** The node that computes it; null for an input or a persistent tensor. */
  node: Node | null = null;
  /** The persistent tensor that holds it, if any. */
  persistent: Persistent | null = null;
  /** Whether its node adds it to what `persistent` holds. */
  adds = false;
  /** The value whose memory this one reads under another shape. */
  base: Value | null = null;
  /** Upper bounds of the indices that it holds. A program refuses an input that exceeds one. */
  readonly limits: IndexLimit[] = [];

  constructor(
    readonly tape: Recorder,
    readonly id: number,
    readonly dtype: D,
    readonly shape: Shape,
    /** The name in plans and errors; empty for values that a node computes. */
    readonly name: string,
  ) {}
}

/** Indices must be below this size. */
export interface IndexLimit {
  readonly size: Dimension;
  /** What the indices select, such as `rows of the table`. */
  readonly of: string;
}

/**
 * Has indices that the host gives checked before each step. If the device computes indices, operations return NaN for those that are too
 * large.
 */
export function limitIndices(indices: Value, limit: IndexLimit): void {
  let root = indices;
  while (root.base !== null) root = root.base;
  root.limits.push(limit);
}

/** What an operation reads: a value of the tape, or a tensor that outlives the plan, such as a parameter. */
export type Operand = Value | Persistent;

/** One recorded operation. */
export interface Node<A = unknown> {
  readonly operation: Operation<A>;
  readonly attributes: A;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
}

/** The part of the tape that operations use. */
export interface Recorder {
  /** Appends a node; its outputs are new values. Throws `ShapeError` when the inputs do not fit. */
  append<A>(operation: Operation<A>, inputs: readonly Operand[], attributes: A): Value[];
  /** Appends a node that writes into given persistent tensors in place, such as an optimiser's update. Returns its outputs. */
  update<A>(operation: Operation<A>, inputs: readonly Operand[], outputs: readonly Persistent[], attributes: A): Value[];
  /** A new dropout site: each place that draws random numbers has its own. */
  dropoutSite(): number;
  /** Records a part of the forward pass. Keeps only the inputs of this part; the backward pass recomputes the rest. */
  recomputed<T>(record: () => T): T;
}

/** An operation: its shape rule, its kernels, and its gradient. `A` is the type of its attributes. */
export interface Operation<A = unknown> {
  readonly name: string;
  /** The shape rule: types of the outputs. Throws `ShapeError`. */
  infer(inputs: readonly Type[], attributes: A): Type[];
  /** Chooses a variant and returns its dispatches, in order. */
  lower(node: Node<A>, capabilities: Capabilities): Lowering;
  /** All variants that suit the device and the node, starting with the one that `lower` chooses. Measuring may find another one faster. */
  variants?(node: Node<A>, capabilities: Capabilities): readonly Variant[];
  /** The node that is measured in this one's place: nodes for which it is the same are as fast in the same variants. If absent, the node itself. */
  measuredAs?(node: Node<A>): Pick<Node<A>, "attributes" | "inputs">;
  /** Contents for the inputs that are u32 tables, with which the node can be measured; null for the other inputs. */
  tables?(node: Node<A>): readonly (Uint32Array | null)[];
  /** Cases in which a variant can be compared with a portable one before it is trusted on a device. */
  probes?(node: Node<A>): Probes<A>;
  /** How nodes share a dispatch; absent if they never do. */
  readonly grouping?: Grouping<A>;
  /** Whether each element of an output is written once and never read, in every variant. Then the planner may have it added to a gradient. */
  readonly writesOnce?: true;
  /**
   * Appends a node that does in one kernel what `node` does and then what follows; returns null if it cannot. The old node stays on the
   * tape, and the planner drops it if nothing else reads it.
   */
  absorb?(node: Node<A>, follower: Follower): Value | null;
  /**
   * From the gradients of the outputs (null if the loss does not depend on one), appends the adjoint operations and returns a gradient for
   * each input (null if there is none). If absent, the operation cannot be differentiated.
   */
  gradient?(node: Node<A>, outputGradients: readonly (Value | null)[]): (Value | null)[];
}

/** A named way to compute a node. */
export interface Variant {
  readonly name: string;
  lower(): Lowering;
}

/** How nodes of an operation that depend on nothing of each other share a dispatch. */
export interface Grouping<A = unknown> {
  /** Nodes with the same text may share one; null for a node that may not. */
  kind(node: Node<A>, capabilities: Capabilities): string | null;
  /** The most nodes of a node's kind that may. */
  most(node: Node<A>, capabilities: Capabilities): number;
  /** The node that computes all of `nodes`, with their outputs one after the other; null if it would not be faster. */
  together(nodes: readonly Node<A>[]): Node | null;
}

/** Small nodes of a node's kind, to check whether a device computes correct results. */
export interface Probes<A = unknown> {
  /** Types of the inputs of each case, live where the node's are. Some sizes end close to the edges of tiles. */
  readonly inputs: readonly (readonly Type[])[];
  /** Contents of the inputs that are u32 tables; null for the others. */
  readonly tables?: readonly (Uint32Array | null)[];
  /** What each output is rounded to, itself or in what it is computed from; its own type if absent. */
  readonly precisions?: readonly DType[];
  /** The attributes with which a variant is checked; the node's own if absent. */
  readonly attributes?: A;
  /** The attributes with which all floats are stored as f32. */
  readonly portable: A;
  /** Records the node, if the inputs are not its own, because some of its own are computed from others. */
  record?(inputs: readonly Value[], attributes: A): Node<A>;
}

/** An elementwise function that may be applied to an operation's result in the same kernel. */
export type Follower =
  /** A function of the pointwise table, by its name. */
  | { readonly kind: "function"; readonly name: string }
  /** Multiply by such a function's derivative; `at` is what it reads, the function's operand or its result. */
  | { readonly kind: "derivative"; readonly name: string; readonly at: Value }
  /** Add `addend`. */
  | { readonly kind: "add"; readonly addend: Value }
  /** Repeat to the shape of `type`, and divide by the live size of `divisor` if there is one. */
  | { readonly kind: "expand"; readonly type: Type; readonly divisor: Dimension | null };

/** The value after `follower`, computed in the kernel of `value`; null if that kernel cannot. */
export function absorb(value: Value, follower: Follower): Value | null {
  return value.node?.outputs[0] === value ? (value.node.operation.absorb?.(value.node, follower) ?? null) : null;
}

/** The kernels of a node in the chosen variant. */
export interface Lowering {
  /** The variant's name in a printed plan, such as `soft 32×256`. */
  readonly variant: string;
  readonly kernels: readonly Kernel[];
  /** Memory that only these kernels use. */
  readonly scratch?: readonly Scratch[];
}

/** Memory shared by the kernels of one node. */
export class Scratch implements Type {
  constructor(
    readonly dtype: DType,
    readonly shape: Shape,
  ) {}
}

/** Something that a kernel can bind. */
export type Tensor = Value | Scratch | Persistent;

/** One tensor as a kernel binds it. */
export interface TensorBinding {
  readonly name: string;
  readonly tensor: Tensor;
  /** WGSL type of the elements, such as `vec4f`. */
  readonly element: string;
  /** `texture`: it reads a copy of the matrix in a texture. */
  readonly access: Exclude<Access, "uniform">;
}

/** One dispatch. `language/kernel.ts` makes it from a declaration. */
export interface Kernel {
  readonly shader: ShaderDeclaration;
  readonly bindings: readonly TensorBinding[];
  /** Words of the `params` uniform, empty when there are none. */
  readonly params: Uint32Array;
  /** Workgroups for the live sizes of a step. */
  readonly workgroups: (live: LiveSize) => Workgroups;
  /** Floating-point operations per step, for kernels that are limited by arithmetic. */
  readonly flop?: ((live: LiveSize) => number) | undefined;
  /** Bytes moved per step, for kernels that touch only a part of what they bind. */
  readonly bytes?: ((live: LiveSize) => number) | undefined;
  /** All that it does, if it only adds up parts: the planner may do it later, together with others. */
  readonly joins?: readonly Join[] | undefined;
}

/** One matrix that is the sum of several. All sizes are numbers of f32. */
export interface Join {
  readonly output: Tensor;
  /** The element of the output that it begins at. */
  readonly outputFirst: number;
  /** Where the output's first element of the first part is in `sums`; and the distance to the next row and to the next part. */
  readonly sums: Tensor;
  readonly first: number;
  readonly stride: number;
  readonly plane: number;
  /** Size of the output: multiples of four columns. */
  readonly rows: number;
  readonly columns: number;
  /** The parts: a number (zeros are the sum of none), or one for each `size` rows of a dimension. */
  readonly parts: number | { readonly of: Dimension; readonly size: number };
}

/** The live size of a dimension in a step. */
export type LiveSize = (dimension: Dimension) => number;
/** Workgroups of a dispatch along x, y and z. */
export type Workgroups = readonly [x: number, y: number, z: number];

/** The tensor whose memory `tensor` uses: follows reshapes, and gives the persistent tensor if there is one. */
export function rootOf(tensor: Tensor): Tensor {
  let root = tensor;
  while (root instanceof Value && root.base !== null) root = root.base;
  return root instanceof Value && root.persistent !== null ? root.persistent : root;
}

/** The persistent tensor whose memory `tensor` uses; null for memory of the plan. */
export function persistentOf(tensor: Tensor): Persistent | null {
  const root = rootOf(tensor);
  return root instanceof Value || root instanceof Scratch ? null : root;
}

/** The tensor that owns the buffer. */
export const bufferOf = (tensor: Persistent): Persistent => tensor.partOf?.whole ?? tensor;

/** The size that memory is laid out for. */
export function capacity(dimension: Dimension): number {
  return typeof dimension === "number" ? dimension : dimension.capacity;
}

/** Number of elements that memory is laid out for. */
export function elementCount(shape: Shape): number {
  return shape.reduce<number>((product, dimension) => product * capacity(dimension), 1);
}

/** Bytes of a tensor's elements. */
export function byteSize({ shape, dtype }: Type): number {
  return elementCount(shape) * bytesPerElement[dtype];
}

/** Bytes of memory that a tensor takes: whole words, which bindings and copies consist of. */
export const memorySize = (tensor: Type): number => wholeWords(byteSize(tensor));

/** Elements of one row: the product of all dimensions but the first. */
export function rowWidth(shape: Shape): number {
  return elementCount(shape.slice(1));
}

/** Throws `ShapeError` unless every dimension of `shape` is a whole number of at least 1, or an extent. `subject` names the tensor in the message. */
export function checkShape(subject: string, shape: Shape): void {
  const wrong = shape.findIndex((dimension) => !isPossibleSize(capacity(dimension)));
  if (wrong < 0) return;
  throw new ShapeError(
    `${subject} has the shape ${formatShape(shape)}: dimension ${wrong} is ${capacity(shape[wrong]!)}, which is no whole number from 1.`,
    "Give every dimension a size of at least 1; for sizes that differ from step to step, use an extent.",
  );
}

/** Whether a dimension may have this size. */
export function isPossibleSize(size: number): boolean {
  return Number.isSafeInteger(size) && size >= 1;
}

/** A shape as messages show it: `[tokens≤2048, 128]`. */
export function formatShape(shape: Shape): string {
  return `[${shape.map((dimension) => (typeof dimension === "number" ? dimension : `${dimension.name}≤${dimension.capacity}`)).join(", ")}]`;
}

/** Whether two shapes have the same dimensions; an `Extent` is only the same as itself. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dimension, i) => dimension === b[i]);
}

/** Throws `ShapeError` unless `type` has the wanted dtype (`float` means f32 or f16) and shape; null allows any size of a dimension. */
export function expectType(
  operation: string,
  name: string,
  type: Type,
  dtype: DType | "float",
  shape: readonly (Dimension | null)[],
): void {
  const fits =
    (dtype === "float" ? type.dtype !== "u32" : type.dtype === dtype) &&
    type.shape.length === shape.length &&
    shape.every((wanted, i) => wanted === null || wanted === type.shape[i]);
  if (fits) return;
  const wanted = shape.map((dimension) => (dimension === null ? "·" : formatShape([dimension]).slice(1, -1))).join(", ");
  throw new ShapeError(
    `${operation}: ${name} must be ${dtype} [${wanted}], found ${type.dtype} ${formatShape(type.shape)}.`,
    "Check the shapes of the values that are passed to it.",
  );
}

/** Throws `ShapeError` if a dimension is live whose size kernels need when they are made. */
export function expectKnown(operation: string, name: string, dimension: Dimension | undefined): void {
  if (typeof dimension === "number") return;
  throw new ShapeError(
    `${operation}: ${name} must be known in advance, found ${dimension ? formatShape([dimension]) : "none"}.`,
    "Only the first dimension may be live.",
  );
}

/** Throws `ShapeError` unless `type` is f32 or f16. */
export function expectFloat(operation: string, name: string, { dtype, shape }: Type): void {
  if (dtype !== "u32") return;
  throw new ShapeError(`${operation}: ${name} must be f32 or f16, found u32 ${formatShape(shape)}.`, "Give a tensor of floats.");
}

/** An f32 tensor type. */
export const f32 = (...shape: Dimension[]): Type<"f32"> => ({ dtype: "f32", shape });
/** An f16 or f32 tensor type. */
export const float = <D extends FloatType>(dtype: D, ...shape: Dimension[]): Type<D> => ({ dtype, shape });
/** The storage type of a tensor of floats. */
export const floatOf = ({ dtype }: Type): FloatType => (dtype === "f16" ? "f16" : "f32");
/** The type of unsigned 32-bit integers, such as token ids: `u32(rows)`. */
export const u32 = (...shape: Dimension[]): Type<"u32"> => ({ dtype: "u32", shape });
