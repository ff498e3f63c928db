/** Checks of the operations on packed sentences: embedding, attention, pooling and dropout masks. */
import type { Tape } from "../../src/autograd/tape.ts";
import { attention } from "../../src/kernels/attention.ts";
import { dropout } from "../../src/kernels/dropout.ts";
import { embedding } from "../../src/kernels/embedding.ts";
import { f32 } from "../../src/kernels/language/operation.ts";
import { residualLayerNorm } from "../../src/kernels/layer-norm.ts";
import { type Pooling, pool } from "../../src/kernels/pool.ts";
import { BatchPacker, declareBatch } from "../../src/simcse/model/batch.ts";
import { integers, normals } from "../../test/kernels/data.ts";
import { rowVariants } from "../../test/kernels/variants.ts";
import * as attentionReference from "../../test/reference/attention.ts";
import * as embeddingReference from "../../test/reference/embedding.ts";
import * as layerNormReference from "../../test/reference/layer-norm.ts";
import * as poolReference from "../../test/reference/pool.ts";
import { dropoutMask } from "../../test/reference/random.ts";
import { epsilon, layerNormInputs, map, random, rowCapacity, rows, width } from "./check-data.ts";
import { functionCheck, type KernelCheck } from "./kernel-suite.ts";

/** As many tokens as other checks have rows. */
const lengths = [1, 2, 7, 31, 16];
const vocabulary = 97;
const positions = 40;
const batchCapacity = { sentences: 9, tokens: rowCapacity, vocabulary, positions };
const seeds = { seed: 42, step: 7 };

/** Ids repeat, so that gradients of an embedding have rows to add up. */
const ids = lengths.map((length, i) => Array.from(integers(length, 20, 30 + i)));
const packed = new BatchPacker(batchCapacity, { indices: true }).pack(ids.map((sentence, key) => ({ ids: sentence, key })));
const packedStep = { ...packed, ...seeds };
const packedKeys = Array.from({ length: rows }, (_, row) => packed.inputs.tokens![row * 4 + 3]!);

const batch = (tape: Tape) => declareBatch(tape, batchCapacity, { indices: true });
const tokenMatrix = (tape: Tape, name: string, columns = width) => tape.input(name, f32(tape.extent("tokens", rowCapacity), columns));

const dropped = dropoutMask({ ...seeds, site: 0, probability: 0.1 }, packedKeys, width);

const heads = 2;
const headSize = 12;
const hidden = heads * headSize;

/** Attention of each sentence by itself, one after another. */
function packedAttention(qkv: ArrayLike<number>, probability: number): Float64Array {
  const context = new Float64Array(rows * hidden);
  let start = 0;
  for (const length of lengths) {
    const mask = attentionReference.attentionMask({ ...seeds, site: 0, probability }, packedKeys.slice(start, start + length), heads);
    const own = Float64Array.from({ length: length * 3 * hidden }, (_, i) => qkv[start * 3 * hidden + i]!);
    context.set(attentionReference.attention(own, { heads, headSize, mask }), start * hidden);
    start += length;
  }
  return context;
}

export const sentenceChecks: readonly KernelCheck[] = [
  functionCheck({
    operation: "embedding",
    inputs: { word: normals(vocabulary * width, 40), position: normals(positions * width, 41), tokenType: normals(2 * width, 42) },
    record: (tape) => {
      const { tokens, indices } = batch(tape);
      const table = (name: string, count: number) => tape.input(name, f32(count, width));
      return embedding(
        tokens,
        { word: table("word", vocabulary), position: table("position", positions), tokenType: table("tokenType", 2) },
        indices,
      );
    },
    step: packedStep,
    reference: ({ word, position, tokenType }) => {
      const place = ids.flatMap((sentence) => [...sentence.keys()]);
      return embeddingReference.embedding({ width, ids: ids.flat(), positions: place }, word!, position!, tokenType!);
    },
    gradientTolerance: { terms: rows, scale: Math.sqrt(rows) },
  }),
  ...[0, 0.1].map((probability) =>
    functionCheck({
      operation: probability > 0 ? "attention with dropout" : "attention",
      variants: rowVariants,
      inputs: { qkv: random(43, 3 * hidden) },
      record: (tape) => attention(tokenMatrix(tape, "qkv", 3 * hidden), batch(tape), { heads, dropout: probability }),
      step: packedStep,
      reference: ({ qkv }) => packedAttention(qkv!, probability),
      tolerance: { c: 32, terms: 4, scale: 1 },
    }),
  ),
  ...(["first", "mean"] as Pooling[]).map((pooling) =>
    functionCheck({
      operation: "pool",
      inputs: { x: random(44) },
      record: (tape) => pool(tokenMatrix(tape, "x"), batch(tape), pooling),
      step: packedStep,
      reference: ({ x }) => poolReference.pool(x!, width, lengths, [pooling]),
      tolerance: { terms: Math.max(...lengths) },
    }),
  ),
  functionCheck({
    operation: "dropout",
    inputs: { x: random(45) },
    record: (tape) => dropout(tokenMatrix(tape, "x"), 0.1, { tokens: batch(tape).tokens }),
    step: packedStep,
    reference: ({ x }) => map(x!, (v, i) => v * dropped[i]!),
  }),
  functionCheck({
    operation: "residualLayerNorm with dropout",
    variants: rowVariants,
    inputs: { ...layerNormInputs, residual: random(46) },
    record: (tape) => {
      const [x, residual, weight, bias] = [
        tokenMatrix(tape, "x"),
        tokenMatrix(tape, "residual"),
        tape.input("weight", f32(width)),
        tape.input("bias", f32(width)),
      ];
      return residualLayerNorm(x, residual, weight, bias, { epsilon, dropout: 0.1, tokens: batch(tape).tokens });
    },
    step: packedStep,
    reference: ({ x, residual, weight, bias }) =>
      layerNormReference.layerNorm(x!, { width, epsilon, weight: weight!, bias: bias!, mask: dropped, residual: residual! }),
    tolerance: { c: 12, terms: width, scale: 4 },
  }),
];
