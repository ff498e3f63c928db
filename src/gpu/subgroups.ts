/**
 * How a device assigns threads to subgroups. Kernels that exchange values between lanes assume that thread t of a one-dimensional workgroup
 * is lane t mod n of subgroup ⌊t / n⌋. WGSL does not guarantee that, so it is checked on the device before a kernel relies on it.
 */
import { subgroupSizeAttribute, subgroupSizeExtension, wgsl } from "./shader.ts";

/** Subgroups in the workgroup that checks. */
const subgroups = 4;

/** What a thread writes if its lane is the expected one, and if not. A remaining 0 means that nothing ran, as on Dawn's null backend. */
const verdict = { inOrder: 1, outOfOrder: 2 } as const;

const code = (lanes: number, threads: number, asks: boolean) => wgsl`enable subgroups;
${asks ? `enable ${subgroupSizeExtension};` : ""}
@group(0) @binding(0) var<storage, read_write> verdicts: array<u32>;
@compute @workgroup_size(${threads}) ${asks ? subgroupSizeAttribute(lanes) : ""}
fn main(
  @builtin(local_invocation_index) thread: u32,
  @builtin(subgroup_invocation_id) lane: u32,
  @builtin(subgroup_size) size: u32,
) {
  let first = subgroupBroadcastFirst(thread);
  let inOrder = size == ${lanes}u && lane == thread % ${lanes}u && first + lane == thread;
  verdicts[thread] = select(${verdict.outOfOrder}u, ${verdict.inOrder}u, inOrder);
}
`;

/** Whether threads are assigned to subgroups of `lanes` in order, if a shader asks for that size or not. Also true for a device that runs nothing. */
export async function subgroupsAreInOrder(gpu: GPUDevice, lanes: number, asks: boolean): Promise<boolean> {
  const threads = Math.min(subgroups * lanes, gpu.limits.maxComputeInvocationsPerWorkgroup);
  const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const verdicts = gpu.createBuffer({ size: threads * 4, usage: STORAGE | COPY_SRC });
  const staging = gpu.createBuffer({ size: threads * 4, usage: COPY_DST | MAP_READ });
  try {
    const module = gpu.createShaderModule({ code: code(lanes, threads, asks) });
    const pipeline = await gpu.createComputePipelineAsync({ layout: "auto", compute: { module } });
    const entries = [{ binding: 0, resource: { buffer: verdicts } }];
    const encoder = gpu.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
    pass.dispatchWorkgroups(1);
    pass.end();
    encoder.copyBufferToBuffer(verdicts, 0, staging, 0, threads * 4);
    gpu.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    return !new Uint32Array(staging.getMappedRange()).includes(verdict.outOfOrder);
  } catch {
    // A device that cannot run even this kernel gets no kernels that use subgroups.
    return false;
  } finally {
    verdicts.destroy();
    staging.destroy();
  }
}
