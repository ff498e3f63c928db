/**
 * Times compute passes on the GPU's clock with two timestamps per pass (WebGPU's `timestamp-query`). Only used for profiles, because a
 * timed step is slower.
 */
import "../disposal.ts";
import { DeviceError } from "../errors.ts";
import type { Device } from "./device.ts";
import { inErrorScope } from "./error-scope.ts";

/** When a pass began and ended, in nanoseconds after the first began. */
export interface PassTime {
  readonly begin: number;
  readonly end: number;
}

/** Throws `DeviceError` where the device has no timestamps. */
export function requireTimestamps({ capabilities, name }: Device): void {
  if (capabilities.features.has("timestamp-query")) return;
  throw new DeviceError(
    `${name} has no timestamp-query: its kernels cannot be timed one by one.`,
    "In Chrome, timestamps need --enable-dawn-features=allow_unsafe_apis or a secure context; or profile in Node.",
  );
}

/** Timestamps for the passes of one submit. */
export class Timestamps {
  readonly #device: Device;
  readonly #queries: GPUQuerySet;
  readonly #resolved: GPUBuffer;
  readonly #staging: GPUBuffer;

  /** For `passes` passes. Throws `DeviceError` where the device has no timestamps. */
  constructor(device: Device, passes: number) {
    requireTimestamps(device);
    this.#device = device;
    this.#staging = device.createStaging(16 * passes);
    const { result } = inErrorScope(device.gpu, () => ({
      queries: device.gpu.createQuerySet({ type: "timestamp", count: 2 * passes }),
      resolved: device.createBuffer("timestamps", 16 * passes, GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC),
    }));
    this.#queries = result.queries;
    this.#resolved = result.resolved;
  }

  /** The descriptor of pass number `pass`. */
  pass(pass: number): GPUComputePassDescriptor {
    return {
      timestampWrites: { querySet: this.#queries, beginningOfPassWriteIndex: 2 * pass, endOfPassWriteIndex: 2 * pass + 1 },
    };
  }

  /** Encodes the commands that read the timestamps, after the timed passes. */
  resolve(encoder: GPUCommandEncoder): void {
    encoder.resolveQuerySet(this.#queries, 0, this.#queries.count, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, this.#staging, 0, this.#resolved.size);
  }

  /** The times of the last submitted passes, in order. The next ones must not be submitted before. */
  async read(): Promise<PassTime[]> {
    const times = new BigUint64Array(await this.#device.readStaged(this.#staging, this.#staging.size));
    const since = (i: number) => Number(times[i]! - times[0]!);
    return Array.from({ length: times.length / 2 }, (_, pass) => ({ begin: since(2 * pass), end: since(2 * pass + 1) }));
  }

  close(): void {
    this.#queries.destroy();
    this.#resolved.destroy();
    this.#staging.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
