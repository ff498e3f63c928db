/**
 * The measured ceilings of an adapter, for a roofline (Williams, Waterman & Patterson 2009). Arithmetic is timed in loops of multiply-adds
 * on registers, memory by copying a buffer of random words that is larger than any cache. Each copy of the whole buffer is a dispatch of
 * its own: if a thread copied its part again and again, the part would stay in a cache.
 *
 * These are the ceilings of WGSL on this driver, not those of a data sheet. A kernel whose data is in a cache can move more than the copy
 * does, and both measurements can be too low on a busy machine. So a share slightly above 1 is not an error.
 */
import type { Capabilities, SubgroupMatrix } from "./capabilities.ts";
import type { BufferWindow, Device } from "./device.ts";
import { range, type ShaderDeclaration, wgsl } from "./shader.ts";

/** Floating-point operations per second, where a multiply-add counts as two, and bytes per second. */
export interface Ceilings {
  /** f32 arithmetic, which all kernels use except those on matrix units. */
  readonly f32: number;
  /** f16 arithmetic; null without `shader-f16`. */
  readonly f16: number | null;
  /** Matrix units with f16 operands and f32 sums; null where WGSL cannot use any. */
  readonly matrix: number | null;
  /** Bytes read plus bytes written by a copy. */
  readonly bandwidth: number;
}

/** Which ceiling bounds a kernel's arithmetic. */
export type ArithmeticUnit = "f32" | "matrix";

/** One way to load an adapter fully. */
interface Load {
  readonly shader: ShaderDeclaration;
  readonly workgroups: number;
  /** Bytes of the buffers that the shader binds after its parameters. */
  readonly buffers: readonly number[];
  /** A kernel with the same bindings that runs once before, in as many workgroups. */
  readonly preparation?: ShaderDeclaration;
  /** Iterations of the kernel's loop, enough that starting a dispatch hardly counts. */
  readonly turns: number;
  /** Operations or bytes of a dispatch. */
  readonly work: number;
}

/**
 * Duration of a run, long enough that submitting and waiting hardly count. We take the best of many short runs, because some fall between
 * other processes' work: this many, or as many as fit into the time.
 */
const milliseconds = 10;
const rounds = 24;
const mostMilliseconds = 300;
/** Ends the search for the number of dispatches where the clock does not advance, as on Dawn's null backend. */
const mostDispatches = 2 ** 12;

/** An idle GPU takes up to 350 ms to reach its full clock (measured on an H100). A software adapter has no clock of its own. */
const warmUpMilliseconds = 500;

/** Threads per workgroup, within every device's limits. */
const threads = 256;
/** Workgroups: enough to fill a GPU. A software adapter runs a few at a time, one per core. */
const enoughWorkgroups = ({ software }: Capabilities) => (software ? 64 : 4096);

/** Measures the ceilings of a device in one or two seconds. */
export async function measureCeilings(device: Device): Promise<Ceilings> {
  const { f32, f16, matrix, bandwidth } = ceilingLoads(device.capabilities);
  const end = performance.now() + (device.capabilities.software ? 0 : warmUpMilliseconds);
  while (performance.now() < end) await rate(device, f32);
  return {
    f32: await rate(device, f32),
    f16: f16 && (await rate(device, f16)),
    matrix: matrix && (await rate(device, matrix)),
    bandwidth: await rate(device, bandwidth),
  };
}

/** The load that measures each ceiling; null where the device cannot run it. */
export function ceilingLoads(capabilities: Capabilities): { [Name in keyof Ceilings]: Load | Extract<Ceilings[Name], null> } {
  const { features, subgroupMatrices, subgroupSize } = capabilities;
  const hasHalves = features.has("shader-f16");
  const matrix = subgroupMatrices.find(
    ({ componentType, resultComponentType }) => componentType === "f16" && resultComponentType === "f32",
  );
  return {
    f32: multiplyAdds(capabilities, "f32"),
    f16: hasHalves ? multiplyAdds(capabilities, "f16") : null,
    matrix: hasHalves && matrix && subgroupSize !== null ? matrixProducts(capabilities, matrix, subgroupSize) : null,
    bandwidth: copy(capabilities),
  };
}

