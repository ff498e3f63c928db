/** What kernels are measured against: the plain ways to write them, as textbooks have them. */

import { wgsl } from "../src/gpu/shader.ts";
import { blockIndex, fold, kernel, scalar, threadsPerWorkgroup } from "../src/kernels/kernel.ts";
import {
  capacity,
  elementCount,
  f32,
  type Operation,
  type Persistent,
  type Recorder,
  type Scalar,
  type Value,
} from "../src/kernels/operation.ts";
import { optimizerField } from "../src/kernels/optimizer-state.ts";

/** Edge and depth of the textbook's tile; a thread of 256 has 4×4 of its elements. */
const edge = 64;
const depth = 8;

const sharedTile: Operation<null> = {
  name: "matmul",
  infer: ([a, b]) => [f32(a!.shape[0]!, b!.shape[1]!)],
  lower({ inputs: [a, b], outputs: [c] }) {
    const [m, k] = a!.shape.map(capacity) as [number, number];
    const n = capacity(b!.shape[1]!);
    return {
      variant: `textbook ${edge}×${edge}×${depth}`,
      kernels: [
        kernel({
          label: "matmul textbook",
          workgroupSize: [256],
          reads: { a: [a!, "f32"], b: [b!, "f32"] },
          writes: { c: [c!, "f32"] },
          declarations: wgsl`var<workgroup> left: array<f32, ${edge * depth}>;
var<workgroup> right: array<f32, ${edge * depth}>;
`,
          main: wgsl`let firstRow = group.y * ${edge}u;
  let firstColumn = group.x * ${edge}u;
  let ownRow = thread / 16u * 4u;
  let ownColumn = thread % 16u * 4u;
  var sums: array<array<f32, 4>, 4>;
  for (var k0 = 0u; k0 < ${k}u; k0 += ${depth}u) {
    for (var i = thread; i < ${edge * depth}u; i += 256u) {
      let row = firstRow + i / ${depth}u;
      let column = firstColumn + i % ${edge}u;
      let leftDepth = k0 + i % ${depth}u;
      let rightDepth = k0 + i / ${edge}u;
      left[i] = select(0.0, a(min(row, ${m - 1}u) * ${k}u + min(leftDepth, ${k - 1}u)), leftDepth < ${k}u);
      right[i] = select(0.0, b(min(rightDepth, ${k - 1}u) * ${n}u + min(column, ${n - 1}u)), rightDepth < ${k}u);
    }
    workgroupBarrier();
    for (var k1 = 0u; k1 < ${depth}u; k1++) {
      for (var i = 0u; i < 4u; i++) {
        let x = left[(ownRow + i) * ${depth}u + k1];
        for (var j = 0u; j < 4u; j++) { sums[i][j] += x * right[k1 * ${edge}u + ownColumn + j]; }
      }
    }
    workgroupBarrier();
  }
  for (var i = 0u; i < 4u; i++) {
    for (var j = 0u; j < 4u; j++) {
      let row = firstRow + ownRow + i;
      let column = firstColumn + ownColumn + j;
      if (row < ${m}u && column < ${n}u) { setC(row * ${n}u + column, sums[i][j]); }
    }
  }`,
          workgroups: () => [Math.ceil(n / edge), Math.ceil(m / edge), 1],
          flop: () => 2 * m * n * k,
        }),
      ],
    };
  },
};

/** A[m,k] · B[k,n], all f32, with a tile of 64×64×8 in workgroup memory. */
export function textbookMatmul(a: Value, b: Value): Value {
  return a.tape.append(sharedTile, [a, b], null)[0]!;
}

const scalarOperation: Operation<{ readonly learningRate: Scalar }> = {
  name: "adamW",
  infer: ([gradient]) => [gradient!, gradient!, gradient!],
  lower({ inputs: [gradient, state], outputs: [parameters, first, second], attributes: { learningRate } }) {
    const count = elementCount(gradient!.shape);
    return {
      variant: "scalar",
      kernels: [
        kernel({
          label: "adamW scalar",
          workgroupSize: [threadsPerWorkgroup],
          reads: { gradient: [gradient!, "f32"], state: [state!, "f32"] },
          writes: { parameters: [parameters!, "f32"], first: [first!, "f32"], second: [second!, "f32"] },
          main: wgsl`${blockIndex}
  let index = block * ${threadsPerWorkgroup}u + thread;
  if (index >= ${count}u) { return; }
  let g = gradient(index) * state(${optimizerField.gradientFactor}u);
  let m = 0.9 * first(index) + 0.1 * g;
  let v = 0.999 * second(index) + 0.001 * g * g;
  setFirst(index, m);
  setSecond(index, v);
  setParameters(index, parameters(index) - ${scalar(learningRate)} * state(${optimizerField.biasCorrection}u) * m / (sqrt(v) + 1e-8));`,
          workgroups: () => fold(Math.ceil(count / threadsPerWorkgroup)),
        }),
      ],
    };
  },
};

/** AdamW with transformers' defaults and no decay, a thread an element. */
export function scalarAdamW(
  tape: Recorder,
  { gradient, parameters, first, second, state }: Record<"gradient" | "parameters" | "first" | "second" | "state", Persistent>,
  learningRate: Scalar,
): void {
  tape.update(scalarOperation, [gradient, state], [parameters, first, second], { learningRate });
}
