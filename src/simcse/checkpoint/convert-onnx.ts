/**
 * A model as an ONNX graph, from token ids to unit vectors, for ONNX Runtime.
 *
 * Inputs are int64 [batch, sequence]: `input_ids`, and `attention_mask` with 1 for tokens and 0 for padding, which must be on the right.
 * Outputs are f32: `last_hidden_state` [batch, sequence, hidden_size] and `sentence_embedding` [batch, hidden_size], pooled with the
 * model's pooler and of unit length.
 */

import type { NamedContent } from "../../io/folder.ts";
import { bytesOf } from "../../io/formats/bytes.ts";
import { OnnxGraph } from "../../io/formats/onnx.ts";
import { type BertConfig, firstPosition } from "../../nn/architectures/bert-config.ts";
import type { PoolerType } from "../model/poolers.ts";
import { type Convertible, huggingFaceFiles, poolerUnknown } from "./convert.ts";

/** The path that transformers.js, Optimum and sentence-transformers expect. */
const MODEL_FILE = "onnx/model.onnx";

/**
 * The model, its config.json and its tokenizer. Throws OptionError if the pooler is not known, and CapacityError for a model that is too
 * large.
 */
export function onnxFiles(model: Convertible): NamedContent[] {
  if (model.pooler === null) throw poolerUnknown(model.weights.path);
  const others = huggingFaceFiles(model, "F32").filter(({ name }) => !name.endsWith(".safetensors"));
  return [...others, { name: MODEL_FILE, content: buildGraph(model, model.pooler).encode() }];
}

/** Rows are tokens, as in this package: [batch · sequence, hidden_size], so that a linear layer is one operator with its bias. */
interface Builder {
  readonly graph: OnnxGraph;
  readonly config: BertConfig;
  /** int64 [2]: batch and sequence. */
  readonly size: string;
  /** f32 [batch, sequence, 1] */
  readonly mask: string;
  /** f32 [batch, 1, 1, sequence]: added to the attention scores, so that padding is ignored. */
  readonly penalty: string;
}

function buildGraph({ bert: config, weights, tensors }: Convertible, pooler: PoolerType): OnnxGraph {
  const graph = new OnnxGraph("SimCSE");
  for (const { name, source, shape } of tensors) {
    if (pooler === "cls" || !name.startsWith("mlp.")) graph.weight(name, "F32", shape, async () => bytesOf(await weights.readF32(source)));
  }
  const ids = graph.input("input_ids", "I64", ["batch", "sequence"]);
  const attended = graph.add("Cast", [graph.input("attention_mask", "I64", ["batch", "sequence"])], { to: 1 });
  const absent = graph.add("Sub", [graph.float(1), attended]);
  const builder: Builder = {
    graph,
    config,
    size: graph.add("Shape", [ids]),
    mask: graph.add("Unsqueeze", [attended, graph.integers([2])]),
    penalty: graph.add("Unsqueeze", [graph.add("Mul", [absent, graph.float(-10_000)]), graph.integers([1, 2])]),
  };
  const hidden = [embeddings(builder, ids)];
  for (let i = 0; i < config.num_hidden_layers; i++) hidden.push(layer(builder, hidden.at(-1)!, `bert.encoder.layer.${i}`));
  const shape = ["batch", "sequence", config.hidden_size] as const;
  graph.output("last_hidden_state", unpacked(builder, hidden.at(-1)!), "F32", shape);
  graph.output("sentence_embedding", unit(builder, poolers[pooler](builder, hidden)), "F32", ["batch", config.hidden_size]);
  return graph;
}

function embeddings(builder: Builder, ids: string): string {
  const { graph, config, size } = builder;
  const table = (kind: string) => `bert.embeddings.${kind}_embeddings.weight`;
  const first = firstPosition(config);
  const length = graph.add("Gather", [size, graph.integers(1)]);
  const end = graph.add("Add", [length, graph.integers(first)]);
  const positions = graph.add("Range", [graph.integers(first), end, graph.integers(1)]);
  const words = graph.add("Gather", [table("word"), ids]);
  const places = graph.add("Add", [
    graph.add("Gather", [table("position"), positions]),
    graph.add("Gather", [table("token_type"), graph.integers(0)]),
  ]);
  const sum = graph.add("Reshape", [graph.add("Add", [words, places]), graph.integers([-1, config.hidden_size])]);
  return layerNorm(builder, sum, "bert.embeddings.LayerNorm");
}