/** The number of iterations is only known at run time, so that no compiler unrolls the loop. */
const params = { name: "params", type: "Params", access: "uniform" } as const;
const paramsStruct = "struct Params { turns: u32, one: f32, little: f32 }\n";

/**
 * Independent chains per thread, and links of a chain per iteration. The chains hide each other's latency and are few enough for a CPU's
 * registers.
 */
const chains = 3;
const links = 8;

/** Iterations of a dispatch: some 0.2 ms on a large GPU. Matrix units are faster. */
const arithmeticTurns = 64;
const matrixTurns = 256;

/** Repeats x ← x·a + b. The result is written, so that the compiler cannot remove the loop. */
function multiplyAdds(capabilities: Capabilities, type: "f32" | "f16"): Load {
  const count = enoughWorkgroups(capabilities);
  const vector = `vec4<${type}>`;
  return {
    shader: {
      label: `ceiling ${type}`,
      bindings: [params, { name: "result", type: "f32", access: "read_write" }],
      enables: type === "f16" ? ["f16"] : [],
      workgroupSize: [threads, 1, 1],
      declarations: paramsStruct,
      main: wgsl`let a = ${vector}(${type}(params.one));
  let b = ${vector}(${type}(params.little));
  ${range(chains)
    .map((i) => `var x${i} = ${vector}(${type}(thread + ${i}u));`)
    .join(" ")}
  for (var turn = 0u; turn < params.turns; turn++) {
    ${range(links)
      .map(() =>
        range(chains)
          .map((i) => `x${i} = fma(x${i}, a, b);`)
          .join(" "),
      )
      .join("\n    ")}
  }
  setResult(group.x * ${threads}u + thread, f32(dot(${range(chains)
    .map((i) => `x${i}`)
    .join(" + ")}, a)));`,
    },
    workgroups: count,
    buffers: [count * threads * 4],
    turns: arithmeticTurns,
    work: 2 * 4 * chains * links * threads * count * arithmeticTurns,
  };
}

/** Matrix products whose operands stay in registers. */
function matrixProducts(capabilities: Capabilities, { M, N, K }: SubgroupMatrix, lanes: number): Load {
  const count = enoughWorkgroups(capabilities);
  const subgroups = 4;
  const sums = range(4);
  return {
    shader: {
      label: "ceiling matrix",
      bindings: [params, { name: "result", type: "f32", access: "read_write" }],
      enables: ["f16", "subgroups", "chromium_experimental_subgroup_matrix"],
      workgroupSize: [subgroups * lanes, 1, 1],
      declarations: wgsl`${paramsStruct}
var<workgroup> operands: array<f16, ${Math.max(M * K, K * N)}>;
var<workgroup> results: array<f32, ${M * N}>;
`,
      main: wgsl`for (var i = thread; i < ${Math.max(M * K, K * N)}u; i += ${subgroups * lanes}u) { operands[i] = f16(params.little); }
  workgroupBarrier();
  let left = subgroupMatrixLoad<subgroup_matrix_left<f16, ${K}, ${M}>, row_major>(&operands, 0u, ${K}u);
  let right = subgroupMatrixLoad<subgroup_matrix_right<f16, ${N}, ${K}>, row_major>(&operands, 0u, ${N}u);
  ${sums.map((i) => `var sum${i}: subgroup_matrix_result<f32, ${N}, ${M}>;`).join(" ")}
  for (var turn = 0u; turn < params.turns; turn++) {
    ${sums.map((i) => `sum${i} = subgroupMatrixMultiplyAccumulate(left, right, sum${i});`).join(" ")}
  }
  ${sums.map((i) => `subgroupMatrixStore<row_major>(&results, 0u, sum${i}, ${N}u); workgroupBarrier(); if (thread < ${lanes}u) { setResult(group.x * ${lanes}u + thread, results[thread] + ${i}.0); } workgroupBarrier();`).join("\n  ")}`,
    },
    workgroups: count,
    buffers: [count * lanes * 4],
    turns: matrixTurns,
    work: 2 * M * N * K * sums.length * subgroups * count * matrixTurns,
  };
}

