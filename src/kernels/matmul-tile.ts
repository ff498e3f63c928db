/**
 * Matmul, variant "tile": runs on every WebGPU device, takes every shape. A workgroup of 64 threads computes a 64×64 tile of C from tiles of
 * A and B in workgroup memory, 8×8 elements a thread in registers; everything beyond an edge reads as zero and is not stored.
 */
import { wgsl } from "../gpu/shader.ts";
import { kernel, paramF32, paramU32, sizeOf, sizeParam } from "./kernel.ts";
import type { Layout, MatmulAttributes, MatmulShape } from "./matmul.ts";
import { capacity, type Lowering, type Node } from "./operation.ts";

const tile = 64;
const depth = 16;
const perThread = 8;
const side = tile / perThread;

const range = (count: number) => Array.from({ length: count }, (_, i) => i);

export function matmulTile(
  { inputs: [a, b, bias], outputs: [c], attributes: { layout, scale } }: Node<MatmulAttributes>,
  { m, n, k }: MatmulShape,
): Lowering {
  // Neighbouring threads load neighbouring elements: along k where rows of the operand run along k.
  const leftAt: Record<Layout, string> = { nn: `row * params.strideK + k`, nt: `row * params.strideK + k`, tn: `k * params.strideM + row` };
  const rightAt: Record<Layout, string> = {
    nn: `k * params.strideN + column`,
    nt: `column * params.strideK + k`,
    tn: `k * params.strideN + column`,
  };
  const load = (along: "k" | "edge") =>
    along === "k" ? { k: `i % ${depth}u`, edge: `i / ${depth}u` } : { k: `i / ${tile}u`, edge: `i % ${tile}u` };
  const left = load(layout === "tn" ? "edge" : "k");
  const right = load(layout === "nt" ? "k" : "edge");
  const cells = range(perThread * perThread);
  return {
    variant: `tile ${tile}×${tile}×${depth}`,
    kernels: [
      kernel({
        label: `matmul ${layout} tile`,
        workgroupSize: [side, side],
        reads: { a: [a!, "f32"], b: [b!, "f32"], ...(bias ? { bias: [bias, "f32"] as const } : {}) },
        writes: { c: [c!, "f32"] },
        params: {
          m: sizeParam(m),
          n: sizeParam(n),
          k: sizeParam(k),
          strideM: paramU32(capacity(m)),
          strideN: paramU32(capacity(n)),
          strideK: paramU32(capacity(k)),
          scale: paramF32(scale),
        },
        declarations: wgsl`
var<workgroup> left: array<f32, ${tile * depth}>;
var<workgroup> right: array<f32, ${tile * depth}>;
`,
        main: wgsl`let m = ${sizeOf("m", m)};
  let n = ${sizeOf("n", n)};
  let depthEnd = ${sizeOf("k", k)};
  let firstRow = group.y * ${tile}u;
  let firstColumn = group.x * ${tile}u;
  ${cells.map((cell) => `var c${cell} = 0.0;`).join(" ")}
  for (var k0 = 0u; k0 < depthEnd; k0 += ${depth}u) {
    for (var i = thread; i < ${tile * depth}u; i += ${side * side}u) {
      { let k = k0 + ${left.k}; let row = firstRow + ${left.edge};
        var value = 0.0;
        if (row < m && k < depthEnd) { value = a(${leftAt[layout]}); }
        left[(${left.k}) * ${tile}u + ${left.edge}] = value; }
      { let k = k0 + ${right.k}; let column = firstColumn + ${right.edge};
        var value = 0.0;
        if (column < n && k < depthEnd) { value = b(${rightAt[layout]}); }
        right[(${right.k}) * ${tile}u + ${right.edge}] = value; }
    }
    workgroupBarrier();
    for (var k = 0u; k < ${depth}u; k++) {
      ${range(perThread)
        .map(
          (i) =>
            `let a${i} = left[k * ${tile}u + local.y * ${perThread}u + ${i}u]; let b${i} = right[k * ${tile}u + local.x * ${perThread}u + ${i}u];`,
        )
        .join("\n      ")}
      ${cells.map((cell) => `c${cell} += a${Math.floor(cell / perThread)} * b${cell % perThread};`).join(" ")}
    }
    workgroupBarrier();
  }
  var sums = array<f32, ${cells.length}>(${cells.map((cell) => `c${cell}`).join(", ")});
  for (var j = 0u; j < ${perThread}u; j++) {
    let column = firstColumn + local.x * ${perThread}u + j;
    if (column >= n) { break; }
    let offset = ${bias ? "bias(column)" : "0.0"};
    for (var i = 0u; i < ${perThread}u; i++) {
      let row = firstRow + local.y * ${perThread}u + i;
      if (row >= m) { break; }
      setC(row * params.strideN + column, sums[i * ${perThread}u + j] * params.scale + offset);
    }
  }`,
        workgroups: (live) => [Math.ceil(live(n) / tile), Math.ceil(live(m) / tile), 1],
        flop: (live) => 2 * live(m) * live(n) * live(k),
      }),
    ],
  };
}
