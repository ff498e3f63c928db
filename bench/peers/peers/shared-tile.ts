/**
 * The textbook matrix product for GPUs: a workgroup computes 64×64 of C, in steps of 8 along k that all its threads copy into
 * workgroup memory; a thread keeps 8×8 sums. It belongs to no peer and is the usual yardstick.
 */
import { openDevice } from "../../../src/gpu/node.ts";
import type { Kernel, OpenPeer } from "../peer.ts";
import { countGpuCalls } from "../webgpu-node.ts";
import { type KernelWork, operands } from "../work.ts";

const tile = 64;
const depth = 8;
/** A thread's part of C: the number of rows, and of vec4 columns. */
const rows = 8;
const vectors = 2;
/** Threads across the tile, and in total. */
const columnsOfThreads = tile / (4 * vectors);
const threads = (tile / rows) * columnsOfThreads;

const each = (count: number, line: (i: number) => string) => Array.from({ length: count }, (_, i) => line(i)).join("\n");
const sums = (line: (i: number, j: number) => string) => each(rows, (i) => each(vectors, (j) => line(i, j)));

/** Unrolled, so that the sums stay in registers. */
const shader = (k: number, n: number) => /* wgsl */ `
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4f>;
var<workgroup> tileA: array<f32, ${tile * depth}>;
var<workgroup> tileB: array<vec4f, ${(tile * depth) / 4}>;

@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let row = thread / ${columnsOfThreads}u * ${rows}u;
  let column = thread % ${columnsOfThreads}u;
  ${sums((i, j) => `var sum${i}_${j} = vec4f();`)}
  for (var start = 0u; start < ${k}u; start += ${depth}u) {
    for (var i = thread; i < ${tile * depth}u; i += ${threads}u) {
      tileA[i] = a[(group.y * ${tile}u + i / ${depth}u) * ${k}u + start + i % ${depth}u];
    }
    for (var i = thread; i < ${(tile * depth) / 4}u; i += ${threads}u) {
      tileB[i] = b[((start + i / ${tile / 4}u) * ${n}u + group.x * ${tile}u) / 4u + i % ${tile / 4}u];
    }
    workgroupBarrier();
    for (var step = 0u; step < ${depth}u; step++) {
      ${each(vectors, (j) => `let right${j} = tileB[step * ${tile / 4}u + column + ${j * columnsOfThreads}u];`)}
      ${each(rows, (i) => `let left${i} = tileA[(row + ${i}u) * ${depth}u + step];`)}
      ${sums((i, j) => `sum${i}_${j} += left${i} * right${j};`)}
    }
    workgroupBarrier();
  }
  let first = ((group.y * ${tile}u + row) * ${n}u + group.x * ${tile}u) / 4u + column;
  ${sums((i, j) => `c[first + ${(i * n) / 4}u + ${j * columnsOfThreads}u] = sum${i}_${j};`)}
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
        device.submit((encoder) => {
          const pass = encoder.beginComputePass();
          pass.setPipeline(pipeline);
          pass.setBindGroup(0, bindGroup);
          for (let i = 0; i < times; i++) pass.dispatchWorkgroups(n / tile, m / tile);
          pass.end();
        });
        await device.finish();
      },
      result: async () => new Float32Array(await device.read({ buffer: product, offset: 0, size })),
    };
  }

  return { version: "this bench", calls, kernel: async (work) => (work.op === "matmul" ? matmul(work) : null) };
}