/** Copies a buffer that is larger than any cache. Its words are random, because a memory that compresses would move fewer bytes of zeros. */
function copy({ limits, software }: Capabilities): Load {
  const bytes = Math.min(limits.maxStorageBufferBindingSize, software ? 2 ** 26 : 2 ** 28);
  const vectors = bytes / 16;
  // The stride of a thread is the total number of threads, so neighbouring threads always read neighbouring memory.
  const count = Math.min(vectors / threads, software ? 1024 : 16_384);
  const kernel = (label: string, access: "read" | "read_write", declarations: string, line: string): ShaderDeclaration => ({
    label,
    bindings: [params, { name: "source", type: "vec4f", access }, { name: "copied", type: "vec4f", access: "read_write" }],
    enables: [],
    workgroupSize: [threads, 1, 1],
    declarations: paramsStruct + declarations,
    main: wgsl`for (var i = group.x * ${threads}u + thread; i < ${vectors}u; i += ${count * threads}u) { ${line} }`,
  });
  return {
    shader: kernel("ceiling copy", "read", "", "setCopied(i, source(i));"),
    preparation: kernel("ceiling random words", "read_write", randomFloats, "setSource(i, randomFloats(i)); setCopied(i, vec4f());"),
    workgroups: count,
    buffers: [bytes, bytes],
    turns: 1,
    work: 2 * bytes,
  };
}

/** Random numbers between 1 and 2: PCG's output function on a counter (Jarzynski & Olano 2020). */
const randomFloats = wgsl`
fn randomFloats(i: u32) -> vec4f {
  let state = (vec4u(4u * i) + vec4u(0u, 1u, 2u, 3u)) * 747796405u + 2891336453u;
  let word = ((state >> ((state >> vec4u(28u)) + 4u)) ^ state) * 277803737u;
  return bitcast<vec4f>(vec4u(0x3f800000u) | (((word >> vec4u(22u)) ^ word) >> vec4u(9u)));
}
`;

/** Operations or bytes per second of a load. */
async function rate(device: Device, { shader, preparation, workgroups, buffers: sizes, turns, work }: Load): Promise<number> {
  const { STORAGE, UNIFORM, COPY_DST } = GPUBufferUsage;
  const all = await device.allocate("a measurement", [
    { label: "ceiling parameters", bytes: 16, usage: UNIFORM | COPY_DST },
    ...sizes.map((bytes) => ({ label: "ceiling", bytes, usage: STORAGE })),
  ]);
  try {
    const words = new ArrayBuffer(16);
    new Uint32Array(words)[0] = turns;
    new Float32Array(words).set([1, 2 ** -10], 1);
    device.gpu.queue.writeBuffer(all[0]!, 0, words);
    const windows: BufferWindow[] = all.map((buffer) => ({ buffer, offset: 0, size: buffer.size }));
    const timer = async (timed: ShaderDeclaration) => {
      const { pipeline, layout } = await device.pipeline(timed);
      const bindGroup = device.createBindGroup(timed.label, layout, windows);
      return async (dispatches: number): Promise<number> => {
        const start = performance.now();
        device.submit((encoder) => {
          const pass = encoder.beginComputePass();
          pass.setPipeline(pipeline);
          pass.setBindGroup(0, bindGroup);
          for (let i = 0; i < dispatches; i++) pass.dispatchWorkgroups(workgroups);
          pass.end();
        });
        await device.finish();
        return performance.now() - start;
      };
    };
    if (preparation !== undefined) await (await timer(preparation))(1);
    return (work * 1000) / (await bestMilliseconds(await timer(shader)));
  } finally {
    for (const buffer of all) buffer.destroy();
  }
}

/** The least milliseconds of a dispatch. `time` measures the given number of them. */
async function bestMilliseconds(time: (dispatches: number) => Promise<number>): Promise<number> {
  await time(1);
  let dispatches = 1;
  let elapsed = await time(dispatches);
  while (elapsed < milliseconds && dispatches < mostDispatches) {
    // The first run is mostly overhead, so its estimate of the dispatches may be too low but never too high.
    dispatches = Math.ceil(dispatches * Math.min(16, Math.max(2, milliseconds / elapsed)));
    elapsed = await time(dispatches);
  }
  const end = performance.now() + mostMilliseconds;
  for (let round = 1; round < rounds && performance.now() < end; round++) elapsed = Math.min(elapsed, await time(dispatches));
  return elapsed / dispatches;
}
