/** A copy of a model's trained parameters, kept on the device, so that training can return to its best step. */
import type { BufferWindow } from "../../gpu/device.ts";
import type { ParameterStore } from "./parameter-store.ts";

/** A copy of a model's trained parameters on their device. */
export class ParameterSnapshot {
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

  /** Copies the current values. */
  take(): void {
    this.#copy((window, buffer) => [window, { buffer, offset: 0, size: window.size }]);
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
