/** What a device can do, as far as choosing kernels needs to know. Read once when a device opens; never changes after. */
import { subgroupsAreInOrder } from "./subgroups.ts";

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
  /**
   * Lanes of a subgroup where every pipeline has the same number and threads are dealt to subgroups in order (`subgroups.ts`); else null: no subgroups, a size
   * that varies, or another order.
   */
  readonly subgroupSize: number | null;
  /** What `chromium-experimental-subgroup-matrix` offers; empty without it. */
  readonly subgroupMatrices: readonly SubgroupMatrix[];
}

/** What a device that has just been opened can do. `largestBinding` lowers `maxStorageBufferBindingSize`. */
export async function readCapabilities(
  device: GPUDevice,
  info: GPUAdapterInfo,
  largestBinding = Number.POSITIVE_INFINITY,
): Promise<Capabilities> {
  const features = new Set<string>(device.features);
  const limits = Object.fromEntries(plannedLimits.map((name) => [name, device.limits[name]])) as Limits;
  return {
    features,
    limits: { ...limits, maxStorageBufferBindingSize: Math.min(limits.maxStorageBufferBindingSize, largestBinding) },
    software: info.isFallbackAdapter,
    subgroupSize: features.has("subgroups") ? await fixedSubgroupSize(device, info) : null,
    subgroupMatrices: features.has("chromium-experimental-subgroup-matrix") ? subgroupMatrices(info) : [],
  };
}

async function fixedSubgroupSize(device: GPUDevice, { subgroupMinSize, subgroupMaxSize }: GPUAdapterInfo): Promise<number | null> {
  if (subgroupMinSize !== subgroupMaxSize || !(subgroupMinSize > 0)) return null;
  return (await subgroupsAreInOrder(device, subgroupMinSize)) ? subgroupMinSize : null;
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
