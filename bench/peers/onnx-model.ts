/**
 * The model, and single kernels, as ONNX graphs of standard operators (opset 20), which ONNX Runtime then fuses. The graph is that of an
 * exporter for BERT, with LayerNormalization and Gelu as single operators, which this opset has.
 */
import onnxProto from "onnx-proto";
import { config, initialWeights, type KernelWork, layerNormEpsilon, operands, tokensPerSentence, type Weight } from "./work.ts";

const { onnx } = onnxProto;
const { FLOAT, INT64 } = onnx.TensorProto.DataType;
const opset = 20;
/** The version of the format that introduced opset 20. */
const irVersion = 9;

type Dimension = number | string;
type Attribute = number | readonly number[];

/** Collects nodes and constants; values are their names. */
class Graph {
  readonly #nodes: InstanceType<typeof onnx.NodeProto>[] = [];
  readonly #initializers: InstanceType<typeof onnx.TensorProto>[] = [];

  /** The result of one operator. Attributes: whole numbers are ints, lists are lists of ints; `epsilon` is a float. */
  add(opType: string, input: string[], attributes: Record<string, Attribute> = {}): string {
    return this.addMany(opType, input, 1, attributes)[0]!;
  }

  addMany(opType: string, input: string[], results: number, attributes: Record<string, Attribute> = {}): string[] {
    const output = Array.from({ length: results }, (_, i) => `${opType}_${this.#nodes.length}_${i}`);
    this.#nodes.push(
      onnx.NodeProto.create({ opType, name: output[0]!, input, output, attribute: Object.entries(attributes).map(attributeProto) }),
    );
    return output;
  }

  floats(name: string, { shape, data }: Weight): string {
    const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.#initializers.push(onnx.TensorProto.create({ name, dataType: FLOAT, dims: [...shape], rawData }));
    return name;
  }

  integers(name: string, values: readonly number[], shape: readonly number[] = [values.length]): string {
    const rawData = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    this.#initializers.push(onnx.TensorProto.create({ name, dataType: INT64, dims: [...shape], rawData }));
    return name;
  }

  /** The bytes of a model file whose output is `value`, named `output`. */
  encode(inputs: readonly ReturnType<typeof valueInfo>[], value: string, output: string, shape: readonly Dimension[]): Uint8Array {
    this.#nodes.push(onnx.NodeProto.create({ opType: "Identity", name: output, input: [value], output: [output] }));
    const graph = onnx.GraphProto.create({
      name: "bench",
      node: this.#nodes,
      initializer: this.#initializers,
      input: [...inputs],
      output: [valueInfo(output, FLOAT, shape)],
    });
    return onnx.ModelProto.encode(onnx.ModelProto.create({ irVersion, opsetImport: [{ domain: "", version: opset }], graph })).finish();
  }
}

function attributeProto([name, value]: [string, Attribute]) {
  const { FLOAT, INT, INTS } = onnx.AttributeProto.AttributeType;
  if (typeof value !== "number") return onnx.AttributeProto.create({ name, type: INTS, ints: [...value] });
  if (name === "epsilon") return onnx.AttributeProto.create({ name, type: FLOAT, f: value });
  return onnx.AttributeProto.create({ name, type: INT, i: value });
}

function valueInfo(name: string, elemType: number, shape: readonly Dimension[]) {
  const dim = shape.map((size) => (typeof size === "number" ? { dimValue: size } : { dimParam: size }));
  return onnx.ValueInfoProto.create({ name, type: { tensorType: { elemType, shape: { dim } } } });
}

