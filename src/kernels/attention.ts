/**
 * Multi-head self-attention over packed sentences: scores, softmax, dropout and the weighted sum in one kernel, forward and backward
 * (Vaswani et al. 2017; the online softmax and its backward pass as in FlashAttention, Dao et al. 2022). No score is ever stored.
 *
 *     P = softmax(Q·Kᵀ / √headSize) within a sentence;  context = dropout(P)·V
 *
 * A workgroup takes one sentence and head, a thread one token of it at a time: the thread keeps its own vectors, and all threads walk the
 * sentence's tokens together, so what they read of the others is the same for all of them. It needs no workgroup memory and takes sentences of
 * any length. The forward pass keeps each row's log Σ exp(score); the backward pass computes probabilities and dropout masks again. Softmax and
 * sums are f32. A thread writes only its own rows, so a rerun is bit-identical.
 *
 * Within the walk a head's vectors are written out one by one, so that they stay in registers. Before and after it they are loaded and stored in a
 * loop, whose bound is a constant on a GPU, to unroll too, and a uniform on a software adapter, which would compile it for half a minute.
 */
import { ShapeError } from "../errors.ts";
import type { Capabilities } from "../gpu/capabilities.ts";
import { wgsl } from "../gpu/shader.ts";
import { positionsPerSentence, sentenceTable, tokenField, tokenTable } from "./batch.ts";
import { kernel, paramU32, type Tensor } from "./kernel.ts";
import { expectType, f32, type Operation, Scratch, type Type, type Value } from "./operation.ts";
import { type Dropout, dropoutDeclarations, dropoutParams } from "./random.ts";

interface Attributes {
  readonly heads: number;
  readonly dropout: Dropout | null;
}

const operation: Operation<Attributes> = {
  name: "attention",
  infer([qkv, tokens, sentences], { heads }) {
    const [rows, width] = qkv!.shape as [Type["shape"][0], number];
    expectType("attention", "qkv", qkv!, "f32", [rows!, null]);
    expectType("attention", "tokens", tokens!, "u32", tokenTable(rows!).shape);
    expectType("attention", "sentences", sentences!, "u32", sentenceTable(sentences!.shape[0]!).shape);
    if (width % (3 * heads * 4) !== 0) {
      throw new ShapeError(
        `attention: a width of ${width} does not divide into query, key and value of ${heads} heads of a multiple of 4.`,
        "Choose num_attention_heads so that hidden_size / num_attention_heads is a multiple of 4.",
      );
    }
    return [f32(rows!, width / 3), f32(rows!, heads)];
  },
  lower({ inputs: [qkv, tokens, sentences], outputs: [context, logSum], attributes }, capabilities) {
    const head = headKernel(qkv!, sentences!, attributes, capabilities);
    return {
      variant: head.variant,
      kernels: [
        head.kernel({
          label: "attention",
          reads: { qkv: [qkv!, "vec4f"], tokens: [tokens!, "vec4u"] },
          writes: { context: [context!, "vec4f"], logSum: [logSum!, "f32"] },
          own: wgsl`var q: Vectors;
    var sum: Vectors;
    ${head.each("q[i] = qkv[own + i]; sum[i] = vec4f();")}
    let stream = ${head.stream("row")};
    var largest = -1e30;
    var total = 0.0;`,
          other: wgsl`var score = 0.0;
      ${head.unrolled(`score += dot(q[i], qkv[other + ${head.key} + i]);`)}
      score *= ${head.scale};
      let newLargest = max(largest, score);
      let shrink = exp(largest - newLargest);
      let p = exp(score - newLargest);
      let kept = p * ${head.factor("stream", "j")};
      total = total * shrink + p;
      largest = newLargest;
      ${head.unrolled(`sum[i] = sum[i] * shrink + kept * qkv[other + ${head.value} + i];`)}`,
          finish: wgsl`${head.each("context[ownOutput + i] = sum[i] / total;")}
    logSum[row * ${attributes.heads}u + head] = largest + log(total);`,
        }),
      ],
    };
  },
  gradient({ inputs: [qkv, tokens, sentences], outputs: [context, logSum], attributes }, [dContext]) {
    if (!dContext) return [null, null, null];
    return [qkv!.tape.append(attentionGradient, [dContext, qkv!, context!, logSum!, tokens!, sentences!], attributes)[0]!, null, null];
  },
};

