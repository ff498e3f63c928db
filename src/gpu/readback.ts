/** Reads one range of a buffer repeatedly, through a staging buffer that is kept. */
import type { BufferWindow, Device } from "./device.ts";

export class Readback {
  readonly #device: Device;
  readonly #staging: GPUBuffer;
  readonly #window: BufferWindow;
  #isReading = false;

  /** `staging` is at least as large as the range and has the usages `COPY_DST | MAP_READ`; `close` destroys it. */
  constructor(device: Device, staging: GPUBuffer, window: BufferWindow) {
    this.#device = device;
    this.#staging = staging;
    this.#window = window;
  }

  /**
   * The range's bytes after the work submitted so far. A read that begins while another is waiting copies through a temporary buffer, so
   * that it also returns the current content.
   */
  async read(): Promise<ArrayBuffer> {
    if (this.#isReading) return this.#device.read(this.#window);
    this.#isReading = true;
    try {
      return await this.#device.readThrough(this.#staging, this.#window);
    } finally {
      this.#isReading = false;
    }
  }

  close(): void {
    this.#staging.destroy();
  }
}
