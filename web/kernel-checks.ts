/**
 * What the kernel suite checks: every operation of `src/kernels`, at one size that neither fills a workgroup nor is all of what memory is laid out
 * for. References and tolerances are those of the tests, where the reason of each tolerance is written down.
 */
import type { Tape } from "../src/autograd/tape.ts";
import { attention } from "../src/kernels/attention.ts";
import { columnSum } from "../src/kernels/column-sum.ts";
import { crossEntropy } from "../src/kernels/cross-entropy.ts";
import { dropout } from "../src/kernels/dropout.ts";
import { embedding } from "../src/kernels/embedding.ts";
import { fill } from "../src/kernels/fill.ts";
import { gelu } from "../src/kernels/gelu.ts";
import { globalNorm } from "../src/kernels/global-norm.ts";
import { layerNorm, residualLayerNorm } from "../src/kernels/layer-norm.ts";
import { type Layout, matmul } from "../src/kernels/matmul.ts";
import { mean } from "../src/kernels/mean.ts";
import { normalize } from "../src/kernels/normalize.ts";
import { f32, type Value } from "../src/kernels/operation.ts";
import { type Pooling, pool } from "../src/kernels/pool.ts";
import { reshape } from "../src/kernels/reshape.ts";
import { scale } from "../src/kernels/scale.ts";
import { tanh } from "../src/kernels/tanh.ts";
import { splitViews } from "../src/kernels/views.ts";
import { weightedSum } from "../src/kernels/weighted-sum.ts";
import { BatchPacker, declareBatch } from "../src/simcse/batch.ts";
import { integers, normals } from "../test/kernels/data.ts";
import { matmulVariants, rowVariants } from "../test/kernels/variants.ts";
import * as attentionReference from "../test/reference/attention.ts";
import * as crossEntropyReference from "../test/reference/cross-entropy.ts";
import * as embeddingReference from "../test/reference/embedding.ts";
import * as geluReference from "../test/reference/gelu.ts";
import * as layerNormReference from "../test/reference/layer-norm.ts";
import * as matmulReference from "../test/reference/matmul.ts";
import * as normalizeReference from "../test/reference/normalize.ts";
import * as poolReference from "../test/reference/pool.ts";
import { dropoutMask } from "../test/reference/random.ts";
import * as reductions from "../test/reference/reductions.ts";
import * as viewsReference from "../test/reference/views.ts";
import { functionCheck, type KernelCheck } from "./kernel-suite.ts";
import { updateChecks } from "./update-checks.ts";

const rows = 57;
const rowCapacity = 67;
const width = 64;

/** A live matrix input; of the same size as every other but in its width. */
const matrix = (tape: Tape, name: string, columns = width) => tape.input(name, f32(tape.extent("rows", rowCapacity), columns));
const ofRows = { live: { rows } };

/** Data of a `matrix`. */
const random = (seed: number, columns = width, shape?: { mean?: number; deviation?: number }) => normals(rows * columns, seed, shape);

const map = (x: ArrayLike<number>, f: (v: number, i: number) => number) => Float64Array.from(x, f);

// ── element by element ──

/** WGSL promises tanh to 1e-5 only, as an absolute error: 168 roundings of 1. */
const tanhRoundings = 168;

const pointwise: KernelCheck[] = [
  functionCheck({
    operation: "gelu",
    inputs: { x: random(1, width, { deviation: 3 }) },
    record: (tape) => gelu(matrix(tape, "x")),
    step: ofRows,
    reference: ({ x }) => map(x!, geluReference.gelu),
    tolerance: { c: 6 },
  }),
  functionCheck({
    operation: "tanh",
    inputs: { x: random(2, width, { deviation: 2 }) },
    record: (tape) => tanh(matrix(tape, "x")),
    step: ofRows,
    reference: ({ x }) => map(x!, Math.tanh),
    tolerance: { c: tanhRoundings, scale: 1 },
    gradientTolerance: { c: 2 * tanhRoundings, scale: 4 },
  }),
  functionCheck({
    operation: "scale",
    inputs: { x: random(3) },
    record: (tape) => scale(matrix(tape, "x"), -0.3),
    step: ofRows,
    reference: ({ x }) => map(x!, (v) => -0.3 * v),
  }),
  functionCheck({
    operation: "weightedSum",
    inputs: { a: random(4), b: random(5) },
    record: (tape) => weightedSum(matrix(tape, "a"), matrix(tape, "b"), 0.7, -1.9),
    step: ofRows,
    reference: ({ a, b }) => map(a!, (v, i) => 0.7 * v - 1.9 * b![i]!),
    tolerance: { c: 5 },
  }),
  functionCheck({
    operation: "fill",
    inputs: {},
    record: (tape) => fill(tape, [tape.extent("rows", rowCapacity), width], -2.5),
    step: ofRows,
    reference: () => new Float64Array(rows * width).fill(-2.5),
    tolerance: { c: 0 },
  }),
  functionCheck({
    operation: "reshape",
    inputs: { x: normals(8 * width, 6) },
    record: (tape) => reshape(tape.input("x", f32(8, width)), [4, 2 * width]),
    reference: ({ x }) => x!,
  }),
  functionCheck({
    operation: "splitViews",
    inputs: { x: normals(2 * rows * width, 7) },
    record: (tape) =>
      splitViews(tape.input("x", f32(tape.extent("sentences", 2 * rowCapacity), width)), 2, tape.extent("examples", rowCapacity))[1]!,
    step: { live: { sentences: 2 * rows, examples: rows } },
    reference: ({ x }) => viewsReference.splitViews(x!, width, 2)[1]!,
  }),
];

