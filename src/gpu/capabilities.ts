/** The capabilities of a device that the choice of kernels depends on. They are read once when the device opens and never change. */
import { matrixTextureFeature } from "./matrix-texture.ts";
import { subgroupsAreInOrder } from "./subgroups.ts";

/** The limits that the choice of kernels and memory planning depend on. */
const plannedLimits = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupsPerDimension",
  "maxTextureDimension2D",
  "maxTextureArrayLayers",
] as const;

/** The device's limits by their WebGPU names; bytes where they are sizes of memory. */
export type Limits = Readonly<Record<(typeof plannedLimits)[number], number>>;

/** Sizes and types of the device's matrix units: [M, K] · [K, N], accumulated as [M, N]. */
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
  /** The adapter runs on the CPU. One thread per row without barriers is fastest there, the opposite of a GPU. */
  readonly software: boolean;
  /**
   * The subgroup size, if every pipeline has the same one and threads are assigned to subgroups in order (`subgroups.ts`). Otherwise null:
   * there are no subgroups, their size varies, or the order differs.
   */
  readonly subgroupSize: number | null;
  /** The configurations of `chromium-experimental-subgroup-matrix`; empty without the feature. */
  readonly subgroupMatrices: readonly SubgroupMatrix[];
  /** Whether kernels can read from storage textures (`matrix-texture.ts`). */
  readonly matrixTextures: boolean;
}

/** The capabilities of a device of `gpu` that has just been opened. `largestBinding` lowers `maxStorageBufferBindingSize`. */
export async function readCapabilities(
  gpu: GPU,
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
    matrixTextures: gpu.wgslLanguageFeatures.has(matrixTextureFeature),
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
