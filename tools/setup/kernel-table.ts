/** Which kernels a device runs, as a table for several devices: what each offers, and the variants that follow from it. */
import { type Plan, plan } from "../../src/autograd/plan.ts";
import { Tape } from "../../src/autograd/tape.ts";
import type { Capabilities } from "../../src/gpu/capabilities.ts";
import type { KnownDevice } from "../../src/gpu/known-devices.ts";
import { capacity, u32 } from "../../src/kernels/language/operation.ts";
import { queryType, vectorScores, vectorWords } from "../../src/kernels/search/vector-scores.ts";
import { parseConfig } from "../../src/nn/architectures/architectures.ts";
import { infoNce } from "../../src/simcse/losses/infonce.ts";
import { planTrainingStep } from "../../src/simcse/training/step/training-step.ts";

/** BERT-base's last layer, which computes only the rows of [CLS] after attention, and one before it, as all others are. */
const config = parseConfig("BERT-base", {
  model_type: "bert",
  vocab_size: 30_522,
  hidden_size: 768,
  num_hidden_layers: 2,
  num_attention_heads: 12,
  intermediate_size: 3072,
  max_position_embeddings: 512,
});

/** The step of a batch of 64 short sentences on a device. Planning allocates nothing. */
export function trainingPlan(capabilities: Capabilities, halves: boolean): Plan {
  const step = { batchSize: 64, maxLength: 32, pooler: "cls", loss: infoNce({ temperature: 0.05 }), seed: 42 } as const;
  return planTrainingStep(config, { mlp: true, halves }, step, capabilities).plan;
}

/** A search for 32 queries among stored vectors of f16. */
export function searchPlan(capabilities: Capabilities): Plan {
  const tape = new Tape();
  const [width, rows] = [768, 4096];
  const vectors = tape.input("vectors", u32(vectorWords("f16", width, rows)));
  const scores = vectorScores(tape.input("queries", queryType("f16", width, 32)), { format: "f16", width, rows, vectors });
  return plan(tape, { scores }, capabilities);
}

/** The variant of the operation's node with the most arithmetic. */
function variantOf({ steps }: Plan, operation: string): string {
  const flop = ({ lowering }: Plan["steps"][number]) => lowering.kernels.reduce((sum, own) => sum + (own.flop?.(capacity) ?? 0), 0);
  return steps.filter(({ node }) => node.operation.name === operation).reduce((most, step) => (flop(step) > flop(most) ? step : most))
    .lowering.variant;
}

/** What a device offers, as far as kernels are chosen by it. */
function offerOf({ features, software, subgroupSize, subgroupMatrices, limits }: Capabilities): string {
  const matrices = subgroupMatrices.map(({ M, N, K, componentType, resultComponentType }) =>
    componentType === resultComponentType ? `${M}×${N}×${K} ${componentType}` : `${M}×${N}×${K} ${componentType}→${resultComponentType}`,
  );
  return [
    ...(software ? ["CPU"] : []),
    subgroupSize === null ? "lanes vary" : `${subgroupSize} lanes`,
    ...(features.has("shader-f16") ? ["f16"] : []),
    `${limits.maxComputeWorkgroupStorageSize / 1024} KB`,
    ...(matrices.length > 2 ? [`${matrices.length} matrix formats`] : matrices),
  ].join(", ");
}

const columns: Readonly<Record<string, (device: KnownDevice, plans: { f32: Plan; f16: Plan }) => string>> = {
  device: ({ name }) => name,
  offers: ({ capabilities }) => offerOf(capabilities),
  "product, f32": (_, { f32 }) => variantOf(f32, "matmul"),
  "product, f16": (_, { f16 }) => variantOf(f16, "matmul"),
  attention: (_, { f16 }) => variantOf(f16, "attention").replace("heads of 64, ", ""),
  "its gradient": (_, { f16 }) => variantOf(f16, "attentionGradient").replace("heads of 64, ", ""),
  "LayerNorm, softmax": (_, { f32 }) => variantOf(f32, "crossEntropy"),
  "stored vectors": ({ capabilities }) => variantOf(searchPlan(capabilities), "vectorScores").replace("f16, ", ""),
};

/** The cells of the table, the heading first. */
export function kernelTable(devices: readonly KnownDevice[]): string[][] {
  const rows = devices.map((device) => {
    const plans = { f32: trainingPlan(device.capabilities, false), f16: trainingPlan(device.capabilities, true) };
    return Object.values(columns).map((cell) => cell(device, plans));
  });
  return [Object.keys(columns), ...rows];
}
