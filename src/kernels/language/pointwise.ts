/** The lowering that functions of single elements share: one thread per vector, one expression. */
import { pointKernel, vector, vectorWidth } from "./kernel.ts";
import { type Kernel, type Lowering, rowWidth, type Tensor, type Type } from "./operation.ts";

interface Pointwise {
  readonly label: string;
  /** Tensors of the output's shape, bound under these names. */
  readonly inputs: Record<string, Tensor>;
  readonly output: Tensor & Type;
  /** WGSL functions; `T` stands for the element type, f32 or vec4f. */
  readonly declarations?: string;
  /** The output element, from `name[index]` of the inputs. */
  readonly expression: string;
  readonly params?: Parameters<typeof pointKernel>[0]["params"];
}

/** A vector of known length as rows of four, so that it too is read by fours. */
function asRows(type: Type): Type {
  const [length, ...rest] = type.shape;
  return rest.length === 0 && typeof length === "number" && length % 4 === 0 ? { ...type, shape: [length / 4, 4] } : type;
}

export function pointwise({ label, inputs, output, declarations = "", expression, params = {} }: Pointwise): Lowering {
  const over = asRows(output);
  const width = vectorWidth(rowWidth(over.shape));
  const element = vector(width);
  const kernel: Kernel = pointKernel({
    label,
    over,
    width,
    reads: Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, [tensor, element] as const])),
    writes: { y: [output, element] },
    params,
    declarations: `alias T = ${element};\n${declarations}`,
    main: `setY(index, ${expression});`,
  });
  return { variant: `point ×${width}`, kernels: [kernel] };
}
