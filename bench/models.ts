/** The models and batches that benchmarks of whole steps run on. */
import type { FloatType } from "../src/kernels/language/operation.ts";
import { parseConfig } from "../src/nn/architectures/architectures.ts";
import { infoNce } from "../src/simcse/losses/infonce.ts";
import type { Bench } from "./open-bench.ts";

export interface BenchModel {
  readonly name: string;
  /** The fields of a `config.json`. */
  readonly config: Readonly<Record<string, number>>;
}

/** The model that all peers are measured on. */
export const small: BenchModel = {
  name: "2 layers, hidden 128",
  config: { vocab_size: 30_522, hidden_size: 128, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 512 },
};

export const base: BenchModel = {
  name: "BERT-base",
  config: { vocab_size: 30_522, hidden_size: 768, num_hidden_layers: 12, num_attention_heads: 12, intermediate_size: 3072 },
};

/** A software adapter takes minutes for BERT-base. */
export const benchModels = ({ device }: Bench): readonly BenchModel[] => (device.capabilities.software ? [small] : [small, base]);

/** The dtypes that models encode in: f16 where a GPU has it. A software adapter emulates it, slowly. */
export const benchDtypes = ({ device }: Bench): readonly FloatType[] =>
  device.capabilities.features.has("shader-f16") && !device.capabilities.software ? ["f32", "f16"] : ["f32"];

export const bertConfig = ({ config }: BenchModel) => parseConfig("bench", { model_type: "bert", max_position_embeddings: 512, ...config });

/** Tokens of a sentence in a training step. */
export const stepTokens = 32;

/** What a training step of so many sentences is created with. */
export const stepOptions = (batchSize: number) =>
  ({ batchSize, maxLength: stepTokens, pooler: "cls", loss: infoNce({ temperature: 0.05 }), seed: 42 }) as const;

/** The examples of such a step: each sentence is embedded twice. */
export const stepExamples = (ids: readonly (readonly number[])[]) => ids.map((sentence) => ({ sentences: [sentence, sentence] }));

/** Sentences of `tokens` ids each, spread over the vocabulary. */
export function syntheticSentences(count: number, tokens: number): number[][] {
  return Array.from({ length: count }, (_, i) => Array.from({ length: tokens }, (_, j) => (1 + i * 7919 + j * 104_729) % 30_522));
}