// ── products ──

const m = rows;
const n = 72;
const k = 68;

/** Operands in each layout, the rows of a batch being live: m of `nn` and `nt`, k of `tn`. */
const layouts: Record<Layout, { size: matmulReference.MatmulSize; b: (tape: Tape) => Value; columnsOfA: number }> = {
  nn: { size: { m, n, k }, columnsOfA: k, b: (tape) => tape.input("b", f32(k, n)) },
  nt: { size: { m, n, k }, columnsOfA: k, b: (tape) => tape.input("b", f32(n, k)) },
  tn: { size: { m: k, n, k: rows }, columnsOfA: k, b: (tape) => matrix(tape, "b", n) },
};

const products = (Object.keys(layouts) as Layout[]).map((layout) => {
  const { size, b, columnsOfA } = layouts[layout];
  return functionCheck({
    operation: `matmul ${layout}`,
    variants: matmulVariants,
    inputs: { a: random(10, columnsOfA), b: normals(size.k * size.n, 11), bias: normals(n, 12) },
    record: (tape) => matmul(matrix(tape, "a", columnsOfA), b(tape), layout, { bias: tape.input("bias", f32(n)), scale: 0.5 }),
    step: ofRows,
    reference: ({ a, b, bias }) => matmulReference.matmul(layout, size, a!, b!, { scale: 0.5, bias: bias! }),
    tolerance: { terms: n, scale: Math.sqrt(n) },
  });
});

// ── along rows and columns ──

const eps = 1e-5;
const layerNormInputs = {
  x: random(20, width, { mean: 0.5 }),
  weight: normals(width, 21, { mean: 1, deviation: 0.2 }),
  bias: normals(width, 22),
};

const reducing: KernelCheck[] = [
  functionCheck({
    operation: "layerNorm",
    variants: rowVariants,
    inputs: layerNormInputs,
    record: (tape) => layerNorm(matrix(tape, "x"), tape.input("weight", f32(width)), tape.input("bias", f32(width)), eps),
    step: ofRows,
    reference: ({ x, weight, bias }) => layerNormReference.layerNorm(x!, { width, eps, weight: weight!, bias: bias! }),
    tolerance: { c: 12, terms: width, scale: 4 },
  }),
  functionCheck({
    operation: "normalize",
    variants: rowVariants,
    inputs: { x: random(23, width, { mean: 1, deviation: 0.3 }) },
    record: (tape) => normalize(matrix(tape, "x")),
    step: ofRows,
    reference: ({ x }) => normalizeReference.normalize(x!, width),
    tolerance: { c: 12, terms: width },
    gradientTolerance: { c: 12, terms: width, scale: 1 },
  }),
  functionCheck({
    operation: "crossEntropy",
    variants: rowVariants,
    inputs: { logits: random(24, width, { deviation: 5 }) },
    record: (tape) => crossEntropy(tape.input("logits", f32(tape.extent("rows", rowCapacity), tape.extent("columns", width)))),
    step: ofRows,
    reference: ({ logits }) => crossEntropyReference.crossEntropy(Float64Array.from(logits!), width),
    tolerance: { c: 16, scale: 20 },
    gradientTolerance: { c: 16, scale: 5 },
  }),
  functionCheck({
    operation: "mean",
    variants: rowVariants,
    inputs: { x: normals(rows, 25, { mean: 1 }) },
    record: (tape) => mean(tape.input("x", f32(tape.extent("rows", rowCapacity)))),
    step: ofRows,
    reference: ({ x }) => [reductions.mean(x!)],
    tolerance: { terms: rows, scale: 1 },
  }),
  functionCheck({
    operation: "globalNorm",
    variants: rowVariants,
    inputs: { a: normals(20_001, 26), b: normals(4, 27) },
    record: (tape) => globalNorm(tape, [tape.input("a", f32(20_001)), tape.input("b", f32(4))]),
    reference: ({ a, b }) => [reductions.globalNorm([a!, b!])],
    tolerance: { terms: 20_005 },
  }),
  functionCheck({
    operation: "columnSum",
    inputs: { x: random(28) },
    record: (tape) => columnSum(matrix(tape, "x")),
    step: ofRows,
    reference: ({ x }) => reductions.columnSum(x!, width),
    tolerance: { terms: rows, scale: Math.sqrt(rows) },
  }),
];

