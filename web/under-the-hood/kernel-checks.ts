/**
 * The checks of the kernel suite: every operation of `src/kernels`, at one size. Operations on packed sentences and those with their own memory have
 * separate files. References and tolerances are those of the tests, where the reason of each tolerance is written down.
 */
import type { Tape } from "../../src/autograd/tape.ts";
import { columnSum } from "../../src/kernels/column-sum.ts";
import { concat } from "../../src/kernels/concat.ts";
import { crossEntropy } from "../../src/kernels/cross-entropy.ts";
import { fill } from "../../src/kernels/fill.ts";
import { f32, type Value } from "../../src/kernels/language/operation.ts";
import { layerNorm } from "../../src/kernels/layer-norm.ts";
import type { Layout } from "../../src/kernels/matmul/attributes.ts";
import { matmul } from "../../src/kernels/matmul/matmul.ts";
import { max } from "../../src/kernels/max.ts";
import { normalize } from "../../src/kernels/normalize.ts";
import { globalNorm } from "../../src/kernels/optimizer/global-norm.ts";
import { functions, type PointwiseFunction } from "../../src/kernels/pointwise/functions.ts";
import { pointwiseOperation } from "../../src/kernels/pointwise/operation.ts";
import { reshape } from "../../src/kernels/reshape.ts";
import { slice } from "../../src/kernels/slice.ts";
import { softmax } from "../../src/kernels/softmax.ts";
import { mean, sum } from "../../src/kernels/sum.ts";
import { transpose } from "../../src/kernels/transpose.ts";
import { splitViews } from "../../src/kernels/views.ts";
import { normals } from "../../test/kernels/data.ts";
import { constants, domains, tolerancesOf } from "../../test/kernels/pointwise/cases.ts";
import { matmulVariants, rowVariants } from "../../test/kernels/variants.ts";
import * as crossEntropyReference from "../../test/reference/cross-entropy.ts";
import * as layerNormReference from "../../test/reference/layer-norm.ts";
import * as matmulReference from "../../test/reference/matmul.ts";
import * as normalizeReference from "../../test/reference/normalize.ts";
import { pointwise as pointwiseReference } from "../../test/reference/pointwise.ts";
import * as reductions from "../../test/reference/reductions.ts";
import * as shapesReference from "../../test/reference/shapes.ts";
import * as viewsReference from "../../test/reference/views.ts";
import { epsilon, layerNormInputs, map, matrix, ofRows, random, rowCapacity, rows, width } from "./check-data.ts";
import { functionCheck, type KernelCheck } from "./kernel-suite.ts";
import { sentenceChecks } from "./sentence-checks.ts";
import { updateChecks } from "./update-checks.ts";

/** Every row of the table of pointwise functions, on matrices. */
const pointwise = Object.entries<PointwiseFunction>(functions).map(([key, definition], row) => {
  const name = key as keyof typeof functions;
  const operands = Object.keys(definition.derivatives);
  const numbers = Object.values(constants[name] ?? {});
  const { y, dx } = tolerancesOf(name);
  return functionCheck({
    operation: name,
    inputs: Object.fromEntries(
      operands.map((operand, k) => [
        operand,
        random(100 + 2 * row + k, width, { deviation: 2 }).map((value) => domains[name]?.(value, k) ?? value),
      ]),
    ),
    record: (tape) =>
      pointwiseOperation(name, definition).apply(
        operands.map((operand) => matrix(tape, operand)),
        constants[name],
      ),
    step: ofRows,
    reference: (inputs) =>
      map(inputs[operands[0]!]!, (_, i) => pointwiseReference[name]!(...operands.map((operand) => inputs[operand]![i]!), ...numbers)),
    tolerance: y,
    gradientTolerance: { ...dx, scale: 4 },
  });
});

const moving: KernelCheck[] = [
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
  functionCheck({
    operation: "transpose",
    inputs: { x: normals(8 * width, 8) },
    record: (tape) => transpose(tape.input("x", f32(8, width))),
    reference: ({ x }) => shapesReference.transpose(x!, [8, width], [1, 0]),
  }),
  functionCheck({
    operation: "slice",
    inputs: { x: random(9) },
    record: (tape) => slice(matrix(tape, "x"), 1, 8, 20),
    step: ofRows,
    reference: ({ x }) => shapesReference.slice(x!, [rows, width], 1, 8, 20),
  }),
  functionCheck({
    operation: "concat",
    inputs: { a: random(13), b: random(14, 8) },
    record: (tape) => concat([matrix(tape, "a"), matrix(tape, "b", 8)], 1),
    step: ofRows,
    reference: ({ a, b }) => shapesReference.concat({ data: a!, shape: [rows, width] }, { data: b!, shape: [rows, 8] }, 1),
  }),
];

const m = rows;
const n = 72;
const k = 68;

/** Operands in each layout; the rows of a batch are live: m of `nn` and `nt`, k of `tn`. */
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

const reducing: KernelCheck[] = [
  functionCheck({
    operation: "layerNorm",
    variants: rowVariants,
    inputs: layerNormInputs,
    record: (tape) => layerNorm(matrix(tape, "x"), tape.input("weight", f32(width)), tape.input("bias", f32(width)), epsilon),
    step: ofRows,
    reference: ({ x, weight, bias }) => layerNormReference.layerNorm(x!, { width, epsilon, weight: weight!, bias: bias! }),
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
    operation: "sum",
    variants: rowVariants,
    inputs: { x: random(29) },
    record: (tape) => sum(matrix(tape, "x"), 1),
    step: ofRows,
    reference: ({ x }) => reductions.sumAlong(x!, [rows, width], 1),
    tolerance: { terms: width, scale: width },
  }),
  functionCheck({
    operation: "max",
    variants: rowVariants,
    // Numbers so far apart that differences do not change their order.
    inputs: { x: Float32Array.from({ length: rows * width }, (_, i) => ((i * 37) % (rows * width)) / 64) },
    record: (tape) => max(matrix(tape, "x"), 1),
    step: ofRows,
    reference: ({ x }) => reductions.linesAlong(x!, [rows, width], 1).map((line) => Math.max(...line)),
    tolerance: { c: 0 },
    gradientTolerance: { scale: 4 },
  }),
  functionCheck({
    operation: "softmax",
    variants: rowVariants,
    inputs: { x: random(30) },
    record: (tape) => softmax(matrix(tape, "x")),
    step: ofRows,
    reference: ({ x }) => shapesReference.softmax(x!, width),
    tolerance: { c: 16, scale: 1 },
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

/** The whole suite, in the order of its table. */
export const kernelChecks: readonly KernelCheck[] = [...products, ...sentenceChecks, ...reducing, ...moving, ...pointwise, ...updateChecks];
