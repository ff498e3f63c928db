/**
 * One training step of every kind against PyTorch in float64: the loss, and each parameter's gradient element by element, in f32 and in mixed precision.
 * The step is the trainer's own, `TrainingStep`; GradCache is held against PyTorch's whole batch.
 *
 * docs/parity.md is the table of what is measured. The project `full` on lavapipe of Mesa 25 fails where it says something else, and writes it with
 * `-u`; every other device must keep the bounds.
 */

import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { StepInput } from "../../src/autograd/step-input.ts";
import { loadWeights } from "../../src/simcse/checkpoint/checkpoint.ts";
import { infoNce } from "../../src/simcse/losses/infonce.ts";
import { MaskedPacker } from "../../src/simcse/losses/mlm.ts";
import type { MaskedSentence } from "../../src/simcse/losses/mlm-masking.ts";
import { BatchPacker } from "../../src/simcse/model/batch.ts";
import { SimCseModel } from "../../src/simcse/model/model.ts";
import {
  batchCapacity,
  sentencesOf,
  type TokenizedExample,
  type TrainingStepOptions,
} from "../../src/simcse/training/step/step-recording.ts";
import { TrainingStep } from "../../src/simcse/training/step/training-step.ts";
import { openTestDevice } from "../device.ts";
import { distance, type GoldenCase, goldenName, isZeroGradient, kinds, readGolden } from "./golden.ts";
import { bounds, type Errors, labelsOf, type Precision, parityPage, precisions, type Row } from "./parity-page.ts";
import { gradientsOf } from "./step-gradients.ts";

const device = await openTestDevice();
const goldens = { bert: await readGolden("bert"), roberta: await readGolden("roberta") };

/** Of six examples: a chunk that is full and one that is not. */
const chunk = 4;
const chunked = ["unsupervised", "pairs_avg", "hard_negatives"];
const rows: readonly Row[] = kinds.flatMap((kind) => {
  const { cases } = goldens[kind].golden;
  return [...Object.keys(cases).map((name) => ({ name })), ...chunked.map((name) => ({ name, chunk }))].map((row) => ({
    ...row,
    kind,
    golden: cases[row.name]!,
  }));
});

/** Each row's errors, measured once. */
const measured = new Map<string, Promise<Errors>>();

function errorsOf(row: Row, precision: Precision): Promise<Errors> {
  const key = JSON.stringify([row.kind, row.name, row.chunk, precision]);
  const errors = measured.get(key) ?? measure(row, precision);
  measured.set(key, errors);
  return errors;
}

async function measure({ kind, name: caseName, chunk, golden }: Row, precision: Precision): Promise<Errors> {
  const { weights, config } = goldens[kind];
  const { sentences } = goldens[kind].golden;
  const { views, pooler, mlm } = golden;
  const halves = precision === "f16";
  const model = await SimCseModel.allocate(device, config, { training: true, mlp: pooler === "cls", mlm: mlm !== null, halves });
  await loadWeights(model, weights, { head: "checkpoint" });
  const examples = sentences[views[0]!].map((_, i) => ({ sentences: views.map((view) => sentences[view][i]!) }));
  const options: TrainingStepOptions = {
    batchSize: examples.length + 1, // More room than needed, so that the live part ends before the memory does.
    views: views.length,
    maxLength: 12,
    pooler: pooler ?? "cls_before_pooler",
    loss: views.length === 1 ? null : infoNce({ temperature: golden.temperature, hardNegativeWeight: golden.hard_negative_weight }),
    seed: 1,
    ...(mlm && { mlm: { weight: mlm.weight, probability: 1 / mlm.every, maskId: mlm.mask, specialIds: new Set<number>() } }),
    ...(chunk !== undefined && { cacheChunk: chunk }),
  };
  const step = await TrainingStep.create(model, options);
  const { loss, gradients } = await gradientsOf(model, step, (update) => {
    // Chosen masks go to the program itself, past what a step does for weights that were written from outside.
    step.programs.get("halves")?.run({});
    if (mlm) step.program.run({ ...maskedInputs(kind, options, examples, mlm), scalars: { learningRate: 0 }, step: update });
    else step.run(examples, update, 0);
  });
  const tensors = new Map<string, { readonly error: number; readonly norm: number }>();
  for (const [name, found] of gradients) {
    const wanted = await weights.readF32(`gradient.${caseName}.${goldenName(name)}`);
    tensors.set(name, { error: distance(found, wanted), norm: Math.hypot(...wanted) });
  }
  step.close();
  model.close();
  const all = [...tensors.values()];
  return {
    loss: Math.abs(loss / golden.loss - 1),
    gradient: Math.hypot(...all.map(({ error }) => error)) / Math.hypot(...all.map(({ norm }) => norm)),
    worst: Math.max(...[...tensors].map(([name, { error }]) => error / tensors.get(scaleOf(name))!.norm)),
  };
}

