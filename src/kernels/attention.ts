/**
 * Multi-head self-attention over packed sentences: scores, softmax, dropout and the weighted sum in one kernel, forward and backward
 * (Vaswani et al. 2017; the online softmax and its backward pass as in FlashAttention, Dao et al. 2022). Scores are never stored.
 *
 *     P = softmax(Q·Kᵀ / √headSize) within a sentence;  context = dropout(P)·V
 *
 * The forward pass keeps each row's log Σ exp(score); the backward pass recomputes probabilities and dropout masks. Softmax and sums are
 * f32. A thread writes only its own rows, so a rerun is bit-identical. This file has the operations and which variants suit a node: scores
 * in blocks, on plain ALUs (`attention/blocks.ts`) or on matrix units (`attention/matrices.ts`), for GPUs; and a walk over the sentence's
 * tokens (`attention/walk.ts`), for every device.
 *
 * Every variant can have two additions, compiled in only where a model asks for them. A local window: a token sees those within a
 * distance. A bias of the scores by relative position (`language/relative-bias.ts`).
 */
import { ShapeError } from "../errors.ts";
import type { Capabilities } from "../gpu/capabilities.ts";
import type { AttentionAttributes } from "./attention/attributes.ts";
import { attentionBlocks } from "./attention/blocks.ts";
import { type AttentionBlocks, type AttentionInputs, blocksOf, blockTokens } from "./attention/frame.ts";
import { headVector } from "./attention/head-vector.ts";
import { attentionMatrices } from "./attention/matrices.ts";
import { joinMoments } from "./attention/moments.ts";
import { walkBackward, walkForward } from "./attention/walk.ts";
import { dropoutKey, sentenceTable, tokenTable } from "./batch.ts";
import { columnSum } from "./column-sum.ts";
import {
  capacity,
  elementCount,
  expectType,
  f32,
  float,
  floatOf,
  type Lowering,
  type Node,
  type Operand,
  type Operation,
  type Type,
  type Value,
  type Variant,
} from "./language/operation.ts";
import { checkProbability } from "./language/random.ts";
import { type BucketStarts, bucketCount } from "./language/relative-bias.ts";
import { reshape } from "./reshape.ts";
import { sum } from "./sum.ts";

const operation: Operation<AttentionAttributes> = {
  name: "attention",
  infer([qkv, tokens, sentences, table], { heads, starts }) {
    const [rows, width] = qkv!.shape as [Type["shape"][0], number];
    expectType("attention", "qkv", qkv!, "float", [rows!, null]);
    expectType("attention", "tokens", tokens!, "u32", tokenTable(rows!).shape);
    expectType("attention", "sentences", sentences!, "u32", sentenceTable(sentences!.shape[0]!).shape);
    if (width % (3 * heads * 2) !== 0) {
      throw new ShapeError(
        `attention: a width of ${width} does not divide into query, key and value of ${heads} heads of an even size.`,
        "Choose num_attention_heads so that hidden_size / num_attention_heads is even.",
      );
    }
    if (starts) expectType("attention", "table", table!, "float", [bucketCount(starts), heads]);
    return [float(floatOf(qkv!), rows!, width / 3), f32(rows!, heads)];
  },
  variants,
  measuredAs,
  tables: ({ inputs: [qkv, , sentences], attributes }) => [null, ...fullSentences(qkv!, sentences!, attributes)],
  probes(node) {
    const batch = probeBatch(inputsOf(node.inputs), node.attributes);
    return { ...probedAs(node, [batch.qkv, ...batch.types]), tables: [null, ...batch.tables] };
  },
  lower: (node, capabilities) => variants(node, capabilities)[0]!.lower(),
  gradient({ inputs: [qkv, tokens, sentences, table], outputs: [context, logSum], attributes }, [dContext]) {
    if (!dContext) return [];
    const inputs = [dContext, qkv!, context!, logSum!, tokens!, sentences!, ...(table ? [table] : [])];
    const [dQkv, sums] = qkv!.tape.append(attentionGradient, inputs, attributes);
    return [dQkv!, null, null, ...(table ? [tableGradient(sums!, table)] : [])];
  },
};

/** What attention reads, by its order in a node. */
function inputsOf([qkv, tokens, sentences, table]: readonly Value[]): AttentionInputs {
  return { qkv: qkv!, tokens: tokens!, sentences: sentences!, table };
}

/** The same of a gradient's node. */
const inputsOfGradient = ([, qkv, , , ...tables]: readonly Value[]): AttentionInputs => inputsOf([qkv!, ...tables]);

