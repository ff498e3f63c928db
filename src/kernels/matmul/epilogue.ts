/**
 * The steps between the product's registers and memory, the same for every variant of matmul: scale, bias, an addend, GELU (keeping its
 * input for the gradient) or GELU's derivative.
 */
import { wgsl } from "../../gpu/shader.ts";
import { geluDeclarations } from "../language/gelu.ts";
import { type Bindings, paramF32, vector } from "../language/kernel.ts";
import type { Tensor } from "../language/operation.ts";
import type { MatmulAttributes, MatmulTensors } from "./attributes.ts";

/** The part of a kernel after the product. */
export interface Epilogue {
  readonly reads: Bindings;
  readonly writes: Bindings;
  readonly params: { readonly scale: ReturnType<typeof paramF32> };
  /** WGSL: `finish(index, column, product)` stores one element of type `T`; index and column are counted in elements. */
  readonly declarations: string;
}

type Activation = MatmulAttributes["activation"];

/** WGSL from `sum` to the value stored at `index`. */
const store: Record<Activation, string> = {
  none: "setC(index, sum);",
  gelu: "setPreActivation(index, sum); setC(index, gelu(sum));",
  geluGradient: "setC(index, sum * geluDerivative(preActivation(index)));",
};

/** The epilogue of a product that stores `width` elements at a time. */
export function epilogue(
  { bias, addend, preActivation, c, keptPreActivation }: MatmulTensors,
  attributes: MatmulAttributes,
  width: 1 | 4,
): Epilogue {
  const { scale, activation } = attributes;
  const element = vector(width);
  const bind = (tensor: Tensor | undefined) => tensor && ([tensor, element] as const);
  return {
    reads: { bias: bind(bias), addend: bind(addend), preActivation: bind(preActivation) },
    writes: { c: bind(c), preActivation: bind(keptPreActivation) },
    params: { scale: paramF32(scale) },
    declarations: wgsl`alias T = ${element};
${activation === "none" ? "" : geluDeclarations}
fn finish(index: u32, column: u32, product: T) {
  let sum = product * params.scale${bias ? " + bias(column)" : ""}${addend ? " + addend(index)" : ""};
  ${store[activation]}
}
`,
  };
}
