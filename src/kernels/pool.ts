/**
 * One vector per sentence from its tokens, special tokens included, like sentence-transformers:
 *
 *     first           the first token's ([CLS])
 *     last            the last token's
 *     mean            the mean
 *     meanSqrtLength  the sum over the square root of the number of tokens
 *     weightedMean    the mean weighted by position in the text: the first token counts once, the second twice, …
 *     max             the largest value of each feature
 *
 * The result can concatenate several of them.
 */
import { ShapeError } from "../errors.ts";
import { wgsl } from "../gpu/shader.ts";
import { tokenField, tokenTable } from "./batch.ts";
import { rows } from "./language/kernel.ts";
import { expectKnown, expectType, f32, type Operation, type Type, type Value } from "./language/operation.ts";
import { vectorLowering } from "./language/vectors.ts";

/**
 * How the rows of a sentence become one: the first or last token, the mean, the sum over √length, the mean weighted by position, or the maximum of
 * each column.
 */
export type Pooling = "first" | "last" | "mean" | "meanSqrtLength" | "weightedMean" | "max";

interface Attributes {
  readonly poolings: readonly Pooling[];
  /**
   * Whether a token table follows the sentences. The backward pass takes each row's sentence from it; without it, it searches all
   * sentences.
   */
  readonly hasTokens: boolean;
  /** Whether a table of the whole sentences follows, from whose beginning positions count. */
  readonly hasWhole: boolean;
}

/**
 * WGSL of one kind of pooling. `start` and `count` give the sentence's rows, `before` the number of those left out before them, `at(i)` the
 * place of its row i; `T` is the type of a few features.
 */
interface Formula {
  /** Sets `pooled`. */
  readonly forward: string;
  /** The gradient of row `start + i` from `g`, the gradient of the pooled vector. */
  readonly backward: string;
}

const sum = (term: string, over: string): string =>
  wgsl`for (var i = 0u; i < count; i++) { pooled += ${term}; }
    pooled = pooled / ${over};`;

const formulas: Readonly<Record<Pooling, Formula>> = {
  first: { forward: "pooled = x(at(0u));", backward: "select(T(), g, i == 0u)" },
  last: { forward: "pooled = x(at(count - 1u));", backward: "select(T(), g, i == count - 1u)" },
  mean: { forward: sum("x(at(i))", "f32(count)"), backward: "g / f32(count)" },
  meanSqrtLength: { forward: sum("x(at(i))", "sqrt(f32(count))"), backward: "g / sqrt(f32(count))" },
  weightedMean: {
    // The weights before + 1 to before + count sum to count · (2 · before + count + 1) / 2.
    forward: sum("f32(before + i + 1u) * x(at(i))", "(0.5 * f32(count) * f32(2u * before + count + 1u))"),
    backward: "g * (f32(before + i + 1u) / (0.5 * f32(count) * f32(2u * before + count + 1u)))",
  },
  max: {
    forward: wgsl`pooled = x(at(0u));
    for (var i = 1u; i < count; i++) { pooled = max(pooled, x(at(i))); }`,
    // If several tokens have the largest value, each gets the gradient.
    backward: "select(T(), g, x(index) == y(place))",
  },
};

const operation: Operation<Attributes> = {
  name: "pool",
  infer([x, sentences, ...more], { poolings, hasTokens, hasWhole }) {
    const [count, width] = x!.shape;
    expectType("pool", "x", x!, "float", [count ?? null, width ?? null]);
    expectKnown("pool", "the width of x", width);
    if (hasTokens) expectType("pool", "tokens", more[0]!, "u32", tokenTable(count!).shape);
    expectType("pool", "sentences", sentences!, "u32", [null, 2]);
    if (hasWhole) expectType("pool", "whole", more.at(-1)!, "u32", sentences!.shape);
    if (poolings.length === 0) throw new ShapeError("pool makes no vector of no way of pooling.", "Give at least one.");
    return [f32(sentences!.shape[0]!, (width as number) * poolings.length)];
  },
  lower: ({ inputs: [x, sentences, ...more], outputs: [y], attributes: { poolings, hasWhole } }) =>
    vectorLowering({
      label: `pool ${poolings.join(" ")}`,
      variant: poolings.join(" "),
      over: y!,
      run: x!.shape[1] as number,
      reads: { x: x! },
      writes: { y: y! },
      tables: { sentences: [sentences!, "vec2u"], whole: hasWhole ? [more.at(-1)!, "vec2u"] : undefined },
      main: (columns) => wgsl`let start = sentences[row].x;
  let count = sentences[row].y;
  let before = ${rowsBefore("row", hasWhole)};
  let feature = column % ${columns}u;
  var pooled = T();
  ${choice(
    poolings.map((pooling) => formulas[pooling].forward.replaceAll(/at\(([^()]*)\)/g, `(start + $1) * ${columns}u + feature`)),
    `column / ${columns}u`,
  )}
  setY(index, pooled);`,
    }),
  gradient({ inputs, outputs: [y], attributes }, [dy]) {
    const kept = attributes.poolings.includes("max") ? [y!] : [];
    const tables = inputs.slice(1).map(() => null);
    return [dy ? dy.tape.append(poolGradient, [dy, ...inputs, ...kept], attributes)[0]! : null, ...tables];
  },
};

