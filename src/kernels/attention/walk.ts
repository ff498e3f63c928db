/**
 * Attention, variant "walk", for every device: a workgroup takes one sentence and head, a thread one of its tokens at a time. The thread
 * keeps that token's vectors in registers, and all threads walk over the sentence's tokens together.
 *
 * If no sentence has more than 128 tokens, a workgroup takes all of its sentence's tokens, and the backward pass is one
 * kernel: first the queries, whose sums over dP·P stay in workgroup memory, then keys and values. Longer sentences are cut into tiles of 32
 * tokens with a workgroup each, and the backward pass is two kernels.
 *
 * The walk has two forms from one source. Portable: it takes one token at a time, which all threads read at the same address, and the code for
 * a head's vectors is unrolled so that they stay in registers. "Blocks", for software adapters with subgroups, where loading from one
 * address costs as much as loading from many: the walk takes as many tokens as a subgroup has lanes, each lane loads one and broadcasts it,
 * and loops are not unrolled, because that takes seconds to compile.
 *
 * The additions: a local window, where the walk leaves out the tokens beyond, and a bias by relative position
 * (`language/relative-bias.ts`). So that the bias's table and the table's gradient can be bound, a small kernel first joins two of the
 * backward pass's inputs.
 */
import type { Capabilities } from "../../gpu/capabilities.ts";
import { wgsl } from "../../gpu/shader.ts";
import { dropoutKeyOf, positionsPerSentence, tokenField } from "../batch.ts";
import { type Bindings, kernel, paramU32 } from "../language/kernel.ts";
import { type Kernel, type Lowering, type Node, Scratch } from "../language/operation.ts";
import { dropoutDeclarations, dropoutParams } from "../language/random.ts";
import {
  addToBucket,
  biasOf,
  bucketSumDeclarations,
  fillBiases,
  type RelativeBias,
  relativeBiasDeclarations,
  storeBucketSums,
} from "../language/relative-bias.ts";
import type { AttentionAttributes } from "./attributes.ts";
import { type AttentionInputs, blocksOf, blockTokens, tokensSeen } from "./frame.ts";
import { headVector } from "./head-vector.ts";
import { joinMoments, type MomentInputs } from "./moments.ts";

/** Tokens of a tile. Most sentences of a training batch have at most 32. */
const tileTokens = blockTokens;

/** The longest sentence that one workgroup handles completely. */
const longestWhole = 128;

/** Tiles that a sentence is cut into. */
const tilesOf = (longest: number) => (longest <= longestWhole ? 1 : blocksOf(longest));

/** The forward pass of a node. */
export function walkForward(
  { inputs: [qkv, tokens, sentences, table], outputs: [context, logSum], attributes }: Node<AttentionAttributes>,
  capabilities: Capabilities,
): Lowering {
  // A GPU needs the many workgroups that tiles give it. A software adapter has enough without them, and those beyond a sentence's end cost time.
  const tiles = capabilities.software ? 1 : tilesOf(attributes.longest);
  const head = headKernel({ qkv: qkv!, sentences: sentences!, table, tiles }, attributes, capabilities);
  return {
    variant: head.variant,
    kernels: [
      head.kernel({
        label: "attention",
        reads: { qkv: [qkv!, head.vector], tokens: [tokens!, "vec4u"] },
        writes: { context: [context!, head.vector], logSum: [logSum!, "f32"] },
        phases: [
          {
            own: wgsl`var q: Vectors;
  var sum: Vectors;
  ${head.each(`q[i] = qkv(own + i); sum[i] = ${head.vector}();`)}
  let stream = ${head.stream("row")};
  var largest = -1e30;
  var total = 0.0;`,
            other: wgsl`${head.others("var score_ = 0.0;")}
    ${head.walk(`let key = qkv(other + ${head.key} + i);`, "score_ += dot(q[i], their(key));")}
    ${head.others(`score_ = select(-1e30, ${head.score("score_", "j + _", "position")}, ${head.sees});`)}
    let newLargest = max(largest, ${head.fold("score_", (a, b) => `max(${a}, ${b})`)});
    let shrink = exp(largest - newLargest);
    ${head.others(`let p_ = exp(score_ - newLargest); let kept_ = p_ * ${head.factor("stream", "j + _")};`)}
    total = total * shrink + ${head.fold("p_", plus)};
    largest = newLargest;
    ${head.walk(`let value = qkv(other + ${head.value} + i); var sumI = sum[i] * shrink;`, "sumI += kept_ * their(value);", "sum[i] = sumI;")}`,
            finish: wgsl`${head.each("setContext(ownOutput + i, sum[i] / total);")}
  setLogSum(row * ${attributes.heads}u + head, largest + log(total));`,
          },
        ],
      }),
    ],
  };
}