// ── on packed sentences ──

const lengths = [1, 2, 7, 31, 16];
const vocabulary = 97;
const positions = 40;
const batchCapacity = { sentences: 9, tokens: rowCapacity, vocabulary, positions };
const seeds = { seed: 42, step: 7 };

/** Ids repeat, so that gradients of an embedding have rows to add up. */
const ids = lengths.map((length, i) => Array.from(integers(length, 20, 30 + i)));
const packed = new BatchPacker(batchCapacity).pack(
  ids.map((sentence, key) => ({ ids: sentence, key })),
  { training: true },
);
const packedStep = { ...packed, ...seeds };
const packedKeys = Array.from({ length: rows }, (_, row) => packed.inputs.tokens![row * 4 + 3]!);

const batch = (tape: Tape) => declareBatch(tape, batchCapacity, { training: true });
const tokenMatrix = (tape: Tape, name: string, columns = width) => tape.input(name, f32(tape.extent("tokens", rowCapacity), columns));

const dropped = dropoutMask({ ...seeds, site: 0, probability: 0.1 }, packedKeys, width);

const heads = 2;
const headSize = 12;
const hidden = heads * headSize;

/** Attention of each sentence by itself, one after another. */
function packedAttention(qkv: ArrayLike<number>, probability: number): Float64Array {
  const context = new Float64Array(rows * hidden);
  let start = 0;
  for (const length of lengths) {
    const mask = attentionReference.attentionMask({ ...seeds, site: 0, probability }, packedKeys.slice(start, start + length), heads);
    const own = Float64Array.from({ length: length * 3 * hidden }, (_, i) => qkv[start * 3 * hidden + i]!);
    context.set(attentionReference.attention(own, { heads, headSize, mask }), start * hidden);
    start += length;
  }
  return context;
}

const onSentences: KernelCheck[] = [
  functionCheck({
    operation: "embedding",
    inputs: { word: normals(vocabulary * width, 40), position: normals(positions * width, 41), tokenType: normals(2 * width, 42) },
    record: (tape) => {
      const { tokens, indices } = batch(tape);
      const table = (name: string, count: number) => tape.input(name, f32(count, width));
      return embedding(
        tokens,
        { word: table("word", vocabulary), position: table("position", positions), tokenType: table("tokenType", 2) },
        indices,
      );
    },
    step: packedStep,
    reference: ({ word, position, tokenType }) => {
      const place = ids.flatMap((sentence) => [...sentence.keys()]);
      return embeddingReference.embedding({ width, ids: ids.flat(), positions: place }, word!, position!, tokenType!);
    },
    gradientTolerance: { terms: rows, scale: Math.sqrt(rows) },
  }),
  ...[0, 0.1].map((probability) =>
    functionCheck({
      operation: probability > 0 ? "attention with dropout" : "attention",
      variants: rowVariants,
      inputs: { qkv: random(43, 3 * hidden) },
      record: (tape) => attention(tokenMatrix(tape, "qkv", 3 * hidden), batch(tape), { heads, dropout: probability }),
      step: packedStep,
      reference: ({ qkv }) => packedAttention(qkv!, probability),
      tolerance: { c: 32, terms: 4, scale: 1 },
    }),
  ),
  ...(["first", "mean"] as Pooling[]).map((pooling) =>
    functionCheck({
      operation: "pool",
      inputs: { x: random(44) },
      record: (tape) => pool(tokenMatrix(tape, "x"), batch(tape), pooling),
      step: packedStep,
      reference: ({ x }) => poolReference.pool(x!, width, lengths, pooling),
      tolerance: { terms: Math.max(...lengths) },
    }),
  ),
  functionCheck({
    operation: "dropout",
    inputs: { x: random(45) },
    record: (tape) => dropout(tokenMatrix(tape, "x"), batch(tape).tokens, 0.1),
    step: packedStep,
    reference: ({ x }) => map(x!, (v, i) => v * dropped[i]!),
  }),
  functionCheck({
    operation: "residualLayerNorm with dropout",
    variants: rowVariants,
    inputs: { ...layerNormInputs, residual: random(46) },
    record: (tape) => {
      const [x, residual, weight, bias] = [
        tokenMatrix(tape, "x"),
        tokenMatrix(tape, "residual"),
        tape.input("weight", f32(width)),
        tape.input("bias", f32(width)),
      ];
      return residualLayerNorm(x, residual, weight, bias, { eps, dropout: 0.1, tokens: batch(tape).tokens });
    },
    step: packedStep,
    reference: ({ x, residual, weight, bias }) =>
      layerNormReference.layerNorm(x!, { width, eps, weight: weight!, bias: bias!, mask: dropped, residual: residual! }),
    tolerance: { c: 12, terms: width, scale: 4 },
  }),
];

/** The whole suite, in the order of its table. */
export const kernelChecks: readonly KernelCheck[] = [...products, ...onSentences, ...reducing, ...pointwise, ...updateChecks];
