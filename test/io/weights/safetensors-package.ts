/** Declarations for the parts of the `safetensors` package that the tests use as the oracle for our own reader and writer. */
import { createRequire } from "node:module";

interface SafeTensorFile {
  readonly metadata: ReadonlyMap<string, { dtype: string; shape: number[] }>;
  getTensor(name: string): Uint8Array;
}

export const { SafeTensor } = createRequire(import.meta.url)("safetensors") as { SafeTensor: new (bytes: Uint8Array) => SafeTensorFile };
