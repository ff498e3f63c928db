/** Persistent tensors for programs that are recorded and planned but never run. */
import type { Persistent, Type } from "../../src/kernels/language/operation.ts";

/** An f32 tensor. */
export function memoryless(name: string, ...shape: number[]): Persistent {
  return memorylessOf(name, { dtype: "f32", shape });
}

export function memorylessOf(name: string, { dtype, shape }: Type & { readonly shape: readonly number[] }): Persistent {
  return {
    name,
    dtype,
    shape,
    get window(): Persistent["window"] {
      throw new Error(`${name} has no memory`);
    },
  };
}