/** Blocks for GPUs, on plain ALUs or on matrix units; and a walk over the sentence, token by token or in blocks of a subgroup. */
function variants(node: Node<AttentionAttributes>, capabilities: Capabilities): readonly Variant[] {
  const [context, logSum] = node.outputs;
  const blocks = blockVariants(inputsOf(node.inputs), node.attributes, capabilities, "forward");
  return [
    ...blocks.map(({ name, forward }) => ({
      name,
      lower: (): Lowering => ({ variant: name, kernels: [forward({ context: context!, logSum: logSum! })] }),
    })),
    { name: "walk", lower: () => walkForward(node, capabilities) },
  ];
}

/** The layers of a model differ in the site of their dropout, which takes no time. */
function measuredAs({ inputs, attributes }: Node<AttentionAttributes>): Pick<Node<AttentionAttributes>, "attributes" | "inputs"> {
  const { dropout } = attributes;
  return { inputs, attributes: { ...attributes, dropout: dropout && { ...dropout, site: 0 } } };
}

/** What is checked once for all layers, which differ in the site of their dropout. */
function probedAs(node: Node<AttentionAttributes>, inputs: readonly Type[]) {
  const { attributes } = measuredAs(node);
  return { inputs: [inputs], attributes, portable: attributes };
}

/** Sentences for a check: one as long as possible, short ones, and at last one beyond the live part. */
function probeBatch({ qkv, tokens, sentences, table }: AttentionInputs, { longest }: AttentionAttributes) {
  const long = Math.min(longest, 300);
  const lengths = [long, 1, Math.ceil((long + 1) / 2), 1];
  const starts = lengths.map((_, i) => lengths.slice(0, i).reduce((sum, length) => sum + length, 0));
  const rowCount = starts.at(-1)! + 1;
  const sized = ({ dtype, shape: [first, ...rest] }: Type, size: number): Type => ({
    dtype,
    shape: [typeof first === "number" ? size : { ...first!, capacity: size }, ...rest],
  });
  const rows = lengths.flatMap((length, sentence) =>
    Array.from({ length }, (_, position) => [0, position, sentence, dropoutKey(sentence, position)]),
  );
  return {
    qkv: sized(qkv, rowCount),
    types: [sized(tokens, rowCount), sized(sentences, lengths.length), ...(table ? [table] : [])],
    tables: [Uint32Array.from(rows.flat()), Uint32Array.from(lengths.flatMap((length, i) => [starts[i]!, length]))],
  };
}

/** Tables of tokens and sentences for a measurement: sentences of equal length, which use all rows. */
function fullSentences(qkv: Type, sentences: Type, { longest }: AttentionAttributes): [tokens: Uint32Array, sentences: Uint32Array] {
  const [rowCount, count] = [capacity(qkv.shape[0]!), capacity(sentences.shape[0]!)];
  const length = Math.max(1, Math.min(longest, Math.floor(rowCount / count)));
  const tokens = new Uint32Array(rowCount * 4);
  for (let row = 0; row < rowCount; row++) tokens[row * 4 + 3] = dropoutKey(Math.floor(row / length), row % length);
  return [tokens, Uint32Array.from({ length: count * 2 }, (_, i) => (i % 2 === 0 ? Math.min((i / 2) * length, rowCount - 1) : length))];
}

/**
 * The variants in blocks that suit a node, the best guess first. None of a software adapter, or of heads that are not read by fours. On an
 * H100, sentences of 32 tokens take 12 µs on matrix units, 53 in plain blocks and 51 with the walk; backward 43, 123 and 187.
 */
function blockVariants(
  inputs: AttentionInputs,
  attributes: AttentionAttributes,
  capabilities: Capabilities,
  pass: "forward" | "backward",
): readonly AttentionBlocks[] {
  const headSize = (inputs.qkv.shape[1] as number) / 3 / attributes.heads;
  if (capabilities.software || headVector(headSize).size !== 4) return [];
  const blocks = [attentionMatrices(inputs, attributes, capabilities), attentionBlocks(inputs, attributes, capabilities)];
  return blocks.filter((own): own is AttentionBlocks => own?.fits[pass] === true);
}

/** The gradient of the bias's table [buckets, heads] from the sums of each block of each sentence, f32 [sentences, blocks · buckets · heads]. */
function tableGradient(sums: Value, table: Type): Value {
  return sum(reshape(columnSum(sums), [(sums.shape[1] as number) / elementCount(table.shape), ...table.shape]), 0);
}

