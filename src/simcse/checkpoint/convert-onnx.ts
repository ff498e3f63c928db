/**
 * A model as an ONNX graph, from token ids to unit vectors, for ONNX Runtime, transformers.js and sentence-transformers.
 *
 * Inputs are int64 [batch, sequence]: `input_ids`, `attention_mask` with 1 for tokens and 0 for padding, which must be on the right, and, if
 * the model has types of tokens, `token_type_ids`, which may be left out.
 * Outputs are f32: `last_hidden_state` [batch, sequence, hidden_size] and `sentence_embedding` [batch, hidden_size], pooled with the
 * model's pooler and of unit length. In f16 the matrices take half the room; the graph casts them, so that everything is computed in f32.
 */
import type { NamedContent } from "../../io/folder.ts";
import { OnnxGraph } from "../../io/formats/onnx.ts";
import { architectureOf } from "../../nn/architectures/architectures.ts";
import { type OnnxBatch, onnxLinear } from "../../nn/architectures/onnx-layers.ts";
import { checkChoice } from "../../options.ts";
import type { PoolerType } from "../model/poolers.ts";
import type { LocatedTensor } from "./checkpoint.ts";
import { type Convertible, huggingFaceFiles, poolerUnknown, sentenceTransformersFiles, toWrite } from "./convert.ts";
import { isInSentenceTransformers } from "./saved-model.ts";
import { weightsForms } from "./written-weights.ts";

/** Number formats of an ONNX graph's weights. */
export type OnnxDtype = "F32" | "F16";

/** The files where transformers.js looks for each, and what it calls them; sentence-transformers and Optimum look for the first one. */
const forms: Readonly<Record<OnnxDtype, { readonly file: string; readonly dtype: string }>> = {
  F32: { file: "onnx/model.onnx", dtype: "fp32" },
  F16: { file: "onnx/model_fp16.onnx", dtype: "fp16" },
};

/**
 * The model, its config.json, its tokenizer, and the files of sentence-transformers if that has the pooler. Throws OptionError if the pooler or
 * the dtype is not known, and CapacityError for a model that is too large.
 */
export function onnxFiles(model: Convertible, dtype: OnnxDtype = "F32"): NamedContent[] {
  checkChoice("dtype of an ONNX graph", dtype, Object.keys(forms));
  if (model.pooler === null) throw poolerUnknown(model.weights.path);
  const files = isInSentenceTransformers(model.pooler) ? sentenceTransformersFiles : huggingFaceFiles;
  const others = files(model, "F32").filter(({ name }) => name !== weightsForms.F32.file);
  const { file, dtype: called } = forms[dtype];
  return [
    ...others.map((other) => (other.name === "config.json" ? withDtype(other, called) : other)),
    { name: file, content: buildGraph(model, model.pooler, dtype).encode() },
  ];
}

/** A config.json that says which of the files transformers.js opens. */
function withDtype({ name, content }: NamedContent, dtype: string): NamedContent {
  return { name, content: `${JSON.stringify({ ...JSON.parse(content as string), "transformers.js_config": { dtype } }, null, 2)}\n` };
}

/** What the poolers need besides the batch. */
interface Pooling extends OnnxBatch {
  readonly width: number;
}

function buildGraph(model: Convertible, pooler: PoolerType, dtype: OnnxDtype): OnnxGraph {
  const { transformer: config, tensors } = model;
  const graph = new OnnxGraph("SimCSE");
  for (const tensor of tensors) if (pooler === "cls" || !tensor.name.startsWith("mlp.")) addWeight(graph, model, tensor, dtype);
  const ids = graph.input("input_ids", "I64", ["batch", "sequence"]);
  const attended = graph.add("Cast", [graph.input("attention_mask", "I64", ["batch", "sequence"])], { to: 1 });
  const absent = graph.add("Sub", [graph.float(1), attended]);
  const batch: Pooling = {
    graph,
    ids,
    size: graph.add("Shape", [ids]),
    mask: graph.add("Unsqueeze", [attended, graph.integers([2])]),
    penalty: graph.add("Unsqueeze", [graph.add("Mul", [absent, graph.float(-10_000)]), graph.integers([1, 2])]),
    width: config.hidden_size,
  };
  const hidden = architectureOf(config).addToOnnx(batch, config);
  const shape = ["batch", "sequence", config.hidden_size] as const;
  graph.output("last_hidden_state", unpacked(batch, hidden.at(-1)!), "F32", shape);
  graph.output("sentence_embedding", unit(batch, poolers[pooler](batch, hidden)), "F32", ["batch", config.hidden_size]);
  return graph;
}

/** A tensor of the model; vectors are always f32. */
function addWeight(graph: OnnxGraph, { weights }: Convertible, tensor: LocatedTensor, dtype: OnnxDtype): void {
  const { name, shape } = tensor;
  const stored = shape.length < 2 ? "F32" : dtype;
  const [written] = toWrite(weights, tensor, name, stored);
  if (stored === "F16") graph.halfWeight(name, shape, written!.data);
  else graph.weight(name, stored, shape, written!.data);
}

/** f32 [batch, sequence, hidden_size] from rows. */
function unpacked({ graph, size, width }: Pooling, rows: string): string {
  return graph.add("Reshape", [rows, graph.add("Concat", [size, graph.integers([width])], { axis: 0 })]);
}

function first(batch: Pooling, rows: string): string {
  return batch.graph.add("Gather", [unpacked(batch, rows), batch.graph.integers(0)], { axis: 1 });
}

function mean(batch: Pooling, rows: string): string {
  const { graph, mask } = batch;
  const sum = (value: string) => graph.add("ReduceSum", [value, graph.integers([1])], { keepdims: 0 });
  return graph.add("Div", [sum(graph.add("Mul", [unpacked(batch, rows), mask])), sum(mask)]);
}

const meanOf =
  (...layers: readonly [number, number]) =>
  (batch: Pooling, hidden: readonly string[]) => {
    const { graph } = batch;
    const sum = graph.add("Add", [hidden.at(layers[0])!, hidden.at(layers[1])!]);
    return mean(batch, graph.add("Mul", [sum, graph.float(0.5)]));
  };

/** The same poolers as in poolers.ts. */
const poolers: Record<PoolerType, (batch: Pooling, hidden: readonly string[]) => string> = {
  cls: (batch, hidden) => batch.graph.add("Tanh", [onnxLinear(batch, first(batch, hidden.at(-1)!), "mlp.dense")]),
  cls_before_pooler: (batch, hidden) => first(batch, hidden.at(-1)!),
  avg: (batch, hidden) => mean(batch, hidden.at(-1)!),
  avg_top2: meanOf(-1, -2),
  avg_first_last: meanOf(1, -1),
};

/** The smallest normal f32. */
const smallest = 2 ** -126;

/** Rows of unit length; zeros stay zeros. Their largest element becomes 1 first, so that no square underflows or overflows. */
function unit({ graph }: OnnxBatch, x: string): string {
  const reduced = (by: string, value: string) =>
    graph.add("Max", [graph.add(by, [value], { axes: [-1], keepdims: 1 }), graph.float(smallest)]);
  const ordinary = graph.add("Div", [x, reduced("ReduceMax", graph.add("Abs", [x]))]);
  return graph.add("Div", [ordinary, reduced("ReduceL2", ordinary)]);
}
