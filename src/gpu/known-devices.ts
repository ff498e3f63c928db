/**
 * What WebGPU devices of several kinds offer through Dawn, so that a machine without them can show which kernels they would run
 * (`simcse doctor --kernels`) and check that these compile. Facts about devices, none of them measured here.
 *
 * Where a driver lets the size of subgroups vary from kernel to kernel (Intel, AMD's newer cards), it is the one that kernels ask for beside
 * matrix units. Apple's matrix units multiply f32 into f32 and f16 into f16, as Dawn reports them.
 */
import type { Capabilities, SubgroupMatrix } from "./capabilities.ts";

/** A kind of device. */
export interface KnownDevice {
  readonly name: string;
  readonly capabilities: Capabilities;
}

interface Offer {
  /** Lanes of every subgroup; null where there are none or they vary. */
  readonly lanes: number | null;
  /** Whether kernels ask for that number. */
  readonly asks?: boolean;
  readonly halves: boolean;
  readonly matrices?: readonly SubgroupMatrix[];
  /** KB of workgroup memory. */
  readonly workgroupMemory: number;
  readonly invocations: number;
  readonly software?: boolean;
  /** Whether its buffers are no larger than WebGPU guarantees. */
  readonly smallBuffers?: boolean;
}

const matrix = (M: number, N: number, K: number, componentType: string, resultComponentType: string): SubgroupMatrix => ({
  componentType,
  resultComponentType,
  M,
  N,
  K,
});

/** Limits that are not in an offer are WebGPU's defaults. */
function capabilitiesOf({
  lanes,
  asks = false,
  halves,
  matrices = [],
  workgroupMemory,
  invocations,
  software = false,
  smallBuffers = false,
}: Offer): Capabilities {
  const features = [
    ...(lanes !== null ? ["subgroups"] : []),
    ...(asks ? ["subgroup-size-control"] : []),
    ...(halves ? ["shader-f16"] : []),
    ...(matrices.length > 0 ? ["chromium-experimental-subgroup-matrix"] : []),
  ];
  return {
    features: new Set(features),
    limits: {
      maxBufferSize: smallBuffers ? 2 ** 28 : 2 ** 31,
      maxStorageBufferBindingSize: smallBuffers ? 2 ** 27 : 2 ** 31 - 4,
      maxStorageBuffersPerShaderStage: 8,
      maxComputeWorkgroupStorageSize: workgroupMemory * 1024,
      maxComputeInvocationsPerWorkgroup: invocations,
      maxComputeWorkgroupsPerDimension: 65_535,
      maxTextureDimension2D: 8192,
      maxTextureArrayLayers: 256,
    },
    software,
    subgroupSize: lanes,
    asksForSubgroupSize: asks,
    subgroupMatrices: matrices,
    matrixTextures: true,
  };
}

/** What every device has to offer. */
const least: Offer = { lanes: null, halves: false, workgroupMemory: 16, invocations: 256, smallBuffers: true };

const offers: Readonly<Record<string, Offer>> = {
  "any WebGPU device": least,
  "NVIDIA, tensor cores": {
    lanes: 32,
    halves: true,
    matrices: [matrix(16, 16, 16, "f16", "f16"), matrix(16, 16, 16, "f16", "f32")],
    workgroupMemory: 48,
    invocations: 1024,
  },
  "NVIDIA in a browser": { lanes: 32, halves: true, workgroupMemory: 32, invocations: 1024 },
  "Apple M": {
    lanes: 32,
    halves: true,
    matrices: [matrix(8, 8, 8, "f32", "f32"), matrix(8, 8, 8, "f16", "f16")],
    workgroupMemory: 32,
    invocations: 1024,
  },
  "8×8×8 with f32 sums": { lanes: 32, halves: true, matrices: [matrix(8, 8, 8, "f16", "f32")], workgroupMemory: 32, invocations: 1024 },
  "AMD RDNA": { lanes: 32, asks: true, halves: true, matrices: [matrix(16, 16, 16, "f16", "f32")], workgroupMemory: 32, invocations: 1024 },
  "AMD, wave64": { lanes: 64, halves: true, matrices: [matrix(16, 16, 16, "f16", "f32")], workgroupMemory: 32, invocations: 1024 },
  "Intel Xe2": { lanes: 16, asks: true, halves: true, matrices: [matrix(8, 16, 16, "f16", "f32")], workgroupMemory: 32, invocations: 1024 },
  "Qualcomm Adreno": { lanes: 128, halves: true, workgroupMemory: 32, invocations: 1024 },
  "ARM Mali": { lanes: 16, halves: true, workgroupMemory: 16, invocations: 256 },
  "llvmpipe, AVX2": { lanes: 8, halves: true, workgroupMemory: 32, invocations: 1024, software: true },
  "llvmpipe, AVX-512": { lanes: 16, halves: true, workgroupMemory: 32, invocations: 1024, software: true },
  SwiftShader: { lanes: 4, halves: false, workgroupMemory: 16, invocations: 256, software: true },
  "a CPU without subgroups": { ...least, software: true },
};

/** The kinds of devices, hardware first. */
export const knownDevices: readonly KnownDevice[] = Object.entries(offers).map(([name, offer]) => ({
  name,
  capabilities: capabilitiesOf(offer),
}));
