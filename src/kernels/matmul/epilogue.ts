/**
 * The steps between the product's registers and memory, the same for every variant of matmul: scale, bias, an addend, and a finish
 * (`finish.ts`): an activation such as GELU, keeping its input where the gradient needs it, or the derivative of one.
 */
import { wgsl } from "../../gpu/shader.ts";
import { type Bindings, paramF32, vector } from "../language/kernel.ts";
import type { Tensor } from "../language/operation.ts";
import type { MatmulAttributes, MatmulTensors } from "./attributes.ts";
import { finishOf } from "./finish.ts";

/** The part of a kernel after the product. */
export interface Epilogue {
  readonly reads: Bindings;
  readonly writes: Bindings;
  readonly params: { readonly scale: ReturnType<typeof paramF32> };
  /** WGSL: `finish(index, column, product)` stores one element of type `T`; index and column are counted in elements. */
  readonly declarations: string;
}

/** The epilogue of a product that stores `width` elements at a time. */
export function epilogue(
  { bias, addend, slopeAt, c, keptPreActivation }: MatmulTensors,
  attributes: MatmulAttributes,
  width: 1 | 4,
): Epilogue {
  const { scale, activation } = attributes;
  const element = vector(width);
  const finish = finishOf(activation);
  const bind = (tensor: Tensor | undefined) => tensor && ([tensor, element] as const);
  return {
    reads: { bias: bind(bias), addend: bind(addend), ...(finish && { [finish.reads]: bind(slopeAt) }) },
    writes: { c: bind(c), preActivation: bind(keptPreActivation) },
    params: { scale: paramF32(scale) },
    declarations: wgsl`alias T = ${element};
${finish?.declarations ?? ""}
fn finish(index: u32, column: u32, product: T) {
  let sum = product * params.scale${bias ? " + bias(column)" : ""}${addend ? " + addend(index)" : ""};
  ${keptPreActivation ? "setPreActivation(index, sum); " : ""}setC(index, ${finish?.value ?? "sum"});
}
`,
  };
}
