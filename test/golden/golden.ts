/** Reads the files that `bert.py` writes for its tiny BERT and its tiny RoBERTa. README.md beside this file describes them. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { openFolder } from "../../src/io/folder-node.ts";
import { openSafetensors } from "../../src/io/weights/safetensors.ts";
import { JoinedWeights } from "../../src/io/weights.ts";
import { parseConfig } from "../../src/nn/architectures/architectures.ts";
import type { PoolerType } from "../../src/simcse/model/poolers.ts";

export const kinds = ["bert", "roberta"] as const;
export type Kind = (typeof kinds)[number];
export type Group = "sentences" | "pairs" | "negatives";

export interface GoldenCase {
  readonly views: readonly Group[];
  /** null where there is one view, and masked language modelling alone. */
  readonly pooler: PoolerType | null;
  readonly temperature: number;
  readonly hard_negative_weight: number;
  readonly mlm: { readonly weight: number; readonly every: number; readonly mask: number } | null;
  readonly loss: number;
  readonly gradient_norm: number;
  /** The relative errors of PyTorch itself in float32. */
  readonly torch_float32: { readonly loss: number; readonly gradient: number };
}

/** A few training steps, and what was kept of each parameter after them. */
export interface GoldenTraining<Parameter> {
  readonly steps: number;
  readonly learning_rate: number;
  readonly adam_beta1: number;
  readonly adam_beta2: number;
  readonly adam_epsilon: number;
  readonly weight_decay: number;
  readonly max_grad_norm: number;
  readonly losses: readonly number[];
  readonly gradient_norms: readonly number[];
  readonly parameters: Readonly<Record<string, Parameter>>;
}

interface Golden {
  readonly config: Record<string, unknown>;
  readonly sentences: Readonly<Record<Group, readonly (readonly number[])[]>>;
  readonly cases: Readonly<Record<string, GoldenCase>>;
  readonly training: GoldenTraining<{ readonly sum: number; readonly norm: number }> & { readonly case: string };
}

export const goldenFolder = await openFolder(fileURLToPath(new URL(".", import.meta.url)));

export async function readGolden(kind: Kind) {
  const golden = JSON.parse(readFileSync(new URL(`${kind}.json`, import.meta.url), "utf8")) as Golden;
  const file = await openSafetensors(goldenFolder, `${kind}.safetensors`);
  const named = [...file.tensors.keys()].map(
    (source) => [kind === "roberta" ? robertaName(source) : source, { weights: file, source }] as const,
  );
  const weights = new JoinedWeights(file.path, new Map(named));
  return { golden, weights, config: parseConfig(`${kind}.json`, golden.config) };
}

/** The goldens of both kinds have BERT's names for the head of a masked language model. */
const robertaName = (name: string) =>
  name.replace(/cls\.predictions\.(?:transform\.)?/, "lm_head.").replace("lm_head.LayerNorm", "lm_head.layer_norm");

/** Names in the goldens have no prefix. */
export const goldenName = (name: string) => name.replace(/^(?:bert|roberta)\./, "");

/** A softmax is invariant to a shift of all its scores, so this gradient is zero except for rounding. */
export const isZeroGradient = (name: string) => name.endsWith("attention.self.key.bias");

/** ‖found − wanted‖. */
export function distance(found: Float32Array, wanted: Float32Array): number {
  return Math.hypot(...wanted.map((value, i) => found[i]! - value));
}

/** ‖found − wanted‖ / ‖wanted‖. */
export function relativeError(found: Float32Array, wanted: Float32Array): number {
  return distance(found, wanted) / Math.hypot(...wanted);
}
