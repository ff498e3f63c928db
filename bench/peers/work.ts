/**
 * The work for every peer: one small BERT, its weights, its sentences, and single kernels. It depends only on
 * this file, so each process generates the same numbers.
 */
import { normal, stream } from "../../src/nn/random.ts";

/**
 * A `config.json` as Hugging Face writes it. Its initial weights are five times as large as BERT's, so that untrained embeddings differ and a
 * wrong model shows in its loss; with BERT's, any loss is log 64 within a thousandth.
 */
export const config = {
  model_type: "bert",
  vocab_size: 30_522,
  hidden_size: 128,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 512,
  max_position_embeddings: 512,
  type_vocab_size: 2,
  layer_norm_eps: 1e-12,
  initializer_range: 0.1,
  pad_token_id: 0,
  hidden_act: "gelu",
} as const;

/** SimCSE's batch: each of its sentences goes through the model twice. */
export const batchSize = 64;
export const tokensPerSentence = 32;
export const temperature = 0.05;
/** Dropout of attention's weights and of hidden states in timed steps. */
export const dropout = 0.1;
export const adam = { learningRate: 3e-4, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;

export interface Weight {
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

const seed = 42;

/** A tensor of normally distributed numbers, determined by its name. */
function draw(name: string, shape: readonly number[], standardDeviation: number): Weight {
  const count = shape.reduce((product, size) => product * size, 1);
  return { shape, data: new Float32Array(normal(seed, name, count, standardDeviation)) };
}

/** The tensors of a checkpoint, matrices of linear layers as [out, in]. */
function shapes(): Record<string, readonly number[]> {
  const { vocab_size, hidden_size: hidden, intermediate_size: intermediate, max_position_embeddings, type_vocab_size } = config;
  const linear = (name: string, into: number, from: number) => ({ [`${name}.weight`]: [into, from], [`${name}.bias`]: [into] });
  const norm = (name: string) => ({ [`${name}.weight`]: [hidden], [`${name}.bias`]: [hidden] });
  const layers = Array.from({ length: config.num_hidden_layers }, (_, i) => {
    const layer = `bert.encoder.layer.${i}`;
    return {
      ...linear(`${layer}.attention.self.query`, hidden, hidden),
      ...linear(`${layer}.attention.self.key`, hidden, hidden),
      ...linear(`${layer}.attention.self.value`, hidden, hidden),
      ...linear(`${layer}.attention.output.dense`, hidden, hidden),
      ...norm(`${layer}.attention.output.LayerNorm`),
      ...linear(`${layer}.intermediate.dense`, intermediate, hidden),
      ...linear(`${layer}.output.dense`, hidden, intermediate),
      ...norm(`${layer}.output.LayerNorm`),
    };
  });
  return Object.assign(
    {
      "bert.embeddings.word_embeddings.weight": [vocab_size, hidden],
      "bert.embeddings.position_embeddings.weight": [max_position_embeddings, hidden],
      "bert.embeddings.token_type_embeddings.weight": [type_vocab_size, hidden],
    },
    norm("bert.embeddings.LayerNorm"),
    ...layers,
    linear("mlp.dense", hidden, hidden),
  );
}

/** The initial weights by their names in a checkpoint. Biases are not zero, so that a peer that omits one is detected. */
export function initialWeights(): Map<string, Weight> {
  const weight = (name: string, shape: readonly number[]): Weight => {
    const { data } = draw(name, shape, config.initializer_range);
    return { shape, data: name.endsWith("LayerNorm.weight") ? data.map((value) => 1 + value) : data };
  };
  return new Map(Object.entries(shapes()).map(([name, shape]) => [name, weight(name, shape)]));
}

/** Token ids of the batch's sentences: [CLS], random words, [SEP]. */
export function sentences(): number[][] {
  const [cls, sep, firstWord] = [101, 102, 1000];
  const draw = stream(seed, "sentences");
  return Array.from({ length: batchSize }, (_, sentence) =>
    Array.from({ length: tokensPerSentence }, (_, position) => {
      if (position === 0) return cls;
      if (position === tokensPerSentence - 1) return sep;
      return firstWord + (draw(sentence * tokensPerSentence + position) % (config.vocab_size - firstWord));
    }),
  );
}

/** The same, one sentence after another, i32 [batchSize · tokensPerSentence]. */
export function flatSentences(): Int32Array<ArrayBuffer> {
  return Int32Array.from(sentences().flat());
}

/** A single kernel, f32. `softmax` is over the last dimension. */
export type KernelWork =
  | { readonly op: "matmul"; readonly m: number; readonly k: number; readonly n: number }
  | { readonly op: "layerNorm"; readonly rows: number; readonly width: number }
  | { readonly op: "softmax"; readonly shape: readonly [number, number, number] };

export const matmuls: readonly KernelWork[] = [
  { op: "matmul", m: 512, k: 512, n: 512 },
  { op: "matmul", m: 1024, k: 1024, n: 1024 },
  { op: "matmul", m: 4096, k: 128, n: 512 },
];

export const rowKernels: readonly KernelWork[] = [
  { op: "layerNorm", rows: 2048, width: 768 },
  { op: "softmax", shape: [768, 32, 32] },
];

export const layerNormEpsilon = config.layer_norm_eps;

/** Operands of a kernel, in the order of its mathematics: A, B; or x, weight, bias; or x. */
export function operands(work: KernelWork): Weight[] {
  const operand = (name: string, ...shape: number[]) => draw(name, shape, 1);
  switch (work.op) {
    case "matmul":
      return [operand("a", work.m, work.k), operand("b", work.k, work.n)];
    case "layerNorm":
      return [operand("x", work.rows, work.width), operand("weight", work.width), operand("bias", work.width)];
    case "softmax":
      return [operand("x", ...work.shape)];
  }
}

/** The kernel's name in a table. */
export function kernelName(work: KernelWork): string {
  if (work.op === "matmul") return `matmul ${work.m}×${work.k}×${work.n}`;
  return work.op === "layerNorm" ? `LayerNorm ${work.rows}×${work.width}` : `softmax ${work.shape.join("×")}`;
}