/** The backward pass of a node. */
export function walkBackward(
  { inputs: [dContext, qkv, context, logSum, tokens, sentences, table], outputs: [dQkv, sums], attributes }: Node<AttentionAttributes>,
  capabilities: Capabilities,
): Lowering {
  const tiles = tilesOf(attributes.longest);
  const sumRows = blocksOf(attributes.longest);
  const head = headKernel({ qkv: qkv!, sentences: sentences!, table, tiles }, attributes, capabilities);
  const known = (table ? joinedMoments : ownMoments)(head, { context: context!, dContext: dContext!, logSum: logSum! }, attributes);
  const { vector } = head;
  const reads = { qkv: [qkv!, vector], tokens: [tokens!, "vec4u"], dContext: [dContext!, vector], ...known.reads } as const;
  const query: Phase = {
    own: wgsl`var q: Vectors;
  var g: Vectors;
  var dq: Vectors;
  ${known.begin}
  ${head.each(`q[i] = qkv(own + i); g[i] = dContext(ownOutput + i); dq[i] = ${vector}();${known.term}`)}
  let stream = ${head.stream("row")};
  ${known.own}
  ${head.bias ? `let counted = select(0.0, ${1 / Number(head.scale)}, base + thread < count);` : ""}`,
    other: wgsl`${head.others("var score_ = 0.0; var dp_ = 0.0;")}
    ${head.walk(
      `let key = qkv(other + ${head.key} + i); let value = qkv(other + ${head.value} + i);`,
      "score_ += dot(q[i], their(key)); dp_ += dot(g[i], their(value));",
    )}
    ${head.others(
      `let p_ = select(0.0, exp(${head.score("score_", "j + _", "position")} - ownLogSum), ${head.sees});
    let ds_ = p_ * (dp_ * ${head.factor("stream", "j + _")} - ownInner) * ${head.scale};
    ${head.bias ? addToBucket(head.bias, "j + _", "position", "ds_ * counted") : ""}`,
    )}
    ${head.walk(`let key = qkv(other + ${head.key} + i); var dqI = dq[i];`, "dqI += ds_ * their(key);", "dq[i] = dqI;")}`,
    finish: wgsl`${head.each("setDQkv(own + i, dq[i]);")}
  ${known.keep}`,
    end: head.bias ? storeBucketSums(head.bias, `sentence * ${sumRows}u + tile`, sumRows - tiles) : "",
  };
  const keyAndValue: Phase = {
    own: wgsl`var k: Vectors;
  var v: Vectors;
  var dk: Vectors;
  var dv: Vectors;
  ${head.each(`k[i] = qkv(own + ${head.key} + i); v[i] = qkv(own + ${head.value} + i); dk[i] = ${vector}(); dv[i] = ${vector}();`)}`,
    other: wgsl`${known.other}
    let streamOf = ${head.stream("otherRow")};
    ${head.others("var score_ = 0.0; var dp_ = 0.0;")}
    ${head.walk(
      "let query = qkv(other + i); let d = dContext(otherOutput + i);",
      "score_ += dot(k[i], their(query)); dp_ += dot(v[i], their(d));",
    )}
    ${head.others(
      `let p_ = select(0.0, exp(${head.score("score_", "position", "j + _")} - their(logSumOf)), ${head.sees});
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
  const writes = { dQkv: [dQkv!, vector] } as const;
  const ofQuery = {
    reads: { ...reads, ...known.queryReads },
    writes: { ...writes, ...known.queryWrites, sums: sums && ([sums, "f32"] as const) },
    declarations: head.bias ? bucketSumDeclarations(head.bias) : "",
  };
  const { declarations } = known;
  return {
    variant: head.variant,
    scratch: known.scratch,
    kernels: [
      ...known.before,
      ...(head.whole
        ? [
            head.kernel({
              label: "attentionGradient",
              ...ofQuery,
              declarations: declarations + ofQuery.declarations,
              phases: [query, keyAndValue],
            }),
          ]
        : [
            head.kernel({ label: "attentionGradient query", ...ofQuery, phases: [query] }),
            head.kernel({
              label: "attentionGradient key, value",
              reads: { ...reads, ...known.keyReads },
              writes,
              phases: [keyAndValue],
            }),
          ]),
    ],
  };
}

/** What the backward pass needs of every query: its log Σ exp(score), and its inner product Σ dP·P = dContext·context. */
interface Moments {
  /** Kernels that run first, and memory. */
  readonly before: readonly Kernel[];
  readonly scratch: readonly Scratch[];
  readonly declarations: string;
  /** What both phases bind, and only that of the queries, or of keys and values where these have a kernel of their own. */
  readonly reads: Bindings;
  readonly queryReads: Bindings;
  readonly queryWrites: Bindings;
  readonly keyReads: Bindings;
  /** WGSL before the thread's query is read, for each of its vectors, and after that: it declares `ownLogSum` and `ownInner`. */
  readonly begin: string;
  readonly term: string;
  readonly own: string;
  /** WGSL after the walk of the queries, which keeps the inner product for the other phase. */
  readonly keep: string;
  /** WGSL that declares `logSumOf` and `innerOf` for the query at `otherRow`. */
  readonly other: string;
}

/** Each thread adds up its query's inner product. The other phase finds it in workgroup memory, or in scratch if it is another kernel. */
function ownMoments({ whole, vector }: Head, { context, logSum }: MomentInputs, { heads, longest }: AttentionAttributes): Moments {
  const inner = new Scratch("f32", logSum.shape);
  const at = `row * ${heads}u + head`;
  const otherAt = `otherRow * ${heads}u + head`;
  return {
    before: [],
    scratch: whole ? [] : [inner],
    declarations: whole ? `var<workgroup> innerOfSentence: array<f32, ${longest}>;\n` : "",
    reads: { logSum: [logSum, "f32"] },
    queryReads: { context: [context, vector] },
    queryWrites: whole ? {} : { inner: [inner, "f32"] },
    keyReads: { inner: [inner, "f32"] },
    begin: "var ownInner = 0.0;",
    term: " ownInner += dot(g[i], context(ownOutput + i));",
    own: `let ownLogSum = logSum(${at});`,
    keep: whole ? "innerOfSentence[position] = ownInner;" : `setInner(${at}, ownInner);`,
    other: `let logSumOf = logSum(${otherAt});
      let innerOf = ${whole ? "innerOfSentence[otherRow - first]" : `inner(${otherAt})`};`,
  };
}

/** A kernel joins both in one tensor first, so that there are bindings left for the bias and its sums. */
function joinedMoments(_: Head, inputs: MomentInputs, attributes: AttentionAttributes): Moments {
  const { kernel: joins, moments } = joinMoments(inputs, attributes);
  const { heads } = attributes;
  return {
    before: [joins],
    scratch: [moments],
    declarations: "",
    reads: { moments: [moments, "vec2f"] },
    queryReads: {},
    queryWrites: {},
    keyReads: {},
    begin: "",
    term: "",
    own: `let ownMoments = moments(row * ${heads}u + head); let ownLogSum = ownMoments.x; let ownInner = ownMoments.y;`,
    keep: "",
    other: `let momentsOf = moments(otherRow * ${heads}u + head); let logSumOf = momentsOf.x; let innerOf = momentsOf.y;`,
  };
}

interface HeadKernel {
  readonly label: string;
  readonly reads: Bindings;
  readonly writes: Bindings;
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
  /** WGSL after all of the workgroup's tokens. */
  readonly end?: string;
}

const plus = (a: string, b: string) => `${a} + ${b}`;

type Head = ReturnType<typeof headKernel>;

interface HeadInputs extends Omit<AttentionInputs, "tokens"> {
  /** Workgroups that share a sentence and head. */
  readonly tiles: number;
}

/** The frame of all three kernels: one workgroup per sentence and head, one thread per token, and a walk over the sentence. */
function headKernel(inputs: HeadInputs, attributes: AttentionAttributes, { software, subgroupSize }: Capabilities) {
  const { qkv, sentences, table, tiles } = inputs;
  const { heads, longest, dropout, window, starts } = attributes;
  const hidden = (qkv.shape[1] as number) / 3;
  const headSize = hidden / heads;
  const { size, type } = headVector(headSize);
  const width = hidden / size;
  const vectors = headSize / size;
  const block = software && subgroupSize !== null && subgroupSize <= tileTokens ? subgroupSize : 1;
  // Subgroups of one workgroup run one after the other on a software adapter, and those past a short sentence's end would walk it too.
  const threads = block === 1 ? tileTokens : block;
  const index = Array.from({ length: vectors }, (_, i) => i);
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
  const each = (line: string) => `for (var i = 0u; i < ${software ? "params.vectors" : `${vectors}u`}; i++) { ${line} }`;
  const whole = tiles === 1;
  const scale = `${1 / Math.sqrt(headSize)}`;
  const walk =
    window === null
      ? { first: "0u", end: "count" }
      : { first: `max(base, ${window}u) - ${window}u`, end: `min(count, base + ${threads + window}u)` };
  const bias: RelativeBias | null = starts && { starts, heads, threads };
  return {
    whole,
    vector: type,
    bias,
    variant: `heads of ${headSize}, ${block === 1 ? "token by token" : `blocks of ${block}`}${whole ? "" : `, tiles of ${tileTokens}`}`,
    scale,
    /** The score of a query and a key from their product and their positions. */
    score: (product: string, key: string, query: string) => `${product} * ${scale}${bias ? ` + ${biasOf(key, query)}` : ""}`,
    /** Whether the thread's token and a token of the block see each other. */
    sees: window === null ? "j + _ < count" : `j + _ < count && abs(i32(j + _) - i32(position)) <= ${window}`,
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
        reads: { ...reads, sentences: [sentences, "vec2u"], table: table && [table, "f32"] },
        writes,
        params: { vectors: paramU32(vectors), ...(dropout ? dropoutParams(dropout) : {}) },
        declarations: `alias Vectors = array<${type}, ${vectors}>;\n${dropout ? dropoutDeclarations : ""}${bias ? relativeBiasDeclarations(bias) : ""}${declarations}`,
        main: wgsl`let tile = group.x;
  let sentence = group.y;
  let head = group.z;
  ${dropout ? `let stepKey = dropoutStep();\n  let headKey = head * ${positionsPerSentence}u;` : ""}
  let first = sentences[sentence].x;
  let count = sentences[sentence].y;
  ${bias ? fillBiases(bias) : ""}
  ${phases
    .map(
      ({
        own,
        other,
        finish,
        end = "",
      }) => wgsl`for (var base = ${whole ? "0u" : `tile * ${tileTokens}u`}; base < ${whole ? "count" : `min(count, (tile + 1u) * ${tileTokens}u)`}; base += ${threads}u) {
    let position = min(base + thread, count - 1u);
    let row = first + position;
    let own = row * ${3 * width}u + head * ${vectors}u;
    let ownOutput = row * ${width}u + head * ${vectors}u;
    ${own}
    for (var j = ${walk.first}; j < ${walk.end}; j += ${block}u) {
      let otherRow = first + ${block === 1 ? "j" : "min(j + lane, count - 1u)"};
      let other = otherRow * ${3 * width}u + head * ${vectors}u;
      let otherOutput = otherRow * ${width}u + head * ${vectors}u;
      ${other}
    }
    if (base + thread < count) {
      ${finish}
    }
  }
  ${end}`,
    )
    .join("\n  workgroupBarrier();\n  ")}`,
        // A software adapter gives each core a part of the list. Heads come last, because they all have the same work.
        workgroups: (live) => [tiles, live(sentences.shape[0]!), heads],
        flop: (live) => phases.length * 4 * hidden * live(qkv.shape[0]!) * tokensSeen(attributes, inputs, live),
      }),
  };
}
