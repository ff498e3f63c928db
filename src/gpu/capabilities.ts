/** What a device can do, as far as choosing kernels needs to know. Read once when a device opens; never changes after. */

/** The limits that choosing kernels and planning memory look at. */
const plannedLimits = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupsPerDimension",
] as const;

/** The device's limits by their WebGPU names; bytes where they are sizes. */
export type Limits = Readonly<Record<(typeof plannedLimits)[number], number>>;

/** Sizes and types that the device's matrix units take: [M, K] · [K, N] accumulated as [M, N]. */
export interface SubgroupMatrix {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** Features and limits of an open device. */
export interface Capabilities {
  /** WebGPU features the device was opened with. */
  readonly features: ReadonlySet<string>;
  readonly limits: Limits;
  /** The adapter runs on the CPU: one thread a row and no barriers win there, the opposite of a GPU. */
  readonly software: boolean;
  /** Lanes of a subgroup where every pipeline has the same number, else null (no subgroups, or a size that varies). */
  readonly subgroupSize: number | null;
  /** What `chromium-experimental-subgroup-matrix` offers; empty without it. */
  readonly subgroupMatrices: readonly SubgroupMatrix[];
}

/** `largestBinding` lowers `maxStorageBufferBindingSize`. */
export function readCapabilities(device: GPUDevice, info: GPUAdapterInfo, largestBinding = Number.POSITIVE_INFINITY): Capabilities {
  const features = new Set<string>(device.features);
  const limits = Object.fromEntries(plannedLimits.map((name) => [name, device.limits[name]])) as Limits;
  const fixedSize = info.subgroupMinSize === info.subgroupMaxSize && info.subgroupMinSize > 0;
  return {
    features,
    limits: { ...limits, maxStorageBufferBindingSize: Math.min(limits.maxStorageBufferBindingSize, largestBinding) },
    software: info.isFallbackAdapter,
    subgroupSize: features.has("subgroups") && fixedSize ? info.subgroupMinSize : null,
    subgroupMatrices: features.has("chromium-experimental-subgroup-matrix") ? subgroupMatrices(info) : [],
  };
}

/** An experimental field of the adapter's info, which the types do not know yet. */
function subgroupMatrices(info: GPUAdapterInfo): readonly SubgroupMatrix[] {
  const { subgroupMatrixConfigs = [] } = info as { readonly subgroupMatrixConfigs?: Iterable<SubgroupMatrix> };
  return Array.from(subgroupMatrixConfigs, ({ componentType, resultComponentType, M, N, K }) => ({
    componentType,
    resultComponentType,
    M,
    N,
    K,
  }));
}
