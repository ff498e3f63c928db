/**
 * The activations of feed-forward networks, by their names in a `config.json`, which are those of transformers' `ACT2FN`. Several names there
 * stand for one function, in forms that differ by roundings.
 */
import type { Gate } from "../../kernels/gated.ts";
import type { Value } from "../../kernels/language/operation.ts";
import { gelu, geluTanh, relu, silu, tanh } from "../../kernels/pointwise/pointwise.ts";
import { show } from "../../show.ts";
import { otherModel, type Rule } from "./config-rules.ts";
import type { OnnxBatch } from "./onnx-layers.ts";

/** A function, recorded on a tape, in a gated layer, and as operators of an ONNX graph. */
export interface Activation {
  readonly apply: (x: Value) => Value;
  readonly gate: Gate;
  readonly toOnnx: (batch: OnnxBatch, x: string) => string;
}

const exact: Activation = {
  apply: gelu,
  gate: "gelu",
  // x · (1 + erf(x / √2)) / 2
  toOnnx({ graph }, x) {
    const erf = graph.add("Erf", [graph.add("Mul", [x, graph.float(Math.SQRT1_2)])]);
    return graph.add("Mul", [graph.add("Mul", [x, graph.float(0.5)]), graph.add("Add", [erf, graph.float(1)])]);
  },
};

const byTanh: Activation = {
  apply: geluTanh,
  gate: "geluTanh",
  // x/2 · (1 + tanh(√(2/π) · x · (1 + 0.044715·x²)))
  toOnnx({ graph }, x) {
    const square = graph.add("Mul", [graph.add("Mul", [x, x]), graph.float(0.044715)]);
    const scaled = graph.add("Mul", [x, graph.float(Math.sqrt(2 / Math.PI))]);
    const tanh = graph.add("Tanh", [graph.add("Mul", [scaled, graph.add("Add", [square, graph.float(1)])])]);
    return graph.add("Mul", [graph.add("Mul", [x, graph.float(0.5)]), graph.add("Add", [tanh, graph.float(1)])]);
  },
};

const swish: Activation = {
  apply: silu,
  gate: "silu",
  toOnnx: ({ graph }, x) => graph.add("Mul", [x, graph.add("Sigmoid", [x])]),
};

const activations = {
  gelu: exact,
  gelu_python: exact,
  gelu_new: byTanh,
  gelu_fast: byTanh,
  gelu_accurate: byTanh,
  gelu_pytorch_tanh: byTanh,
  gelu_python_tanh: byTanh,
  relu: { apply: relu, gate: "relu", toOnnx: ({ graph }, x) => graph.add("Relu", [x]) },
  silu: swish,
  swish,
  tanh: { apply: tanh, gate: "tanh", toOnnx: ({ graph }, x) => graph.add("Tanh", [x]) },
} as const satisfies Readonly<Record<string, Activation>>;

/** The name of an activation in a `config.json`. */
export type ActivationName = keyof typeof activations;

/** The activation of this name. */
export const activationOf = (name: ActivationName): Activation => activations[name];

/** The rule of a field that names one. */
export const activation: Rule = {
  fits: (value) => typeof value === "string" && Object.hasOwn(activations, value),
  wanted: `one of ${Object.keys(activations)
    .map((name) => show(name))
    .join(", ")}: others are not supported`,
  remedy: otherModel,
};
