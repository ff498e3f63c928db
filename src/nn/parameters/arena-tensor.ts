/** Persistent tensors whose place is fixed before they have memory: a whole arena, or a part of one. */
import { ShapeError } from "../../errors.ts";
import type { BufferWindow } from "../../gpu/device.ts";
import { byteSize, bytesPerElement, type FloatType, memorySize, type Persistent } from "../../kernels/language/operation.ts";

/** A tensor that outlives plans: an arena of parameters, gradients or moments, or the optimiser's state. */
export class ArenaTensor implements Persistent {
  buffer: GPUBuffer | null = null;

  constructor(
    readonly name: string,
    readonly dtype: FloatType,
    readonly shape: readonly number[],
    readonly gradient?: ArenaTensor,
  ) {}

  get bytes(): number {
    return byteSize(this);
  }

  /** Throws `ShapeError` before memory is allocated. */
  get window(): BufferWindow {
    if (this.buffer === null) {
      throw new ShapeError(`${this.name} has no memory yet.`, "Allocate the model with ParameterStore.allocate first.");
    }
    return { buffer: this.buffer, offset: 0, size: this.bytes };
  }

  /** The tensor that begins at one of its elements. */
  part(name: string, offset: number, shape: readonly number[]): Persistent {
    const arena = this;
    const size = bytesPerElement[this.dtype];
    return {
      name,
      dtype: this.dtype,
      shape,
      partOf: { whole: this, offset: offset * size },
      get window() {
        return { buffer: arena.window.buffer, offset: offset * size, size: memorySize({ shape, dtype: arena.dtype }) };
      },
    };
  }
}