const attentionGradient: Operation<AttentionAttributes> = {
  name: "attentionGradient",
  infer([dContext, qkv, context, , , sentences, table], { longest }) {
    expectType("attentionGradient", "dContext", dContext!, "float", context!.shape);
    return [qkv!, ...(table ? [f32(sentences!.shape[0]!, blocksOf(longest) * elementCount(table.shape))] : [])];
  },
  variants: gradientVariants,
  measuredAs,
  tables: ({ inputs: [, qkv, , , , sentences], attributes }) => [null, null, null, null, ...fullSentences(qkv!, sentences!, attributes)],
  // Context and log-sums must be those of the queries, so they are computed first.
  probes(node) {
    const [dContext, qkv] = node.inputs;
    const batch = probeBatch(inputsOfGradient(node.inputs), node.attributes);
    const { shape } = batch.qkv;
    const inputs = [{ dtype: dContext!.dtype, shape: [shape[0]!, dContext!.shape[1]!] }, batch.qkv, ...batch.types];
    return {
      ...probedAs(node, inputs),
      tables: [null, null, ...batch.tables],
      // The f32 sums for the bias's table follow from the context, which is rounded as the gradient of qkv is.
      precisions: node.outputs.map(() => qkv!.dtype),
      record([dOfContext, ...forward], attributes) {
        const { tape } = dOfContext!;
        const [context, logSum] = tape.append(operation, forward, attributes);
        const [ofQkv, ...batch] = forward;
        const all = [dOfContext!, ofQkv!, context!, logSum!, ...batch];
        return tape.append(attentionGradient, all, attributes)[0]!.node as Node<AttentionAttributes>;
      },
    };
  },
  lower: (node, capabilities) => gradientVariants(node, capabilities)[0]!.lower(),
};

function gradientVariants(node: Node<AttentionAttributes>, capabilities: Capabilities): readonly Variant[] {
  const blocks = blockVariants(inputsOfGradient(node.inputs), node.attributes, capabilities, "backward");
  return [
    ...blocks.map((own) => ({ name: own.name, lower: () => blocksBackward(node, own) })),
    { name: "walk", lower: () => walkBackward(node, capabilities) },
  ];
}

function blocksBackward(
  { inputs: [dContext, , context, logSum], outputs: [dQkv, sums], attributes }: Node<AttentionAttributes>,
  blocks: AttentionBlocks,
): Lowering {
  const gradients = { dContext: dContext!, dQkv: dQkv!, sums };
  if (attributes.longest <= blockTokens) return { variant: blocks.name, kernels: [blocks.backward({ ...gradients, logSum: logSum! })] };
  const { kernel: joins, moments } = joinMoments({ context: context!, dContext: dContext!, logSum: logSum! }, attributes);
  return { variant: blocks.name, scratch: [moments], kernels: [joins, blocks.backwardByWalks({ ...gradients, moments })] };
}

/** How attention is computed. */
export interface AttentionOptions {
  readonly heads: number;
  /** The probability of dropout of the weights, in [0, 1). */
  readonly dropout: number;
  /** The largest distance in tokens at which a token sees another; all of the sentence if absent. */
  readonly window?: number | undefined;
  /** A bias of the scores by relative position: its table, f32 or f16 [2 · starts.length, heads], and the buckets of distances that it is for. */
  readonly bias?: { readonly table: Operand; readonly starts: BucketStarts } | undefined;
}

/**
 * Self-attention: [tokens, hiddenSize] from `qkv` [tokens, 3·hiddenSize] (query, key, value side by side, heads within each), the batch's
 * token table, its sentence table u32 [sentences, 2], and the largest number of tokens in a sentence.
 */
export function attention(
  qkv: Value,
  { tokens, sentences, longest }: { tokens: Value; sentences: Value; longest: number },
  { heads, dropout: probability, window, bias }: AttentionOptions,
): Value {
  checkProbability("attention", probability);
  const dropout = probability > 0 ? { probability, site: qkv.tape.dropoutSite() } : null;
  // A window that no sentence exceeds needs no code.
  const narrow = window !== undefined && window < longest - 1 ? window : null;
  const inputs = [qkv, tokens, sentences, ...(bias ? [bias.table] : [])];
  return qkv.tape.append(operation, inputs, { heads, longest, dropout, window: narrow, starts: bias?.starts ?? null })[0]!;
}
