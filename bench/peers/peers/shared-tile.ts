/**
 * The matrix product of the textbooks for GPUs: a workgroup computes 64×64 of C, going through k in steps of 8 that all its threads copy into
 * workgroup memory; a thread keeps 4×4 sums. No peer's, but the usual yardstick.
 */
import { openDevice } from "../../../src/gpu/node.ts";
import type { Kernel, OpenPeer } from "../peer.ts";
import { countGpuCalls } from "../webgpu-node.ts";
import { type KernelWork, operands } from "../work.ts";

const tile = 64;
const depth = 8;
const perThread = 4;
const threads = (tile / perThread) ** 2;

const shader = (k: number, n: number) => /* wgsl */ `
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
var<workgroup> tileA: array<f32, ${tile * depth}>;
var<workgroup> tileB: array<f32, ${tile * depth}>;

@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let row = group.y * ${tile}u + thread / ${tile / perThread}u * ${perThread}u;
  let column = group.x * ${tile}u + thread % ${tile / perThread}u * ${perThread}u;
  var sums: array<vec4f, ${perThread}>;
  for (var start = 0u; start < ${k}u; start += ${depth}u) {
    for (var i = thread; i < ${tile * depth}u; i += ${threads}u) {
      tileA[i] = a[(group.y * ${tile}u + i / ${depth}u) * ${k}u + start + i % ${depth}u];
      tileB[i] = b[(start + i / ${tile}u) * ${n}u + group.x * ${tile}u + i % ${tile}u];
    }
    workgroupBarrier();
    for (var step = 0u; step < ${depth}u; step++) {
      let first = step * ${tile}u + thread % ${tile / perThread}u * ${perThread}u;
      let right = vec4f(tileB[first], tileB[first + 1u], tileB[first + 2u], tileB[first + 3u]);
      for (var i = 0u; i < ${perThread}u; i++) {
        sums[i] += tileA[(thread / ${tile / perThread}u * ${perThread}u + i) * ${depth}u + step] * right;
      }
    }
    workgroupBarrier();
  }
  for (var i = 0u; i < ${perThread}u; i++) {
    for (var j = 0u; j < 4u; j++) { c[(row + i) * ${n}u + column + j] = sums[i][j]; }
  }
}`;

export async function open(): Promise<OpenPeer> {
  const calls = countGpuCalls();
  const device = await openDevice();
  const { gpu } = device;

  async function matmul(work: Extract<KernelWork, { op: "matmul" }>): Promise<Kernel> {
    const { m, k, n } = work;
    if (m % tile || n % tile || k % depth) throw new RangeError(`the tile takes multiples of ${tile} and ${depth}`);
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
    const inputs = operands(work).map(({ data }) => {
      const buffer = device.createBuffer("operand", data.byteLength, usage);
      gpu.queue.writeBuffer(buffer, 0, data);
      return buffer;
    });
    const size = m * n * Float32Array.BYTES_PER_ELEMENT;
    const product = device.createBuffer("product", size, usage);
    const module = gpu.createShaderModule({ code: shader(k, n) });
    const pipeline = await gpu.createComputePipelineAsync({ layout: "auto", compute: { module } });
    const bindGroup = gpu.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: [...inputs, product].map((buffer, binding) => ({ binding, resource: { buffer } })),
    });
    return {
      async run(times) {
        const encoder = gpu.createCommandEncoder();
        const pass = encoder.beginComputePass();
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, bindGroup);
        for (let i = 0; i < times; i++) pass.dispatchWorkgroups(n / tile, m / tile);
        pass.end();
        device.submit(encoder.finish());
        await device.finish();
      },
      result: async () => new Float32Array(await device.read({ buffer: product, offset: 0, size })),
    };
  }

  return { version: "this bench", calls, kernel: async (work) => (work.op === "matmul" ? matmul(work) : null) };
}
