/** Layers as operators of an ONNX graph. Rows are tokens, as in this package, so that a linear layer is one operator with its bias. */
import type { OnnxGraph } from "../../io/formats/onnx.ts";

/** The inputs of a graph, and what its layers need besides their own input. */
export interface OnnxBatch {
  readonly graph: OnnxGraph;
  /** int64 [batch, sequence] */
  readonly ids: string;
  /** int64 [2]: batch and sequence. */
  readonly size: string;
  /** f32 [batch, sequence, 1] */
  readonly mask: string;
  /** f32 [batch, 1, 1, sequence]: added to the attention scores, so that padding is ignored. */
  readonly penalty: string;
}

/** int64 [sequence]: the places in a sentence, from `first` on. */
export function onnxPlaces({ graph, size }: OnnxBatch, first = 0): string {
  const places = graph.add("Range", [graph.integers(0), graph.add("Gather", [size, graph.integers(1)]), graph.integers(1)]);
  return first === 0 ? places : graph.add("Add", [places, graph.integers(first)]);
}

/** Rows [batch · sequence, width] of [batch, sequence, width]. */
export function onnxRows({ graph }: OnnxBatch, x: string, width: number): string {
  return graph.add("Reshape", [x, graph.integers([-1, width])]);
}

/** The sizes of self-attention. */
export interface AttentionSize {
  readonly hidden_size: number;
  readonly num_attention_heads: number;
}

/** The names of the three linear layers that attention reads, or of their values. */
export interface AttentionNames {
  readonly query: string;
  readonly key: string;
  readonly value: string;
}

/** Self-attention of rows, without its output projection. */
export function onnxAttention(batch: OnnxBatch, x: string, names: AttentionNames, config: AttentionSize): string {
  const { graph, size } = batch;
  const width = config.hidden_size / config.num_attention_heads;
  const perHead = graph.add("Concat", [size, graph.integers([config.num_attention_heads, width])], { axis: 0 });
  const heads = (name: string, perm: number[]) =>
    graph.add("Transpose", [graph.add("Reshape", [onnxLinear(batch, x, name), perHead])], { perm });
  const [query, key, value] = [heads(names.query, [0, 2, 1, 3]), heads(names.key, [0, 2, 3, 1]), heads(names.value, [0, 2, 1, 3])];
  return onnxAttended(batch, { query, key, value }, config);
}

/** Rows of attention from queries and values [batch, heads, sequence, head size] and keys [batch, heads, head size, sequence]. */
export function onnxAttended(batch: OnnxBatch, { query, key, value }: AttentionNames, config: AttentionSize): string {
  const { graph, penalty } = batch;
  const scale = graph.float(1 / Math.sqrt(config.hidden_size / config.num_attention_heads));
  const scores = graph.add("Add", [graph.add("Mul", [graph.add("MatMul", [query, key]), scale]), penalty]);
  const context = graph.add("MatMul", [graph.add("Softmax", [scores], { axis: -1 }), value]);
  return onnxRows(batch, graph.add("Transpose", [context], { perm: [0, 2, 1, 3] }), config.hidden_size);
}

/** x·Wᵀ + b, with the tensors `name.weight` and, if it has one, `name.bias`. */
export function onnxLinear({ graph }: OnnxBatch, x: string, name: string, hasBias = true): string {
  return graph.add("Gemm", [x, `${name}.weight`, ...(hasBias ? [`${name}.bias`] : [])], { transB: 1 });
}

/** LayerNorm with the tensors `name.weight` and `name.bias`. */
export function onnxLayerNorm({ graph }: OnnxBatch, x: string, name: string, epsilon: number): string {
  return graph.add("LayerNormalization", [x, `${name}.weight`, `${name}.bias`], { axis: -1, epsilon: { float: epsilon } });
}

/** The names of a linear layer and of the norm after its residual. */
interface OnnxResidual {
  readonly dense: string;
  readonly norm: string;
  /** Whether the linear layer has a bias; true if absent. */
  readonly hasBias?: boolean;
}

/** The parts of a block with LayerNorm after each residual, as in `PostNormBlock`. */
export interface OnnxPostNorm {
  readonly attend: (x: string) => string;
  readonly attended: OnnxResidual;
  readonly expand: (x: string) => string;
  readonly output: OnnxResidual;
  readonly epsilon: number;
}

/** A block as `postNorm` records it. */
export function onnxPostNorm(batch: OnnxBatch, x: string, { attend, attended, expand, output, epsilon }: OnnxPostNorm): string {
  const add = ({ dense, norm, hasBias }: OnnxResidual, from: string, residual: string) =>
    onnxLayerNorm(batch, batch.graph.add("Add", [onnxLinear(batch, from, dense, hasBias), residual]), norm, epsilon);
  const middle = add(attended, attend(x), x);
  return add(output, expand(middle), middle);
}
