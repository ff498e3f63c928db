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
  /** Whether every pipeline has that size because its shader asks for it. */
  readonly asksForSubgroupSize: boolean;
  /**
   * The configurations of `chromium-experimental-subgroup-matrix`; empty without the feature, and on a software adapter: llvmpipe of Mesa 26
   * emulates matrix units far slower than its other kernels, and compiles a tile for minutes.
   */
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
  const software = info.isFallbackAdapter;
  const matrices = features.has("chromium-experimental-subgroup-matrix") && !software ? subgroupMatrices(info) : [];
  return {
    features,
    limits: { ...limits, maxStorageBufferBindingSize: Math.min(limits.maxStorageBufferBindingSize, largestBinding) },
    software,
    ...(await subgroupSizeOf(device, info, matrices.length > 0)),
    subgroupMatrices: matrices,
    matrixTextures: gpu.wgslLanguageFeatures.has(matrixTextureFeature),
  };
}

/**
 * The size that all subgroups have. Where the driver chooses one for each pipeline (AMD, Intel), kernels for matrix units need to know it, so
 * shaders ask for the smallest, which their units are made for.
 */
async function subgroupSizeOf(
  device: GPUDevice,
  { subgroupMinSize: lanes, subgroupMaxSize }: GPUAdapterInfo,
  hasMatrixUnits: boolean,
): Promise<Pick<Capabilities, "subgroupSize" | "asksForSubgroupSize">> {
  const varies = lanes !== subgroupMaxSize;
  const canAsk = hasMatrixUnits && device.features.has("subgroup-size-control");
  const isKnown =
    device.features.has("subgroups") && lanes > 0 && (!varies || canAsk) && (await subgroupsAreInOrder(device, lanes, varies));
  return { subgroupSize: isKnown ? lanes : null, asksForSubgroupSize: isKnown && varies };
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
