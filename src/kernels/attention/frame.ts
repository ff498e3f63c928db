/**
 * What surrounds the kernels of attention that compute scores in blocks: a workgroup for each sentence, head and 32 of the sentence's
 * tokens, with what all of them bind.
 */
import { wgsl } from "../../gpu/shader.ts";
import { positionsPerSentence } from "../batch.ts";
import { type KernelDeclaration, kernel } from "../language/kernel.ts";
import type { Dimension, Kernel, LiveSize, Tensor, Value } from "../language/operation.ts";
import { dropoutDeclarations, dropoutParams } from "../language/random.ts";
import type { AttentionAttributes } from "./attributes.ts";

/** Queries, and keys, of a block. */
export const blockTokens = 32;

/** Blocks of the longest sentence. */
export const blocksOf = (longest: number) => Math.ceil(longest / blockTokens);

/** The tokens that a token sees, on average if all sentences are equally long. */
export const tokensSeen = (
  { longest, window }: AttentionAttributes,
  { qkv, sentences }: Pick<AttentionInputs, "qkv" | "sentences">,
  live: LiveSize,
) => Math.min(window === null ? longest : 2 * window + 1, live(qkv.shape[0]!) / Math.max(1, live(sentences.shape[0]!)));

/** What every kernel of attention reads. */
export interface AttentionInputs {
  readonly qkv: Value;
  readonly tokens: Value;
  readonly sentences: Value;
  /** The table of the bias by relative position, if there is one. */
  readonly table: Value | undefined;
}

/** What the backward pass writes. */
export interface AttentionGradients {
  readonly dQkv: Value;
  /** For the bias's table: the sums of each block of each sentence, by bucket and head. */
  readonly sums: Value | undefined;
}

/** The kernels of a node. The name of what it reads is that of its binding: qkv, dContext, logSum, moments. */
export interface AttentionBlocks {
  readonly name: string;
  /** Whether it suits the device and the node. */
  readonly fits: Readonly<Record<"forward" | "backward", boolean>>;
  forward(tensors: { readonly context: Value; readonly logSum: Value }): Kernel;
  /** Of sentences of at most `blockTokens` tokens. */
  backward(tensors: AttentionGradients & { readonly dContext: Value; readonly logSum: Value }): Kernel;
  /** Of longer ones, from each row's log Σ exp(score) and Σ dP·P. */
  backwardByWalks(tensors: AttentionGradients & { readonly dContext: Value; readonly moments: Tensor }): Kernel;
}

/** WGSL of the workgroup's row of the sums for the bias's table. */
export const sumsRow = (longest: number) => `group.x * ${blocksOf(longest)}u + group.z`;

/** A kernel of a node. */
export interface BlockDeclaration extends Pick<KernelDeclaration, "label" | "workgroupSize" | "enables" | "reads" | "writes" | "main"> {
  readonly declarations: string;
  /** WGSL of a workgroup past the sentence's end. */
  readonly beyond?: string;
  /** The WGSL type of qkv's elements. */
  readonly element: "vec4f" | "vec4u";
  /** Floating-point operations for each score and number of a head. */
  readonly flopPerScore: number;
}

/**
 * A kernel whose body finds declared: `head`; `first` and `count`, the sentence's first row and its tokens; `mine`, the position of the
 * workgroup's first token; and with dropout `stepKey` and `headKey`. Past the sentence's end it is not run. A bias is bound as `table`.
 */
export function blockKernel(
  inputs: AttentionInputs,
  attributes: AttentionAttributes,
  { element, flopPerScore, reads, declarations, beyond = "", main, ...declaration }: BlockDeclaration,
): Kernel {
  const { qkv, tokens, sentences, table } = inputs;
  const { heads, longest, dropout } = attributes;
  const [rowCount, width] = qkv.shape as [Dimension, number];
  return kernel({
    ...declaration,
    reads: {
      qkv: [qkv, element],
      tokens: [tokens, "vec4u"],
      sentences: [sentences, "vec2u"],
      table: table && [table, "f32"],
      ...reads,
    },
    params: dropout ? dropoutParams(dropout) : {},
    declarations: wgsl`${dropout ? dropoutDeclarations : ""}${declarations}`,
    main: wgsl`let head = group.y;
  ${dropout ? `let stepKey = dropoutStep();\n  let headKey = head * ${positionsPerSentence}u;` : ""}
  let first = sentences[group.x].x;
  let count = sentences[group.x].y;
  let mine = group.z * ${blockTokens}u;
  if (mine >= count) { ${beyond}return; }
  ${main}`,
    workgroups: (live) => [live(sentences.shape[0]!), heads, blocksOf(longest)],
    flop: (live) => ((flopPerScore * width) / 3) * live(rowCount) * tokensSeen(attributes, inputs, live),
  });
}
