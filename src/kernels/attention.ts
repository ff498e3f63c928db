/**
 * Multi-head self-attention over packed sentences: scores, softmax, dropout and the weighted sum in one kernel, forward and backward
 * (Vaswani et al. 2017; the online softmax and its backward pass as in FlashAttention, Dao et al. 2022). Scores are never stored.
 *
 *     P = softmax(Q·Kᵀ / √headSize) within a sentence;  context = dropout(P)·V
 *
 * A workgroup takes one sentence and head, a thread one of its tokens at a time. The thread keeps that token's vectors in registers, and
 * all threads walk over the sentence's tokens together. The forward pass keeps each row's log Σ exp(score); the backward pass recomputes
 * probabilities and dropout masks. Softmax and sums are f32. A thread writes only its own rows, so a rerun is bit-identical.
 *
 * If no sentence has more than 128 tokens, a workgroup takes all of its sentence's tokens, and the backward pass is one
 * kernel: first the queries, whose sums over dP·P stay in workgroup memory, then keys and values. Longer sentences are cut into tiles of 32
 * tokens with a workgroup each, and the backward pass is two kernels.
 *
 * Two variants from one source. Portable: the walk takes one token at a time, which all threads read at the same address, and the code for
 * a head's vectors is unrolled so that they stay in registers. "Blocks", for software adapters with subgroups, where loading from one
 * address costs as much as loading from many: the walk takes as many tokens as a subgroup has lanes, each lane loads one and broadcasts it,
 * and loops are not unrolled, because that takes seconds to compile.
 */
import { ShapeError } from "../errors.ts";
import type { Capabilities } from "../gpu/capabilities.ts";
import { wgsl } from "../gpu/shader.ts";
import { dropoutKeyOf, positionsPerSentence, sentenceTable, tokenField, tokenTable } from "./batch.ts";
import { kernel, paramU32 } from "./language/kernel.ts";
import { expectType, f32, float, floatOf, type Operation, Scratch, type Tensor, type Type, type Value } from "./language/operation.ts";
import { checkProbability, type Dropout, dropoutDeclarations, dropoutParams } from "./language/random.ts";

interface Attributes {
  readonly heads: number;
  /** The longest sentence in tokens. */
  readonly longest: number;
  readonly dropout: Dropout | null;
}