const attentionGradient: Operation<Attributes> = {
  name: "attentionGradient",
  infer([dContext, qkv, context]) {
    expectType("attentionGradient", "dContext", dContext!, "f32", context!.shape);
    return [qkv!];
  },
  lower({ inputs: [dContext, qkv, context, logSum, tokens, sentences], outputs: [dQkv], attributes }, capabilities) {
    const head = headKernel(qkv!, sentences!, attributes, capabilities);
    const { heads } = attributes;
    const inner = new Scratch("f32", logSum!.shape);
    const reads = { qkv: [qkv!, "vec4f"], tokens: [tokens!, "vec4u"], dContext: [dContext!, "vec4f"], logSum: [logSum!, "f32"] } as const;
    return {
      variant: head.variant,
      scratch: [inner],
      kernels: [
        head.kernel({
          label: "attentionGradient query",
          reads: { ...reads, context: [context!, "vec4f"] },
          writes: { dQkv: [dQkv!, "vec4f"], inner: [inner, "f32"] },
          own: wgsl`var q: Vectors;
    var g: Vectors;
    var dq: Vectors;
    var ownInner = 0.0;
    ${head.each("q[i] = qkv[own + i]; g[i] = dContext[ownOutput + i]; dq[i] = vec4f(); ownInner += dot(g[i], context[ownOutput + i]);")}
    let stream = ${head.stream("row")};
    let ownLogSum = logSum[row * ${heads}u + head];`,
          other: wgsl`var score = 0.0;
      var dp = 0.0;
      ${head.unrolled(`score += dot(q[i], qkv[other + ${head.key} + i]); dp += dot(g[i], qkv[other + ${head.value} + i]);`)}
      let p = exp(score * ${head.scale} - ownLogSum);
      let ds = p * (dp * ${head.factor("stream", "j")} - ownInner) * ${head.scale};
      ${head.unrolled(`dq[i] += ds * qkv[other + ${head.key} + i];`)}`,
          finish: wgsl`${head.each("dQkv[own + i] = dq[i];")}
    inner[row * ${heads}u + head] = ownInner;`,
        }),
        head.kernel({
          label: "attentionGradient key, value",
          reads: { ...reads, inner: [inner, "f32"] },
          writes: { dQkv: [dQkv!, "vec4f"] },
          own: wgsl`var k: Vectors;
    var v: Vectors;
    var dk: Vectors;
    var dv: Vectors;
    ${head.each(`k[i] = qkv[own + ${head.key} + i]; v[i] = qkv[own + ${head.value} + i]; dk[i] = vec4f(); dv[i] = vec4f();`)}`,
          other: wgsl`var score = 0.0;
      var dp = 0.0;
      ${head.unrolled("score += dot(k[i], qkv[other + i]); dp += dot(v[i], dContext[otherOutput + i]);")}
      let p = exp(score * ${head.scale} - logSum[otherRow * ${heads}u + head]);
      let factor = ${head.factor(head.stream("otherRow"), "position")};
      let ds = p * (dp * factor - inner[otherRow * ${heads}u + head]) * ${head.scale};
      let kept = p * factor;
      ${head.unrolled("dk[i] += ds * qkv[other + i]; dv[i] += kept * dContext[otherOutput + i];")}`,
          finish: head.each(`dQkv[own + ${head.key} + i] = dk[i]; dQkv[own + ${head.value} + i] = dv[i];`),
        }),
      ],
    };
  },
};

/** Threads of a workgroup: most sentences of a training batch have at most 32 tokens. */
const threads = 32;