/** i64 `input_ids` [batch, tokensPerSentence] to f32 `sentence_embedding` [batch, hidden_size]: the pooler `cls`. */
export function bertModel(): Uint8Array {
  const graph = new Graph();
  const weights = initialWeights();
  const weight = (name: string) => graph.floats(name, weights.get(name)!);
  const linear = (x: string, name: string) => {
    const { shape, data } = weights.get(`${name}.weight`)!;
    const product = graph.add("MatMul", [x, graph.floats(`${name}.weight`, transposed(shape, data))]);
    return graph.add("Add", [product, weight(`${name}.bias`)]);
  };
  const norm = (x: string, name: string) =>
    graph.add("LayerNormalization", [x, weight(`${name}.weight`), weight(`${name}.bias`)], { axis: -1, epsilon: layerNormEpsilon });

  const { hidden_size: hidden, num_attention_heads: heads } = config;
  const positions = graph.integers(
    "positions",
    Array.from({ length: tokensPerSentence }, (_, i) => i),
  );
  const first = graph.integers("first", [0], []);
  const headShape = graph.integers("head shape", [0, 0, heads, hidden / heads]);
  const hiddenShape = graph.integers("hidden shape", [0, 0, hidden]);
  const scale = graph.floats("scale", { shape: [], data: Float32Array.of(Math.sqrt(hidden / heads)) });

  const embeddings = "bert.embeddings";
  const words = graph.add("Gather", [weight(`${embeddings}.word_embeddings.weight`), "input_ids"]);
  const types = graph.add("Gather", [weight(`${embeddings}.token_type_embeddings.weight`), first]);
  const places = graph.add("Gather", [weight(`${embeddings}.position_embeddings.weight`), positions]);
  let x = norm(graph.add("Add", [graph.add("Add", [words, types]), places]), `${embeddings}.LayerNorm`);
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const layer = `bert.encoder.layer.${i}`;
    const split = (name: string, perm: number[]) =>
      graph.add("Transpose", [graph.add("Reshape", [linear(x, `${layer}.attention.self.${name}`), headShape])], { perm });
    const [query, key, value] = [split("query", [0, 2, 1, 3]), split("key", [0, 2, 3, 1]), split("value", [0, 2, 1, 3])];
    const scores = graph.add("Div", [graph.add("MatMul", [query, key]), scale]);
    const context = graph.add("MatMul", [graph.add("Softmax", [scores], { axis: -1 }), value]);
    const merged = graph.add("Reshape", [graph.add("Transpose", [context], { perm: [0, 2, 1, 3] }), hiddenShape]);
    const attended = norm(graph.add("Add", [linear(merged, `${layer}.attention.output.dense`), x]), `${layer}.attention.output.LayerNorm`);
    const expanded = graph.add("Gelu", [linear(attended, `${layer}.intermediate.dense`)]);
    x = norm(graph.add("Add", [linear(expanded, `${layer}.output.dense`), attended]), `${layer}.output.LayerNorm`);
  }
  const pooled = graph.add("Tanh", [linear(graph.add("Gather", [x, first], { axis: 1 }), "mlp.dense")]);
  return graph.encode([valueInfo("input_ids", INT64, ["batch", tokensPerSentence])], pooled, "sentence_embedding", ["batch", hidden]);
}

/** A kernel whose first operand is the input `x` and whose others are constants; its output is `y`. */
export function kernelModel(work: KernelWork): Uint8Array {
  const graph = new Graph();
  const [x, ...others] = operands(work);
  const constants = others.map((operand, i) => graph.floats(`constant ${i}`, operand));
  const [opType, attributes, outputShape] = kernelOperators[work.op](work as never);
  const y = graph.add(opType, ["x", ...constants], attributes);
  return graph.encode([valueInfo("x", FLOAT, x!.shape)], y, "y", outputShape ?? x!.shape);
}

type OperatorOf<Op extends KernelWork["op"]> = (
  work: Extract<KernelWork, { op: Op }>,
) => readonly [opType: string, attributes: Record<string, Attribute>, outputShape?: readonly number[]];

const kernelOperators: { [Op in KernelWork["op"]]: OperatorOf<Op> } = {
  matmul: ({ m, n }) => ["MatMul", {}, [m, n]],
  layerNorm: () => ["LayerNormalization", { axis: -1, epsilon: layerNormEpsilon }],
  softmax: () => ["Softmax", { axis: -1 }],
};

/** [out, in] as [in, out]. */
export function transposed([rows, columns]: readonly number[], data: Float32Array): Weight {
  const [height, width] = [rows!, columns!];
  const turned = new Float32Array(data.length);
  for (let i = 0; i < height; i++) for (let j = 0; j < width; j++) turned[j * height + i] = data[i * width + j]!;
  return { shape: [width, height], data: turned };
}
