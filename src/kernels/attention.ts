/**
 * Multi-head self-attention over packed sentences: scores, softmax, dropout and the weighted sum in one kernel, forward and backward
 * (Vaswani et al. 2017; the online softmax and its backward pass as in FlashAttention, Dao et al. 2022). No score is ever stored.
 *
 *     P = softmax(Q·Kᵀ / √headSize) within a sentence;  context = dropout(P)·V
 *
 * Variant "row": one thread takes one token and head, keeps its vectors in registers, and walks the tokens of its own sentence. It needs no
 * workgroup memory and takes sentences of any length. The forward pass keeps each row's log Σ exp(score); the backward pass computes
 * probabilities and dropout masks again. Softmax and sums are f32. A thread writes only its own rows, so a rerun is bit-identical.
 */
import { ShapeError } from "../errors.ts";
import { wgsl } from "../gpu/shader.ts";
import { positionsPerSentence, sentenceTable, tokenField, tokenTable } from "./batch.ts";
import { pointKernel, type Tensor } from "./kernel.ts";
import { expectType, f32, type Node, type Operation, Scratch, type Type, type Value } from "./operation.ts";
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
  lower({ inputs: [qkv, tokens, sentences], outputs: [context, logSum], attributes }) {
    const a = layout(qkv!, attributes);
    return {
      variant: `row, heads of ${a.quads * 4}`,
      kernels: [
        pointKernel({
          label: "attention",
          over: logSum!,
          width: 1,
          reads: a.reads({ qkv, tokens, sentences }),
          writes: { context: [context!, "vec4f"], logSum: [logSum!, "f32"] },
          params: a.params,
          declarations: a.declarations,
          main: wgsl`${a.sentenceOfRow}
  ${a.load("q", "row", "query")}
  ${a.each((i) => `var sum${i} = vec4f();`)}
  var largest = -1e30;
  var total = 0.0;
  for (var other = first; other < end; other++) {
    let score = ${a.dot("q", "other", "key")} * ${a.scale};
    let newLargest = max(largest, score);
    let shrink = exp(largest - newLargest);
    let p = exp(score - newLargest);
    let kept = p * ${a.factor("stream", "other - first")};
    total = total * shrink + p;
    largest = newLargest;
    ${a.each((i) => `sum${i} = sum${i} * shrink + kept * ${a.at("other", "value", i)};`)}
  }
  ${a.each((i) => `context[row * ${a.width}u + column * ${a.quads}u + ${i}u] = sum${i} / total;`)}
  logSum[index] = largest + log(total);`,
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
  lower({ inputs: [dContext, qkv, context, logSum, tokens, sentences], outputs: [dQkv], attributes }: Node<Attributes>) {
    const a = layout(qkv!, attributes);
    const inner = new Scratch("f32", logSum!.shape);
    const shared = { params: a.params, declarations: a.declarations, over: logSum!, width: 1 as const };
    const contextAt = (i: number) => `[row * ${a.width}u + column * ${a.quads}u + ${i}u]`;
    const gradientAt = (row: string, i: number) => `dContext[${row} * ${a.width}u + column * ${a.quads}u + ${i}u]`;
    return {
      variant: `row, heads of ${a.quads * 4}`,
      scratch: [inner],
      kernels: [
        pointKernel({
          label: "attentionGradient inner",
          over: logSum!,
          width: 1,
          reads: { dContext: [dContext!, "vec4f"], context: [context!, "vec4f"] },
          writes: { inner: [inner, "f32"] },
          main: `inner[index] = ${a.sum((i) => `dot(dContext${contextAt(i)}, context${contextAt(i)})`)};`,
        }),
        pointKernel({
          ...shared,
          label: "attentionGradient query",
          reads: {
            ...a.reads({ qkv, tokens, sentences }),
            dContext: [dContext!, "vec4f"],
            logSum: [logSum!, "f32"],
            inner: [inner, "f32"],
          },
          writes: { dQkv: [dQkv!, "vec4f"] },
          main: wgsl`${a.sentenceOfRow}
  ${a.load("q", "row", "query")}
  ${a.each((i) => `let g${i} = ${gradientAt("row", i)}; var d${i} = vec4f();`)}
  for (var other = first; other < end; other++) {
    let p = exp(${a.dot("q", "other", "key")} * ${a.scale} - logSum[index]);
    let dp = ${a.factor("stream", "other - first")} * (${a.dot("g", "other", "value")});
    let ds = p * (dp - inner[index]) * ${a.scale};
    ${a.each((i) => `d${i} += ds * ${a.at("other", "key", i)};`)}
  }
  ${a.each((i) => `dQkv[${a.address("row", "query", i)}] = d${i};`)}`,
        }),
        pointKernel({
          ...shared,
          label: "attentionGradient key, value",
          reads: {
            ...a.reads({ qkv, tokens, sentences }),
            dContext: [dContext!, "vec4f"],
            logSum: [logSum!, "f32"],
            inner: [inner, "f32"],
          },
          writes: { dQkv: [dQkv!, "vec4f"] },
          main: wgsl`${a.sentenceOfRow}
  ${a.load("k", "row", "key")}
  ${a.load("v", "row", "value")}
  ${a.each((i) => `var dk${i} = vec4f(); var dv${i} = vec4f();`)}
  for (var other = first; other < end; other++) {
    let p = exp(${a.dot("k", "other", "query")} * ${a.scale} - logSum[other * ${attributes.heads}u + column]);
    let factor = ${a.factor(a.streamOf("other"), "row - first")};
    let dp = factor * (${a.sum((i) => `dot(v${i}, ${gradientAt("other", i)})`)});
    let ds = p * (dp - inner[other * ${attributes.heads}u + column]) * ${a.scale};
    let kept = p * factor;
    ${a.each((i) => `dk${i} += ds * ${a.at("other", "query", i)}; dv${i} += kept * ${gradientAt("other", i)};`)}
  }
  ${a.each((i) => `dQkv[${a.address("row", "key", i)}] = dk${i}; dQkv[${a.address("row", "value", i)}] = dv${i};`)}`,
        }),
      ],
    };
  },
};

const third = { query: 0, key: 1, value: 2 } as const;
type Third = keyof typeof third;

/** WGSL of one head's vectors in `qkv`; a thread's `row` is its token and `column` its head. */
function layout(qkv: Type, { heads, dropout }: Attributes) {
  const hidden = (qkv.shape[1] as number) / 3;
  const width = hidden / 4;
  const quads = width / heads;
  const range = Array.from({ length: quads }, (_, i) => i);
  const address = (row: string, part: Third, i: number) => `${row} * ${3 * width}u + ${third[part] * width}u + column * ${quads}u + ${i}u`;
  const at = (row: string, part: Third, i: number) => `qkv[${address(row, part, i)}]`;
  const sum = (term: (i: number) => string) => range.map(term).join(" + ");
  const streamOf = (row: string) => `dropoutRow(tokens[${row}].${tokenField.key})`;
  return {
    width,
    quads,
    scale: `${1 / Math.sqrt(quads * 4)}`,
    address,
    at,
    sum,
    streamOf,
    each: (line: (i: number) => string) => range.map(line).join("\n    "),
    load: (name: string, row: string, part: Third) => range.map((i) => `let ${name}${i} = ${at(row, part, i)};`).join(" "),
    dot: (name: string, row: string, part: Third) => `(${sum((i) => `dot(${name}${i}, ${at(row, part, i)})`)})`,
    /** The dropout factor of a query's stream for the key at a position of its sentence. */
    factor: (stream: string, position: string) =>
      dropout ? `dropoutFactor(${stream}, column * ${positionsPerSentence}u + ${position})` : "1.0",
    params: dropout ? dropoutParams(dropout) : {},
    declarations: dropout ? dropoutDeclarations : "",
    sentenceOfRow: wgsl`let sentence = sentences[tokens[row].${tokenField.sentence}];
  let first = sentence.x;
  let end = first + sentence.y;
  ${dropout ? `let stream = ${streamOf("row")};` : ""}`,
    reads: (tensors: { qkv: Tensor | undefined; tokens: Tensor | undefined; sentences: Tensor | undefined }) => ({
      qkv: [tensors.qkv!, "vec4f"] as const,
      tokens: [tensors.tokens!, "vec4u"] as const,
      sentences: [tensors.sentences!, "vec2u"] as const,
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
