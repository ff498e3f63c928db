/**
 * How a product ends: with nothing more, with a function of the pointwise table, or multiplied by such a function's derivative. A derivative reads
 * the function's operand, which the product before the function then keeps beside its result, or the result itself.
 */
import { type Activation, activations, functions, type PointwiseFunction } from "../pointwise/functions.ts";

/** A function's name applies it, and `geluGradient` multiplies by GELU's derivative. */
export type FinishName = "none" | Activation | `${Activation}Gradient`;

/** What a product's kernel does with a sum. */
export interface Finish {
  readonly activation: Activation;
  readonly isGradient: boolean;
  /** What the derivative reads: the operand or the result of the function. */
  readonly reads: "preActivation" | "activation";
  /** WGSL from `sum` to the value that is stored. */
  readonly value: string;
  /** WGSL functions that it calls. */
  readonly declarations: string;
}

function finishesOf(activation: Activation): [FinishName, Finish][] {
  const { value, derivatives, declarations = "" }: PointwiseFunction = functions[activation];
  const { x: derivative } = derivatives as { readonly x: string };
  const reads = /\by\b/.test(derivative) ? "activation" : "preActivation";
  const common = { activation, reads, declarations } as const;
  return [
    [activation, { ...common, isGradient: false, value: value.replaceAll(/\bx\b/g, "sum") }],
    [`${activation}Gradient`, { ...common, isGradient: true, value: `sum * ${derivative.replaceAll(/\b[xy]\b/g, `${reads}(index)`)}` }],
  ];
}

const finishes: ReadonlyMap<FinishName, Finish> = new Map(activations.flatMap(finishesOf));

/** The finish of this name; null for none. */
export const finishOf = (name: FinishName): Finish | null => finishes.get(name) ?? null;

/** Whether a function of the pointwise table can be a finish. */
export const isActivation = (name: string): name is Activation => (activations as readonly string[]).includes(name);

/** Whether a product with this finish has the sums as its second output. */
export const keepsSums = (name: FinishName): boolean => {
  const finish = finishOf(name);
  return finish !== null && !finish.isGradient && finish.reads === "preActivation";
};
