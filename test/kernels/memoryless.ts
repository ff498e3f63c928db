/** A persistent tensor for what is recorded and planned but never run. */
import type { Persistent } from "../../src/kernels/operation.ts";

export function memoryless(name: string, ...shape: number[]): Persistent {
  return {
    name,
    dtype: "f32",
    shape,
    get window(): Persistent["window"] {
      throw new Error(`${name} has no memory`);
    },
  };
}