/** The parameter whose gradient's norm an error is relative to: its own, or for a bias of keys, whose gradient is zero, its matrix. */
const scaleOf = (name: string) => (isZeroGradient(name) ? name.replace(/bias$/, "weight") : name);

/** What a step with masked language modelling is given, with the words masked that PyTorch's were: its own would be random. */
function maskedInputs(
  kind: Row["kind"],
  options: TrainingStepOptions,
  examples: readonly TokenizedExample[],
  mlm: NonNullable<GoldenCase["mlm"]>,
): Pick<StepInput, "inputs" | "live"> {
  const capacity = batchCapacity(goldens[kind].config, options);
  const sentences = sentencesOf(examples, 0, options.views!);
  const plain = options.loss ? new BatchPacker(capacity, { indices: true }).pack(sentences) : null;
  const masked = new MaskedPacker(capacity, { probability: options.mlm!.probability, indices: true }).pack(
    sentences.map((sentence) => ({ ...sentence, masked: maskEvery(sentence.ids, mlm) })),
  );
  return {
    inputs: { ...plain?.inputs, ...masked.inputs },
    live: { ...plain?.live, ...masked.live, ...(plain && { examples: examples.length }) },
  };
}

/** Every so many tokens but the first and the last are asked for, and stand in the input as the mask. */
function maskEvery(ids: readonly number[] | Uint32Array, { every, mask }: { every: number; mask: number }): MaskedSentence {
  const positions = Uint32Array.from([...ids.keys()].filter((i) => i > 0 && i < ids.length - 1 && i % every === 1));
  const labels = positions.map((position) => ids[position]!);
  return { ids: Uint32Array.from(ids as ArrayLike<number>, (id, i) => (positions.includes(i) ? mask : id)), positions, labels };
}

/** SwiftShader keeps no kernels from run to run: its halves are packed like the core device's, and `halves.test.ts` holds them. */
const measuredHere = precisions.filter((precision) => precision === "f32" || !device.name.startsWith("SwiftShader"));

describe.each(measuredHere)("in %s the loss and the gradients are PyTorch's:", (precision) => {
  it.each(rows.map((row) => ({ row, title: labelsOf(row).filter(Boolean).join(", ") })))("$title", async ({ row }) => {
    const errors = await errorsOf(row, precision);
    for (const [name, error] of Object.entries(errors)) expect(error, name).toBeLessThan(bounds[precision]);
  });
});

/** Other versions round otherwise: Mesa 26 fuses products and sums. */
const isTablesDevice = device.name.startsWith("llvmpipe: Mesa 25.") && device.capabilities.features.has("shader-f16");

it.runIf(isTablesDevice)("docs/parity.md says so", async () => {
  const lines = [];
  for (const row of rows) lines.push({ row, errors: { f32: await errorsOf(row, "f32"), f16: await errorsOf(row, "f16") } });
  const file = fileURLToPath(new URL("../../docs/parity.md", import.meta.url));
  const page = parityPage(lines, existsSync(file) ? readFileSync(file, "utf8") : "");
  await expect(page).toMatchFileSnapshot(file);
});