const operation: Operation<Attributes> = {
  name: "attention",
  infer([qkv, tokens, sentences], { heads }) {
    const [rows, width] = qkv!.shape as [Type["shape"][0], number];
    expectType("attention", "qkv", qkv!, "float", [rows!, null]);
    expectType("attention", "tokens", tokens!, "u32", tokenTable(rows!).shape);
    expectType("attention", "sentences", sentences!, "u32", sentenceTable(sentences!.shape[0]!).shape);
    if (width % (3 * heads * 4) !== 0) {
      throw new ShapeError(
        `attention: a width of ${width} does not divide into query, key and value of ${heads} heads of a multiple of 4.`,
        "Choose num_attention_heads so that hidden_size / num_attention_heads is a multiple of 4.",
      );
    }
    return [float(floatOf(qkv!), rows!, width / 3), f32(rows!, heads)];
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
          phases: [
            {
              own: wgsl`var q: Vectors;
    var sum: Vectors;
    ${head.each("q[i] = qkv(own + i); sum[i] = vec4f();")}
    let stream = ${head.stream("row")};
    var largest = -1e30;
    var total = 0.0;`,
              other: wgsl`${head.others("var score_ = 0.0;")}
      ${head.walk(`let key = qkv(other + ${head.key} + i);`, "score_ += dot(q[i], their(key));")}
      ${head.others(`score_ = select(-1e30, score_ * ${head.scale}, j + _ < count);`)}
      let newLargest = max(largest, ${head.fold("score_", (a, b) => `max(${a}, ${b})`)});
      let shrink = exp(largest - newLargest);
      ${head.others(`let p_ = exp(score_ - newLargest); let kept_ = p_ * ${head.factor("stream", "j + _")};`)}
      total = total * shrink + ${head.fold("p_", sum)};
      largest = newLargest;
      ${head.walk(`let value = qkv(other + ${head.value} + i); var sumI = sum[i] * shrink;`, "sumI += kept_ * their(value);", "sum[i] = sumI;")}`,
              finish: wgsl`${head.each("setContext(ownOutput + i, sum[i] / total);")}
    setLogSum(row * ${attributes.heads}u + head, largest + log(total));`,
            },
          ],
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
    expectType("attentionGradient", "dContext", dContext!, "float", context!.shape);
    return [qkv!];
  },
  lower({ inputs: [dContext, qkv, context, logSum, tokens, sentences], outputs: [dQkv], attributes }, capabilities) {
    const head = headKernel(qkv!, sentences!, attributes, capabilities);
    const { heads } = attributes;
    const reads = { qkv: [qkv!, "vec4f"], tokens: [tokens!, "vec4u"], dContext: [dContext!, "vec4f"], logSum: [logSum!, "f32"] } as const;
    const query: Phase = {
      own: wgsl`var q: Vectors;
    var g: Vectors;
    var dq: Vectors;
    var ownInner = 0.0;
    ${head.each("q[i] = qkv(own + i); g[i] = dContext(ownOutput + i); dq[i] = vec4f(); ownInner += dot(g[i], context(ownOutput + i));")}
    let stream = ${head.stream("row")};
    let ownLogSum = logSum(row * ${heads}u + head);`,
      other: wgsl`${head.others("var score_ = 0.0; var dp_ = 0.0;")}
      ${head.walk(
        `let key = qkv(other + ${head.key} + i); let value = qkv(other + ${head.value} + i);`,
        "score_ += dot(q[i], their(key)); dp_ += dot(g[i], their(value));",
      )}
      ${head.others(
        `let p_ = select(0.0, exp(score_ * ${head.scale} - ownLogSum), j + _ < count);
      let ds_ = p_ * (dp_ * ${head.factor("stream", "j + _")} - ownInner) * ${head.scale};`,
      )}
      ${head.walk(`let key = qkv(other + ${head.key} + i); var dqI = dq[i];`, "dqI += ds_ * their(key);", "dq[i] = dqI;")}`,
      finish: wgsl`${head.each("setDQkv(own + i, dq[i]);")}
    ${head.whole ? "innerOfSentence[position] = ownInner;" : `setInner(row * ${heads}u + head, ownInner);`}`,
    };
    const keyAndValue: Phase = {
      own: wgsl`var k: Vectors;
    var v: Vectors;
    var dk: Vectors;
    var dv: Vectors;
    ${head.each(`k[i] = qkv(own + ${head.key} + i); v[i] = qkv(own + ${head.value} + i); dk[i] = vec4f(); dv[i] = vec4f();`)}`,
      other: wgsl`let logSumOf = logSum(otherRow * ${heads}u + head);
      let innerOf = ${head.whole ? "innerOfSentence[otherRow - first]" : `inner(otherRow * ${heads}u + head)`};
      let streamOf = ${head.stream("otherRow")};
      ${head.others("var score_ = 0.0; var dp_ = 0.0;")}
      ${head.walk(
        "let query = qkv(other + i); let d = dContext(otherOutput + i);",
        "score_ += dot(k[i], their(query)); dp_ += dot(v[i], their(d));",
      )}
      ${head.others(
        `let p_ = select(0.0, exp(score_ * ${head.scale} - their(logSumOf)), j + _ < count);
      let kept_ = p_ * ${head.factor("their(streamOf)", "position")};
      let ds_ = (kept_ * dp_ - p_ * their(innerOf)) * ${head.scale};`,
      )}
      ${head.walk(
        "let query = qkv(other + i); let d = dContext(otherOutput + i); var dkI = dk[i]; var dvI = dv[i];",
        "dkI += ds_ * their(query); dvI += kept_ * their(d);",
        "dk[i] = dkI; dv[i] = dvI;",
      )}`,
      finish: head.each(`setDQkv(own + ${head.key} + i, dk[i]); setDQkv(own + ${head.value} + i, dv[i]);`),
    };
    const writes = { dQkv: [dQkv!, "vec4f"] } as const;
    const queryReads = { ...reads, context: [context!, "vec4f"] } as const;
    if (head.whole) {
      const declarations = `var<workgroup> innerOfSentence: array<f32, ${attributes.longest}>;`;
      return {
        variant: head.variant,
        kernels: [head.kernel({ label: "attentionGradient", reads: queryReads, writes, declarations, phases: [query, keyAndValue] })],
      };
    }
    const inner = new Scratch("f32", logSum!.shape);
    return {
      variant: head.variant,
      scratch: [inner],
      kernels: [
        head.kernel({ label: "attentionGradient query", reads: queryReads, writes: { ...writes, inner: [inner, "f32"] }, phases: [query] }),
        head.kernel({ label: "attentionGradient key, value", reads: { ...reads, inner: [inner, "f32"] }, writes, phases: [keyAndValue] }),
      ],
    };
  },
};

