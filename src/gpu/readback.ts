/** Reading one window of a buffer again and again, through a staging buffer that is kept. */
import type { BufferWindow, Device } from "./device.ts";

export class Readback {
  readonly #device: Device;
  readonly #staging: GPUBuffer;
  readonly #window: BufferWindow;
  #isReading = false;

  /** `staging` is at least as large as the window, with the usages `COPY_DST | MAP_READ`; it is destroyed by `close`. */
  constructor(device: Device, staging: GPUBuffer, window: BufferWindow) {
    this.#device = device;
    this.#staging = staging;
    this.#window = window;
  }

  /**
   * The window's bytes after the work submitted so far. A read that begins while another one is still waiting copies through a buffer of its own, so that it
   * also sees the window as it is now.
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
