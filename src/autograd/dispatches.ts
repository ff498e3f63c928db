/** The kernels of a plan ready to run, with their pipelines and bind groups, and how a step encodes them. */
import type { BufferWindow, Device } from "../gpu/device.ts";
import { inErrorScope } from "../gpu/error-scope.ts";
import { copyMatrix, matrixView } from "../gpu/matrix-texture.ts";
import { stepWords } from "../kernels/language/kernel.ts";
import type { Kernel, LiveSize, Tensor, Workgroups } from "../kernels/language/operation.ts";
import { windowsOf } from "../kernels/language/windows.ts";
import { type Plan, uniformBytes } from "./plan.ts";
import { type ProgramMemory, refused, windowOf } from "./program-memory.ts";
import { matrixSize, type TextureUse } from "./textures.ts";

/** A kernel ready to run. */
export interface Dispatch {
  readonly kernel: Kernel;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  /** Operands that are copied into textures before it. */
  readonly copies: readonly TextureCopy[];
}

/** An operand that is copied into a texture. */
export interface TextureCopy {
  readonly tensor: Tensor;
  readonly from: BufferWindow;
  readonly to: GPUTexture;
}

/** The sizes of a step: of its extents, and of each dispatch. */
export interface StepSizes {
  readonly live: LiveSize;
  readonly workgroups: readonly Workgroups[];
}

export const stepSizes = (dispatches: readonly Dispatch[], live: LiveSize): StepSizes => ({
  live,
  workgroups: dispatches.map(({ kernel }) => kernel.workgroups(live)),
});

/** Encodes dispatches in one pass. Where an operand is copied into a texture, that pass ends and another like it begins. */
export function encodeDispatches(
  encoder: GPUCommandEncoder,
  dispatches: readonly Dispatch[],
  live: LiveSize,
  descriptor?: GPUComputePassDescriptor,
): void {
  encodeSized(encoder, dispatches, stepSizes(dispatches, live), [0, dispatches.length], descriptor);
}

/** The same for the dispatches from the first to before the second of a range. */
export function encodeSized(
  encoder: GPUCommandEncoder,
  dispatches: readonly Dispatch[],
  { live, workgroups }: StepSizes,
  [first, end]: readonly [number, number],
  descriptor?: GPUComputePassDescriptor,
): void {
  let pass = encoder.beginComputePass(descriptor);
  let current: GPUComputePipeline | null = null;
  for (let i = first; i < end; i++) {
    const { pipeline, bindGroup, copies } = dispatches[i]!;
    if (copies.length > 0) {
      pass.end();
      copyOperands(encoder, copies, live);
      pass = encoder.beginComputePass(descriptor);
      current = null;
    }
    const [x, y, z] = workgroups[i]!;
    if (x * y * z === 0) continue;
    if (pipeline !== current) pass.setPipeline(pipeline);
    current = pipeline;
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(x, y, z);
  }
  pass.end();
}

/** Copies the live rows of each operand into its texture. */
export function copyOperands(encoder: GPUCommandEncoder, copies: readonly TextureCopy[], live: LiveSize): void {
  for (const { tensor, from, to } of copies) {
    const rows = live(tensor.shape[0]!);
    if (rows > 0) copyMatrix(encoder, from, to, { ...matrixSize(tensor), rows });
  }
}

/** The dispatches of a plan in the memory of its program. Throws `DeviceError` when the device refuses a kernel or its bindings. */
export async function buildDispatches(device: Device, plan: Plan, { slots, uniforms, textures }: ProgramMemory): Promise<Dispatch[]> {
  const pipelines = await Promise.all(plan.kernels.map(({ shader }) => device.pipeline(shader)));
  const { maxStorageBufferBindingSize } = device.capabilities.limits;
  let offset = stepWords * 4;
  const { result, refusal } = inErrorScope(device.gpu, () =>
    plan.kernels.map((kernel, i) => {
      const { shader, bindings, params } = kernel;
      const { pipeline, layout } = pipelines[i]!;
      const uses = plan.textures.uses.get(kernel) ?? new Map<Tensor, TextureUse>();
      const resources: (GPUBufferBinding | GPUTextureView)[] = [{ buffer: uniforms, offset: 0, size: stepWords * 4 }];
      if (params.length > 0) {
        device.write(uniforms, offset, params);
        resources.push({ buffer: uniforms, offset, size: Math.ceil(params.byteLength / 16) * 16 });
        offset += uniformBytes(params);
      }
      for (const { tensor, access } of bindings) {
        if (access === "texture") resources.push(matrixView(textures[uses.get(tensor)!.texture]!));
        else resources.push(...windowsOf(windowOf(plan, slots, tensor), maxStorageBufferBindingSize));
      }
      const copies = [...uses.values()]
        .filter(({ isCopied }) => isCopied)
        .map(({ tensor, texture }) => ({ tensor, from: windowOf(plan, slots, tensor), to: textures[texture]! }));
      return { kernel, pipeline, bindGroup: device.createBindGroup(shader.label, layout, resources), copies };
    }),
  );
  const found = await refusal;
  if (found !== null) throw refused(device, "the program's bindings", found);
  return result;
}