interface HeadKernel {
  readonly label: string;
  readonly reads: Record<string, readonly [Tensor, string]>;
  readonly writes: Record<string, readonly [Tensor, string]>;
  /** WGSL before the walk: a thread's own vectors, at `own` in qkv and `ownOutput` in what is as wide as the context. */
  readonly own: string;
  /** WGSL for each token `j` of the sentence, at row `otherRow`, `other` in qkv and `otherOutput`. */
  readonly other: string;
  /** WGSL after the walk. */
  readonly finish: string;
}

/** What the three kernels share: a workgroup a sentence and head, a thread a token, and a walk over the sentence. */
function headKernel(qkv: Type, sentences: Value, { heads, dropout }: Attributes, { software }: Capabilities) {
  const width = (qkv.shape[1] as number) / 12;
  const quads = width / heads;
  return {
    variant: `heads of ${quads * 4}${software ? ", rolled loads" : ""}`,
    scale: `${1 / Math.sqrt(quads * 4)}`,
    /** Offsets of the key and value parts within a row of qkv, in vectors. */
    key: `${width}u`,
    value: `${2 * width}u`,
    /** `line` for each vector of a head, in a loop; `i` is its index. */
    each: (line: string) => `for (var i = 0u; i < ${software ? "params.quads" : `${quads}u`}; i++) { ${line} }`,
    /** The same, written out. */
    unrolled: (line: string) => Array.from({ length: quads }, (_, i) => line.replaceAll(/\bi\b/g, `${i}u`)).join(" "),
    /** The dropout factor of a query's stream for the key at a position of its sentence. */
    factor: (stream: string, position: string) => (dropout ? `dropoutFactor(${stream}, headKey + ${position})` : "1.0"),
    /** The dropout stream of the query at a row. */
    stream: (row: string) => (dropout ? `dropoutRow(stepKey, tokens[${row}].${tokenField.key})` : "0u"),
    kernel: ({ label, reads, writes, own, other, finish }: HeadKernel) =>
      kernel({
        label,
        workgroupSize: [threads],
        reads: { ...reads, sentences: [sentences, "vec2u"] },
        writes,
        params: { quads: paramU32(quads), ...(dropout ? dropoutParams(dropout) : {}) },
        declarations: `alias Vectors = array<vec4f, ${quads}>;\n${dropout ? dropoutDeclarations : ""}`,
        main: wgsl`let head = group.y;
  ${dropout ? `let stepKey = dropoutStep();\n  let headKey = head * ${positionsPerSentence}u;` : ""}
  let first = sentences[group.x].x;
  let count = sentences[group.x].y;
  for (var base = 0u; base < count; base += ${threads}u) {
    let position = min(base + thread, count - 1u);
    let row = first + position;
    let own = row * ${3 * width}u + head * ${quads}u;
    let ownOutput = row * ${width}u + head * ${quads}u;
    ${own}
    for (var j = 0u; j < count; j++) {
      let otherRow = first + j;
      let other = otherRow * ${3 * width}u + head * ${quads}u;
      let otherOutput = otherRow * ${width}u + head * ${quads}u;
      ${other}
    }
    if (base + thread < count) {
      ${finish}
    }
  }`,
        workgroups: (live) => [live(sentences.shape[0]!), heads, 1],
      }),
  };
}

/**
 * Self-attention: f32 [tokens, hiddenSize] from `qkv` f32 [tokens, 3·hiddenSize] (query, key, value side by side, heads within each), the batch's
 * token table and its sentence table u32 [sentences, 2].
 */
export function attention(qkv: Value, batch: { tokens: Value; sentences: Value }, options: { heads: number; dropout: number }): Value {
  const { heads, dropout: probability } = options;
  const dropout = probability > 0 ? { probability, site: qkv.tape.dropoutSite() } : null;
  return qkv.tape.append(operation, [qkv, batch.tokens, batch.sentences], { heads, dropout })[0]!;
}
