/**
 * What a device can do, as far as choosing kernels needs to know. Read once when a device opens; never changes after.
 */
export interface Capabilities {
  /** WebGPU features the device was opened with. */
  readonly features: ReadonlySet<string>;
  readonly limits: GPUSupportedLimits;
  /** The adapter runs on the CPU: one thread a row and no barriers win there, the opposite of a GPU. */
  readonly software: boolean;
  /** Lanes of a subgroup where every pipeline has the same number, else null (no subgroups, or a size that varies). */
  readonly subgroupSize: number | null;
}

export function readCapabilities(device: GPUDevice, info: GPUAdapterInfo): Capabilities {
  const features = new Set<string>(device.features);
  const fixedSize = info.subgroupMinSize === info.subgroupMaxSize && info.subgroupMinSize > 0;
  return {
    features,
    limits: device.limits,
    software: info.isFallbackAdapter,
    subgroupSize: features.has("subgroups") && fixedSize ? info.subgroupMinSize : null,
  };
}
