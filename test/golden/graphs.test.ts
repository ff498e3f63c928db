/** Random graphs of the operations that model code calls have PyTorch's losses and gradients, also where parts of them are recomputed. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { gradient } from "../../src/autograd/gradient.ts";
import type { Tape } from "../../src/autograd/tape.ts";
import { concat } from "../../src/kernels/concat.ts";
import { type Gate, gated, type Half } from "../../src/kernels/gated.ts";
import { type Dimension, elementCount, f32, type Persistent, type Value } from "../../src/kernels/language/operation.ts";
import { layerNorm } from "../../src/kernels/layer-norm.ts";
import type { Layout } from "../../src/kernels/matmul/attributes.ts";
import { matmul } from "../../src/kernels/matmul/matmul.ts";
import { normalize } from "../../src/kernels/normalize.ts";
import { abs, add, gelu, mul, relu, sigmoid, silu, square, squaredError, sub, tanh } from "../../src/kernels/pointwise/pointwise.ts";
import { slice } from "../../src/kernels/slice.ts";
import { softmax } from "../../src/kernels/softmax.ts";
import { mean, sum } from "../../src/kernels/sum.ts";
import { openTestDevice } from "../device.ts";
import { build, execute, tensor } from "../kernels/run.ts";
import { uniform } from "../uniform.ts";

/** A step of a graph. `reads` are the numbers of the steps that it computes from. */
interface Step {
  readonly op: string;
  readonly shape?: readonly (number | "rows")[];
  readonly reads?: readonly number[];
  readonly layout: Layout;
  readonly scale: number;
  readonly axis: number;
  readonly keepDims: boolean;
  readonly start: number;
  readonly end: number;
  readonly gate: Gate;
  readonly half: Half;
}

interface Graph {
  readonly rows: number;
  readonly capacity: number;
  readonly steps: readonly Step[];
  /** The steps whose mean squares are summed up to the loss. */
  readonly summed: readonly number[];
  readonly loss: number;
  /** By the number of a parameter's step. */
  readonly gradients: Readonly<Record<string, readonly number[]>>;
}

const graphs = JSON.parse(readFileSync(new URL("graphs.json", import.meta.url), "utf8")) as readonly Graph[];
const device = await openTestDevice();

type Compute = (values: readonly [Value, Value, Value], step: Step) => Value;

const operations: Readonly<Record<string, Compute>> = {
  ...Object.fromEntries(Object.entries({ gelu, relu, silu, tanh, sigmoid, square, abs }).map(([name, of]) => [name, ([x]) => of(x)])),
  ...Object.fromEntries(Object.entries({ add, sub, mul, squaredError }).map(([name, of]) => [name, ([a, b]) => of(a, b)])),
  matmul: ([a, b], { layout, scale }) => matmul(a, b, layout, { scale }),
  softmax: ([x]) => softmax(x),
  sum: ([x], { axis, keepDims }) => sum(x, axis, { keepDims }),
  mean: ([x], { axis, keepDims }) => mean(x, axis, { keepDims }),
  layerNorm: ([x, weight, bias]) => layerNorm(x, weight, bias, 1e-5),
  normalize: ([x]) => normalize(x),
  concat: (values) => concat(values, 1),
  slice: ([x], { start, end }) => slice(x, 1, start, end),
  gated: ([x], { gate, half }) => gated(x, gate, half),
};

/** Twice the numbers of the generator, as many as a leaf of a graph has. */
const leaf = (number: number, count: number) => Float32Array.from(uniform(number + 1, count), (x) => 2 * x);

/** Records a graph and its gradients, which are kept in those of `parameters`. `recomputes` has every second four steps computed again. */
function record(tape: Tape, { steps, summed, capacity }: Graph, parameters: ReadonlyMap<number, Persistent>, recomputes: boolean) {
  const values: Value[] = [];
  const sized = (size: number | "rows"): Dimension => (size === "rows" ? tape.extent("rows", capacity) : size);
  const compute = (step: Step, number: number): Value => {
    if (step.op === "parameter") return tape.use(parameters.get(number)!);
    if (step.op === "input") return tape.input(`input ${number}`, f32(...step.shape!.map(sized)));
    return operations[step.op]!(step.reads!.map((read) => values[read]!) as [Value, Value, Value], step);
  };
  const computeFour = (first: number) => steps.slice(first, first + 4).forEach((step, i) => void values.push(compute(step, first + i)));
  for (let first = 0; first < steps.length; first += 4) {
    if (recomputes && first % 8 === 0) tape.recomputed(() => computeFour(first));
    else computeFour(first);
  }
  const loss = summed.map((number) => mean(square(values[number]!))).reduce((all, own) => add(all, own));
  gradient(tape, loss, [...parameters.values()]);
  return { loss };
}

it.each(graphs.map((graph, number) => ({ number, graph })))("graph $number", async ({ graph }) => {
  const { steps, rows, gradients } = graph;
  const parameters = new Map<number, Persistent>();
  const inputs: Record<string, Float32Array> = {};
  for (const [number, { op, shape }] of steps.entries()) {
    if (op === "parameter") {
      const own = shape as readonly number[];
      const count = elementCount(own);
      const kept = tensor(device, own, new Float32Array(count).fill(Number.NaN));
      parameters.set(number, { ...tensor(device, own, leaf(number, count), `parameter ${number}`), gradient: kept });
    } else if (op === "input") inputs[`input ${number}`] = leaf(number, rows * (shape![1] as number));
  }
  for (const recomputes of [false, true]) {
    const program = await build(device, (tape) => record(tape, graph, parameters, recomputes));
    const { loss } = await execute(program, { inputs, live: { rows } });
    expect(loss![0]! / graph.loss).toBeCloseTo(1, 4);
    for (const [number, expected] of Object.entries(gradients)) {
      const found = new Float32Array(await device.read(parameters.get(Number(number))!.gradient!.window));
      // Each of up to 18 operations rounds its numbers, and sums of up to 33. Gradients near zero keep the roundings of what cancels in them.
      const allowed = 1e-4 * Math.max(...expected.map(Math.abs), 1e-2);
      const largest = Math.max(...expected.map((value, i) => Math.abs(value - found[i]!)));
      expect(largest, `gradient of parameter ${number}`).toBeLessThan(allowed);
    }
    program.close();
  }
  for (const { window, gradient: kept } of parameters.values()) for (const { buffer } of [window, kept!.window]) buffer.destroy();
});
