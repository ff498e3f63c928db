/** The memory of a program: a buffer for each slot of its plan, uniforms, staging for its outputs, and textures. */
import { CapacityError, DeviceError, type SimcseError } from "../errors.ts";
import type { BufferWindow, Device } from "../gpu/device.ts";
import { inErrorScope, type Refusal } from "../gpu/error-scope.ts";
import { createMatrixTexture } from "../gpu/matrix-texture.ts";
import { Readback } from "../gpu/readback.ts";
import { memorySize, type Tensor, type Value } from "../kernels/language/operation.ts";
import type { Plan } from "./plan.ts";

/** The memory that a program owns. */
export class ProgramMemory {
  private constructor(
    /** One for each slot of the plan. */
    readonly slots: readonly GPUBuffer[],
    /** The step block, then the parameters of each kernel. */
    readonly uniforms: GPUBuffer,
    /** One for each output. */
    readonly readbacks: ReadonlyMap<Value, Readback>,
    readonly textures: readonly GPUTexture[],
  ) {}

  /** Throws `CapacityError` when there is no room, and `ShapeError` for a parameter without memory; then nothing stays allocated. */
  static async allocate(device: Device, plan: Plan): Promise<ProgramMemory> {
    const { STORAGE, COPY_DST, COPY_SRC, UNIFORM, MAP_READ } = GPUBufferUsage;
    const outputs = [...new Set(Object.values(plan.outputs))];
    const buffers = await device.allocate(`this plan, beside ${plan.bytes.persistent} of parameters`, [
      ...plan.slots.map(({ label, bytes }) => ({ label, bytes, usage: STORAGE | COPY_DST | COPY_SRC })),
      { label: "uniforms", bytes: plan.bytes.uniforms, usage: UNIFORM | COPY_DST },
      ...outputs.map((value) => ({ label: "staging", bytes: memorySize(value), usage: COPY_DST | MAP_READ })),
    ]);
    const slots = buffers.slice(0, plan.slots.length);
    const [uniforms, ...staging] = buffers.slice(plan.slots.length);
    try {
      const readbacks = outputs.map((value, i) => [value, new Readback(device, staging[i]!, windowOf(plan, slots, value))] as const);
      return new ProgramMemory(slots, uniforms!, new Map(readbacks), await createTextures(device, plan));
    } catch (error) {
      for (const buffer of buffers) buffer.destroy();
      throw error;
    }
  }

  destroy(): void {
    for (const memory of [...this.slots, this.uniforms, ...this.textures]) memory.destroy();
    for (const readback of this.readbacks.values()) readback.close();
  }
}

/** Where a tensor of a plan is; `slots` are the buffers of the plan's. */
export function windowOf({ place }: Plan, slots: readonly GPUBuffer[], tensor: Tensor): BufferWindow {
  const where = place(tensor);
  return "persistent" in where ? where.persistent.window : { buffer: slots[where.slot]!, offset: where.offset, size: memorySize(tensor) };
}

async function createTextures(device: Device, { textures: { sizes } }: Plan): Promise<GPUTexture[]> {
  const { result, refusal } = inErrorScope(device.gpu, () => sizes.map((size, i) => createMatrixTexture(device.gpu, `texture ${i}`, size)));
  const found = await refusal;
  if (found === null) return result;
  for (const texture of result) texture.destroy();
  throw refused(device, "the plan's textures", found);
}

/** The error for something that the device refused. */
export function refused(device: Device, what: string, { kind, message }: Refusal): SimcseError {
  return kind === "out-of-memory"
    ? new CapacityError(`${device.name} has no room for ${what}: ${message}`, "Use a smaller batch, or close what is not needed.")
    : new DeviceError(
        `${device.name} refused ${what}: ${message}`,
        "Check that no model or buffer that the program uses was closed; other programs go on.",
      );
}
