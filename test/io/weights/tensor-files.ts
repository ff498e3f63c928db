/** Small safetensors files in memory, for the tests of the reader and of the writer. */

import { MemoryFolder } from "../../../src/io/folder.ts";
import type { Dtype } from "../../../src/io/weights/dtypes.ts";
import { encodeSafetensors, openSafetensors, type Safetensors, type TensorToWrite } from "../../../src/io/weights/safetensors.ts";

const FILE = "model.safetensors";

/** What messages call the file that `opened` opens. */
export const PATH = `memory/${FILE}`;

/** The whole file that the writer makes. */
export async function encode(tensors: readonly TensorToWrite[], metadata?: Record<string, string>): Promise<Uint8Array> {
  const folder = new MemoryFolder();
  await folder.write(FILE, encodeSafetensors(tensors, metadata));
  return folder.read(FILE);
}

export const opened = (bytes: Uint8Array): Promise<Safetensors> => openSafetensors(new MemoryFolder("memory", [[FILE, bytes]]), FILE);
export const f32 = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.of(...values).buffer);
export const tensor = (name: string, dtype: Dtype, shape: number[], bytes: Uint8Array): TensorToWrite => ({
  name,
  dtype,
  shape,
  data: () => bytes,
});
