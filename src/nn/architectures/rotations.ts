/** Rotary positions: how a `config.json` describes them, and attention with them, on the tape and as operators of an ONNX graph. */
import { bytesOf } from "../../io/formats/bytes.ts";
import { type AttentionOptions, attention } from "../../kernels/attention.ts";
import type { Value } from "../../kernels/language/operation.ts";
import { type Rotation, rotary, rotaryFrequencies } from "../../kernels/rotary.ts";
import type { BatchValues } from "./architecture.ts";
import type { BertConfig } from "./bert.ts";
import { isWhole, positive, type Rule } from "./config-rules.ts";
import { type AttentionSize, type OnnxBatch, onnxAttended, onnxPlaces } from "./onnx-layers.ts";

/** The rotations of a file of transformers 5. */
export interface RopeParameters {
  readonly rope_type?: "default" | "linear";
  /** The older name of rope_type. */
  readonly type?: "default" | "linear";
  readonly rope_theta?: number;
  /** Of the type linear. */
  readonly factor?: number;
}

/** The config of a BERT whose positions are rotations, the same in all layers. */
export interface RotaryBertConfig extends BertConfig {
  readonly rope_parameters?: RopeParameters | null;
}

/** A rotation; `theta` is the architecture's own, for a file that names none. */
export function rotationOf(parameters: RopeParameters | null | undefined, theta: number): Rotation {
  const { type, rope_type = type, rope_theta = theta, factor } = parameters ?? {};
  return rope_type === "linear" && factor !== undefined ? { theta: rope_theta, factor } : { theta: rope_theta };
}

/** Self-attention whose queries and keys turn: [tokens, hidden_size] from query, key and value side by side [tokens, 3 · hidden_size]. */
export function rotaryAttention(qkv: Value, batch: BatchValues, turning: Rotation, options: AttentionOptions): Value {
  return attention(rotary(qkv, batch.tokens, { heads: options.heads, ...turning }), batch, options);
}

const isPositive = (value: unknown) => positive.fits(value, {});

/** Whether a value describes a rotation, of one of the types that are supported. */
export function isRotation(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { type = "default", rope_type = type, rope_theta = 1, factor } = value as Readonly<Record<string, unknown>>;
  return isPositive(rope_theta) && (rope_type === "default" || (rope_type === "linear" && isPositive(factor)));
}

/** The field `rope_parameters`. */
export const rotation: Rule = {
  fits: (value) => value === undefined || value === null || isRotation(value),
  wanted: "a rope_theta, with rope_type default, or linear and a factor: other rotations are not supported",
};

/** Heads whose halves turn. */
export const turningHeads: Rule = {
  fits: (value, { hidden_size }) => isWhole(value, 1, 1024) && Number(hidden_size) % (Number(value) * 8) === 0,
  wanted: "a divisor of hidden_size with heads of a multiple of 8",
};

/** The field `head_dim`, in files that state it. */
export const headSize: Rule = {
  fits: (value, { hidden_size, num_attention_heads }) =>
    value === undefined || value === null || value === Number(hidden_size) / Number(num_attention_heads),
  wanted: "hidden_size / num_attention_heads",
};

/** Query, key and value in transformers' classes, whose rows a file has as one matrix. */
export const qkvModules: readonly string[] = ["q", "k", "v"].map((part) => `self_attn.${part}_proj`);

/** cos and sin of each place's angles: f32 [sequence, head size]. */
export interface OnnxAngles {
  readonly cos: string;
  readonly sin: string;
}

export function onnxAngles(batch: OnnxBatch, { hidden_size, num_attention_heads }: AttentionSize, turning: Rotation): OnnxAngles {
  const { graph } = batch;
  const half = hidden_size / num_attention_heads / 2;
  const { theta, factor = 1 } = turning;
  const frequencies = bytesOf(Float32Array.from(rotaryFrequencies(half, turning)));
  const speeds = graph.weight(`frequencies ${theta} ${factor}`, "F32", [half], async () => frequencies);
  const steps = graph.add("Unsqueeze", [graph.add("Cast", [onnxPlaces(batch)], { to: 1 }), graph.integers([1])]);
  const angles = graph.add("Mul", [steps, speeds]);
  const doubled = graph.add("Concat", [angles, angles], { axis: -1 });
  return { cos: graph.add("Cos", [doubled]), sin: graph.add("Sin", [doubled]) };
}

/** The columns from `begin` to before `end`. */
export const onnxColumns = ({ graph }: OnnxBatch, x: string, begin: number, end: number): string =>
  graph.add("Slice", [x, graph.integers([begin]), graph.integers([end]), graph.integers([-1])]);

/** Self-attention, without its output projection, from rows of query, key and value side by side. */
export function onnxRotaryAttention(batch: OnnxBatch, rows: string, { cos, sin }: OnnxAngles, config: AttentionSize): string {
  const { graph, size } = batch;
  const { hidden_size, num_attention_heads: heads } = config;
  const width = hidden_size / heads;
  const turned = (value: string) => {
    const halves = [graph.add("Neg", [onnxColumns(batch, value, width / 2, width)]), onnxColumns(batch, value, 0, width / 2)];
    const swapped = graph.add("Concat", halves, { axis: -1 });
    return graph.add("Add", [graph.add("Mul", [value, cos]), graph.add("Mul", [swapped, sin])]);
  };
  const shape = graph.add("Concat", [size, graph.integers([3, heads, width])], { axis: 0 });
  const qkv = graph.add("Reshape", [rows, shape]);
  const [query, key, value] = [0, 1, 2].map((index) =>
    graph.add("Transpose", [graph.add("Gather", [qkv, graph.integers(index)], { axis: 2 })], { perm: [0, 2, 1, 3] }),
  ) as [string, string, string];
  const keys = graph.add("Transpose", [turned(key)], { perm: [0, 1, 3, 2] });
  return onnxAttended(batch, { query: turned(query), key: keys, value }, config);
}