function layer(builder: Builder, x: string, name: string): string {
  const { graph } = builder;
  const context = attention(builder, x, `${name}.attention.self`);
  const attended = layerNorm(
    builder,
    graph.add("Add", [linear(builder, context, `${name}.attention.output.dense`), x]),
    `${name}.attention.output.LayerNorm`,
  );
  const expanded = gelu(builder, linear(builder, attended, `${name}.intermediate.dense`));
  return layerNorm(builder, graph.add("Add", [linear(builder, expanded, `${name}.output.dense`), attended]), `${name}.output.LayerNorm`);
}

function attention(builder: Builder, x: string, name: string): string {
  const { graph, config, size, penalty } = builder;
  const width = config.hidden_size / config.num_attention_heads;
  const perHead = graph.add("Concat", [size, graph.integers([config.num_attention_heads, width])], { axis: 0 });
  const heads = (part: string, perm: number[]) =>
    graph.add("Transpose", [graph.add("Reshape", [linear(builder, x, `${name}.${part}`), perHead])], { perm });
  const products = graph.add("MatMul", [heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1])]);
  const scores = graph.add("Add", [graph.add("Mul", [products, graph.float(1 / Math.sqrt(width))]), penalty]);
  const context = graph.add("MatMul", [graph.add("Softmax", [scores], { axis: -1 }), heads("value", [0, 2, 1, 3])]);
  return graph.add("Reshape", [graph.add("Transpose", [context], { perm: [0, 2, 1, 3] }), graph.integers([-1, config.hidden_size])]);
}

function linear({ graph }: Builder, x: string, name: string): string {
  return graph.add("Gemm", [x, `${name}.weight`, `${name}.bias`], { transB: 1 });
}

function layerNorm({ graph, config }: Builder, x: string, name: string): string {
  return graph.add("LayerNormalization", [x, `${name}.weight`, `${name}.bias`], { axis: -1, epsilon: { float: config.layer_norm_eps } });
}

/** x · (1 + erf(x / √2)) / 2 */
function gelu({ graph }: Builder, x: string): string {
  const erf = graph.add("Erf", [graph.add("Mul", [x, graph.float(Math.SQRT1_2)])]);
  return graph.add("Mul", [graph.add("Mul", [x, graph.float(0.5)]), graph.add("Add", [erf, graph.float(1)])]);
}

/** f32 [batch, sequence, hidden_size] from rows. */
function unpacked({ graph, config, size }: Builder, rows: string): string {
  return graph.add("Reshape", [rows, graph.add("Concat", [size, graph.integers([config.hidden_size])], { axis: 0 })]);
}

function first(builder: Builder, rows: string): string {
  return builder.graph.add("Gather", [unpacked(builder, rows), builder.graph.integers(0)], { axis: 1 });
}

function mean(builder: Builder, rows: string): string {
  const { graph, mask } = builder;
  const sum = (value: string) => graph.add("ReduceSum", [value, graph.integers([1])], { keepdims: 0 });
  return graph.add("Div", [sum(graph.add("Mul", [unpacked(builder, rows), mask])), sum(mask)]);
}

const meanOf =
  (...layers: readonly [number, number]) =>
  (builder: Builder, hidden: readonly string[]) => {
    const { graph } = builder;
    const sum = graph.add("Add", [hidden.at(layers[0])!, hidden.at(layers[1])!]);
    return mean(builder, graph.add("Mul", [sum, graph.float(0.5)]));
  };

/** The same poolers as in poolers.ts. */
const poolers: Record<PoolerType, (builder: Builder, hidden: readonly string[]) => string> = {
  cls: (builder, hidden) => builder.graph.add("Tanh", [linear(builder, first(builder, hidden.at(-1)!), "mlp.dense")]),
  cls_before_pooler: (builder, hidden) => first(builder, hidden.at(-1)!),
  avg: (builder, hidden) => mean(builder, hidden.at(-1)!),
  avg_top2: meanOf(-1, -2),
  avg_first_last: meanOf(1, -1),
};

function unit({ graph }: Builder, x: string): string {
  const norm = graph.add("ReduceL2", [x], { axes: [-1], keepdims: 1 });
  return graph.add("Div", [x, graph.add("Max", [norm, graph.float(1e-8)])]);
}
