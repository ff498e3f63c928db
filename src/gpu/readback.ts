/** Reads one range of a buffer repeatedly, through staging buffers that are kept. */
import type { BufferWindow, Device } from "./device.ts";

/** Staging buffers that are kept: while one is read, the next batch's values are copied into the other. */
const kept = 2;

export class Readback {
  readonly #device: Device;
  readonly #window: BufferWindow;
  /** All staging buffers, and those that no read uses. */
  readonly #staging: Set<GPUBuffer>;
  readonly #free: GPUBuffer[];

  /** `staging` is at least as large as the range and has the usages `COPY_DST | MAP_READ`; `close` destroys it. */
  constructor(device: Device, staging: GPUBuffer, window: BufferWindow) {
    this.#device = device;
    this.#staging = new Set([staging]);
    this.#free = [staging];
    this.#window = window;
  }

  /**
   * The range's bytes after the work submitted so far, or the first `bytes` of them. Reads at the same time are allowed, and each returns the
   * content at its call.
   */
  async read(bytes = this.#window.size): Promise<ArrayBuffer> {
    const staging = this.#free.pop() ?? this.#create();
    try {
      return await this.#device.readThrough(staging, { ...this.#window, size: bytes });
    } finally {
      if (this.#staging.size <= kept) this.#free.push(staging);
      else this.#destroy(staging);
    }
  }

  close(): void {
    for (const staging of this.#staging) staging.destroy();
  }

  #create(): GPUBuffer {
    const staging = this.#device.createStaging(this.#window.size);
    this.#staging.add(staging);
    return staging;
  }

  #destroy(staging: GPUBuffer): void {
    this.#staging.delete(staging);
    staging.destroy();
  }
}