/** WGSL of the rows of a sentence that are left out before the pooled ones. */
const rowsBefore = (sentence: string, hasWhole: boolean) => (hasWhole ? `sentences[${sentence}].x - whole[${sentence}].x` : "0u");

/** Selects one of several statements by a number; the statement itself if there is only one. */
function choice(statements: readonly string[], selector: string): string {
  if (statements.length === 1) return statements[0]!;
  const cases = statements.map((statement, i) => `${i === statements.length - 1 ? "default" : `case ${i}u`}: { ${statement} }`);
  return `switch (${selector}) {\n  ${cases.join("\n  ")}\n  }`;
}

const poolGradient: Operation<Attributes> = {
  name: "poolGradient",
  infer: ([, x]) => [x!],
  lower({ inputs: [dy, x, sentences, ...more], outputs: [dx], attributes: { poolings, hasTokens, hasWhole } }) {
    const tokens = hasTokens ? more[0] : undefined;
    const y = poolings.includes("max") ? more.at(-1) : undefined;
    const shares = (columns: number) =>
      poolings.map(
        (pooling, part) => wgsl`{
    let place = sentence * ${columns * poolings.length}u + ${part * columns}u + column;
    let g = dy(place);
    gradient += ${formulas[pooling].backward};
  }`,
      );
    return vectorLowering({
      label: `poolGradient ${poolings.join(" ")}`,
      variant: poolings.join(" "),
      over: dx!,
      reads: { dy: dy!, x: y && x!, y },
      writes: { dx: dx! },
      tables: {
        tokens: tokens && [tokens, "vec4u"],
        sentences: [sentences!, "vec2u"],
        whole: hasWhole ? [more[hasTokens ? 1 : 0]!, "vec2u"] : undefined,
      },
      main: (columns) => wgsl`var gradient = T();
  ${ofSentence(sentences!, { hasTokens, hasWhole }, shares(columns).join("\n  "))}
  setDx(index, gradient);`,
    });
  },
};

/**
 * WGSL that does something for the sentence of a row, or for every sentence that contains it: `sentence` is its number, `i` the row's place
 * in it.
 */
function ofSentence(sentences: Type, { hasTokens, hasWhole }: Pick<Attributes, "hasTokens" | "hasWhole">, body: string): string {
  const place = wgsl`let i = row - sentences[sentence].x;
  let count = sentences[sentence].y;
  let before = ${rowsBefore("sentence", hasWhole)};`;
  if (hasTokens) return wgsl`let sentence = tokens[row].${tokenField.sentence};\n  ${place}\n  ${body}`;
  return wgsl`for (var sentence = 0u; sentence < ${rows(sentences.shape[0]!)}; sentence++) {
    ${place}
    if (row < sentences[sentence].x || i >= count) { continue; }
    ${body}
  }`;
}

/** Where the rows of each sentence are. */
export interface PooledRows {
  /** u32 [sentences, 2]: first row and number of rows, at least one. */
  readonly sentences: Value;
  /**
   * u32 [rows, 4], the token table of a packed batch. With it, the gradient finds a row's sentence at once. Every row must be in exactly
   * one sentence.
   */
  readonly tokens?: Value;
  /** u32 [sentences, 2]: the same with the rows that are left out before them. `weightedMean` counts positions from there. */
  readonly whole?: Value | undefined;
}

/**
 * f32 [sentences, width · poolings] from `x` f32 or f16 [rows, width]. `sentences` may leave out rows. Without a token table their gradient
 * is zero; with one, such a result has no gradient.
 */
export function pool(x: Value, { sentences, tokens, whole }: PooledRows, pooling: Pooling | readonly Pooling[]): Value {
  const poolings = typeof pooling === "string" ? [pooling] : pooling;
  const inputs = [x, sentences, ...(tokens ? [tokens] : []), ...(whole ? [whole] : [])];
  return x.tape.append(operation, inputs, { poolings, hasTokens: tokens !== undefined, hasWhole: whole !== undefined })[0]!;
}
