/** The lowering of elementwise functions: one thread per vector, one expression. Operands broadcast to the result's shape. */
import { broadcastRead } from "./broadcast.ts";
import { type KernelDeclaration, pointKernel, vector, vectorWidth } from "./kernel.ts";
import { capacity, type Lowering, rowWidth, sameShape, type Tensor, type Type } from "./operation.ts";

/** An elementwise function: its operands, its result and its WGSL. */
export interface PointwiseLowering {
  readonly label: string;
  /** The operands, by their names in the expression. */
  readonly inputs: Record<string, Tensor>;
  readonly output: Tensor;
  /** WGSL functions; `T` stands for the element type, f32 or vec4f. */
  readonly declarations?: string;
  /** WGSL of the result's element. It may use the operands' elements, `params`, `row`, `column` and `index`. */
  readonly expression: string;
  readonly params?: KernelDeclaration["params"];
}

/** A vector of known length, viewed as rows of four so that it is read in vec4s. */
function asRows(type: Type): Type {
  const [length, ...rest] = type.shape;
  return rest.length === 0 && typeof length === "number" && length % 4 === 0 ? { ...type, shape: [length / 4, 4] } : type;
}

/** The lowering of an elementwise function. */
export function pointwise({ label, inputs, output, declarations = "", expression, params = {} }: PointwiseLowering): Lowering {
  const operands = Object.entries(inputs);
  const over = asRows(output);
  // If an operand repeats, a vec4 must lie within one row of the last dimension.
  const repeats = output.shape.length > 1 && operands.some(([, { shape }]) => !sameShape(shape, output.shape));
  const width = vectorWidth(repeats ? capacity(output.shape.at(-1)!) : rowWidth(over.shape));
  const reads = operands.map(([name, tensor]) => ({ name, tensor, ...broadcastRead(name, tensor.shape, output.shape, width) }));
  const kernel = pointKernel({
    label,
    over,
    width,
    reads: Object.fromEntries(reads.map(({ name, tensor, element }) => [name, [tensor, element] as const])),
    writes: { result: [output, vector(width)] },
    params,
    declarations: `alias T = ${vector(width)};\n${declarations}`,
    main: `${reads.map(({ name, read }) => `let ${name} = ${read};\n  `).join("")}setResult(index, ${expression});`,
  });
  return { variant: `point ×${width}`, kernels: [kernel] };
}
