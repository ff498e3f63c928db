/** The lowering of functions of single elements: one thread a vector, one expression. Operands broadcast to the result's shape. */
import { broadcastRead } from "./broadcast.ts";
import { pointKernel, vector, vectorWidth } from "./kernel.ts";
import { capacity, type Lowering, rowWidth, sameShape, type Tensor, type Type } from "./operation.ts";

/** A function of single elements: its operands, its result and its WGSL. */
export interface PointwiseLowering {
  readonly label: string;
  /** The operands by the names that the expression calls them. */
  readonly inputs: Record<string, Tensor>;
  readonly output: Tensor;
  /** WGSL functions; `T` stands for the element type, f32 or vec4f. */
  readonly declarations?: string;
  /** WGSL of the result's element, from the operands' elements, `params` and `row`, `column`, `index`. */
  readonly expression: string;
  readonly params?: Parameters<typeof pointKernel>[0]["params"];
}

/** A vector of known length as rows of four, so that it too is read by fours. */
function asRows(type: Type): Type {
  const [length, ...rest] = type.shape;
  return rest.length === 0 && typeof length === "number" && length % 4 === 0 ? { ...type, shape: [length / 4, 4] } : type;
}

/** The lowering of a function of single elements. */
export function pointwise({ label, inputs, output, declarations = "", expression, params = {} }: PointwiseLowering): Lowering {
  const operands = Object.entries(inputs);
  const over = asRows(output);
  // A vector of four lies within one row of the last dimension where an operand repeats.
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
