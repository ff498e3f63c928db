/** A copy of a model's trained parameters, kept on the device, so that training can return to its best step. */
import "../../disposal.ts";
import type { BufferWindow } from "../../gpu/device.ts";
import { bytesPerElement, elementCount } from "../../kernels/language/operation.ts";
import type { ParameterStore } from "./parameter-store.ts";

/** A copy of a model's trained parameters on their device. */
export class ParameterSnapshot {
  #isTaken = false;

  private constructor(
    readonly store: ParameterStore,
    /** A buffer for each arena of trained parameters. */
    readonly buffers: readonly GPUBuffer[],
  ) {}

  /** Allocates memory for the parameters; it holds nothing until `take`. Throws `CapacityError` when the device has no room. */
  static async allocate(store: ParameterStore): Promise<ParameterSnapshot> {
    const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
    const declarations = windowsOf(store).map(({ size }, i) => ({ label: `snapshot ${i}`, bytes: size, usage }));
    return new ParameterSnapshot(store, await store.device.allocate("a copy of the model's parameters", declarations));
  }

  /** Whether it holds values: taken from the model, or written. */
  get isTaken(): boolean {
    return this.#isTaken;
  }

  /** Copies the current values. */
  take(): void {
    this.#copy((window, buffer) => [window, { buffer, offset: 0, size: window.size }]);
    this.#isTaken = true;
  }

  /** The copied values of a trained tensor, row-major. */
  async read(name: string): Promise<Float32Array> {
    return new Float32Array(await this.store.device.read(this.#windowOf(name)));
  }

  /** Replaces the copied values of trained tensors; all of them must be given. */
  write(tensors: ReadonlyMap<string, Float32Array>): void {
    for (const [name, data] of tensors) {
      const { buffer, offset } = this.#windowOf(name);
      this.store.device.write(buffer, offset, data);
    }
    this.#isTaken = true;
  }

  /** Restores the copied values. */
  restore(): void {
    this.#copy((window, buffer) => [{ buffer, offset: 0, size: window.size }, window]);
    this.store.layout.halvesAreStale = true;
  }

  /** Frees the memory. */
  close(): void {
    for (const buffer of this.buffers) buffer.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Where a tensor is in the copy: at the same place as in its arena. Trained tensors are f32. */
  #windowOf(name: string): BufferWindow {
    const { parameter, offset, shape } = this.store.pieces.get(name)!;
    const { buffer, offset: start } = parameter.window;
    const arenas = windowsOf(this.store);
    const at = arenas.findIndex((window) => window.buffer === buffer);
    const size = bytesPerElement.f32;
    return { buffer: this.buffers[at]!, offset: start - arenas[at]!.offset + offset * size, size: elementCount(shape) * size };
  }

  #copy(ends: (window: BufferWindow, buffer: GPUBuffer) => readonly [from: BufferWindow, to: BufferWindow]): void {
    this.store.check();
    this.store.device.submit((encoder) => {
      for (const [i, window] of windowsOf(this.store).entries()) {
        const [from, to] = ends(window, this.buffers[i]!);
        encoder.copyBufferToBuffer(from.buffer, from.offset, to.buffer, to.offset, window.size);
      }
    });
  }
}

function windowsOf({ layout }: ParameterStore): BufferWindow[] {
  return layout.arenas.flatMap(({ parameters, training }) => (training ? [parameters.window] : []));
}