/** Tokens of a tile. Most sentences of a training batch have at most 32. */
const tileTokens = 32;

/** The longest sentence that one workgroup handles completely. */
const longestWhole = 128;

interface HeadKernel {
  readonly label: string;
  readonly reads: Record<string, readonly [Tensor, string]>;
  readonly writes: Record<string, readonly [Tensor, string]>;
  readonly declarations?: string;
  /** Phases that run one after the other; all threads of the workgroup finish one before the next begins. */
  readonly phases: readonly Phase[];
}

interface Phase {
  /** WGSL before the walk: the vectors of the thread's own token, at `own` in qkv and at `ownOutput` in tensors as wide as the context. */
  readonly own: string;
  /** WGSL for each block of tokens from position `j` on. A lane's token in it is at row `otherRow`, `other` in qkv and `otherOutput`. */
  readonly other: string;
  /** WGSL after the walk. */
  readonly finish: string;
}

const sum = (a: string, b: string) => `${a} + ${b}`;

/** The frame of all three kernels: one workgroup per sentence and head, one thread per token, and a walk over the sentence. */
function headKernel(qkv: Type, sentences: Value, { heads, longest, dropout }: Attributes, { software, subgroupSize }: Capabilities) {
  const [rowCount] = qkv.shape as [Type["shape"][0], number];
  const width = (qkv.shape[1] as number) / 12;
  const quads = width / heads;
  const block = software && subgroupSize !== null && subgroupSize <= tileTokens ? subgroupSize : 1;
  // Subgroups of one workgroup run one after the other on a software adapter, and those past a short sentence's end would walk it too.
  const threads = block === 1 ? tileTokens : block;
  const index = Array.from({ length: quads }, (_, i) => i);
  const other = Array.from({ length: block }, (_, i) => i);
  /** `line` for each token of the block: `_` is its number, `their(x)` is the `x` of the lane that loaded it. */
  const others = (line: string) =>
    other
      .map((r) =>
        line
          .replaceAll(/their\((\w+)\)/g, block === 1 ? "$1" : `subgroupBroadcast($1, ${r}u)`)
          .replaceAll(/\b_\b/g, `${r}u`)
          .replaceAll(/_\b/g, `${r}`),
      )
      .join(" ");
  /** `line` for each vector of a head, in a loop; `i` is its index. */
  const each = (line: string) => `for (var i = 0u; i < ${software ? "params.quads" : `${quads}u`}; i++) { ${line} }`;
  const whole = longest <= longestWhole;
  return {
    whole,
    variant: `heads of ${quads * 4}, ${block === 1 ? "token by token" : `blocks of ${block}`}${whole ? "" : `, tiles of ${tileTokens}`}`,
    scale: `${1 / Math.sqrt(quads * 4)}`,
    /** Offsets of the key and value parts within a row of qkv, in vectors. */
    key: `${width}u`,
    value: `${2 * width}u`,
    each,
    others,
    /** An expression over all tokens of the block. */
    fold: (term: string, combine: (a: string, b: string) => string) => other.map((r) => term.replace("_", `${r}`)).reduce(combine),
    /** For each vector of a head: `before`, `line` for each token of the block, `after`. */
    walk(before: string, line: string, after = ""): string {
      const body = `${before} ${others(line)} ${after}`;
      return block > 1 ? each(body) : index.map((i) => `{ ${body.replaceAll(/\bi\b/g, `${i}u`)} }`).join(" ");
    },
    /** The dropout factor of a query's stream for the key at a position of its sentence. */
    factor: (stream: string, position: string) =>
      dropout ? `dropoutFactor(${stream}, ${dropoutKeyOf("headKey", position, longest)})` : "1.0",
    /** The dropout stream of the query at a row. */
    stream: (row: string) => (dropout ? `dropoutRow(stepKey, tokens[${row}].${tokenField.key})` : "0u"),
    kernel: ({ label, reads, writes, declarations = "", phases }: HeadKernel) =>
      kernel({
        label,
        workgroupSize: [threads],
        enables: block > 1 ? ["subgroups"] : [],
        reads: { ...reads, sentences: [sentences, "vec2u"] },
        writes,
        params: { quads: paramU32(quads), ...(dropout ? dropoutParams(dropout) : {}) },
        declarations: `alias Vectors = array<vec4f, ${quads}>;\n${dropout ? dropoutDeclarations : ""}${declarations}`,
        main: wgsl`let head = group.y;
  ${dropout ? `let stepKey = dropoutStep();\n  let headKey = head * ${positionsPerSentence}u;` : ""}
  let first = sentences[group.x].x;
  let count = sentences[group.x].y;
  ${phases
    .map(
      ({
        own,
        other,
        finish,
      }) => wgsl`for (var base = ${whole ? "0u" : `group.z * ${tileTokens}u`}; base < ${whole ? "count" : `min(count, (group.z + 1u) * ${tileTokens}u)`}; base += ${threads}u) {
    let position = min(base + thread, count - 1u);
    let row = first + position;
    let own = row * ${3 * width}u + head * ${quads}u;
    let ownOutput = row * ${width}u + head * ${quads}u;
    ${own}
    for (var j = 0u; j < count; j += ${block}u) {
      let otherRow = first + ${block === 1 ? "j" : "min(j + lane, count - 1u)"};
      let other = otherRow * ${3 * width}u + head * ${quads}u;
      let otherOutput = otherRow * ${width}u + head * ${quads}u;
      ${other}
    }
    if (base + thread < count) {
      ${finish}
    }
  }`,
    )
    .join("\n  workgroupBarrier();\n  ")}`,
        workgroups: (live) => [live(sentences.shape[0]!), heads, whole ? 1 : Math.ceil(longest / tileTokens)],
        flop: (live) =>
          phases.length * 4 * heads * quads * 4 * live(rowCount) * Math.min(longest, live(rowCount) / live(sentences.shape[0]!)),
      }),
  };
}

/**
 * Self-attention: [tokens, hiddenSize] from `qkv` [tokens, 3·hiddenSize] (query, key, value side by side, heads within each), the batch's
 * token table, its sentence table u32 [sentences, 2], and the largest number of tokens in a sentence.
 */
export function attention(
  qkv: Value,
  batch: { tokens: Value; sentences: Value; longest: number },
  options: { heads: number; dropout: number },
): Value {
  const { heads, dropout: probability } = options;
  checkProbability("attention", probability);
  const dropout = probability > 0 ? { probability, site: qkv.tape.dropoutSite() } : null;
  return qkv.tape.append(operation, [qkv, batch.tokens, batch.sentences], { heads, longest: batch.longest, dropout })[0]!;
}
