/**
 * One vector a sentence from its tokens, special tokens included, as sentence-transformers pools:
 *
 *     first           the first token's ([CLS])
 *     last            the last token's
 *     mean            the mean
 *     meanSqrtLength  the sum over the square root of the number of tokens
 *     weightedMean    the mean weighted by position: the first token counts once, the second twice, …
 *     max             the largest value of each feature
 *
 * Several of them stand one after another in the result.
 */
import { ShapeError } from "../errors.ts";
import { wgsl } from "../gpu/shader.ts";
import { sentenceTable, tokenField, tokenTable } from "./batch.ts";
import { pointKernel, vector, vectorWidth } from "./language/kernel.ts";
import { expectType, f32, type Operation, type Value } from "./language/operation.ts";

export type Pooling = "first" | "last" | "mean" | "meanSqrtLength" | "weightedMean" | "max";

interface Attributes {
  readonly poolings: readonly Pooling[];
}

/** WGSL of one way of pooling. `start` and `count` are the sentence's rows, `at(i)` is the place of its row i, `T` the type of a few features. */
interface Formula {
  /** Sets `pooled`. */
  readonly forward: string;
  /** The gradient of row `start + i` from `g`, that of the pooled vector. */
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
    // The weights 1 to count sum to count · (count + 1) / 2.
    forward: sum("f32(i + 1u) * x(at(i))", "(0.5 * f32(count) * f32(count + 1u))"),
    backward: "g * (f32(i + 1u) / (0.5 * f32(count) * f32(count + 1u)))",
  },
  max: {
    forward: wgsl`pooled = x(at(0u));
    for (var i = 1u; i < count; i++) { pooled = max(pooled, x(at(i))); }`,
    // Where several tokens have the largest value, each gets the gradient.
    backward: "select(T(), g, x(index) == y(place))",
  },
};

const operation: Operation<Attributes> = {
  name: "pool",
  infer([x, tokens, sentences], { poolings }) {
    const [rows, width] = x!.shape;
    expectType("pool", "x", x!, "float", [rows!, width!]);
    expectType("pool", "tokens", tokens!, "u32", tokenTable(rows!).shape);
    expectType("pool", "sentences", sentences!, "u32", sentenceTable(sentences!.shape[0]!).shape);
    if (poolings.length === 0) throw new ShapeError("pool makes no vector of no way of pooling.", "Give at least one.");
    return [f32(sentences!.shape[0]!, (width as number) * poolings.length)];
  },
  lower({ inputs: [x, , sentences], outputs: [y], attributes: { poolings } }) {
    const width = x!.shape[1] as number;
    const step = vectorWidth(width);
    const element = vector(step);
    const columns = width / step;
    return {
      variant: poolings.join(" "),
      kernels: [
        pointKernel({
          label: `pool ${poolings.join(" ")}`,
          over: y!,
          width: step,
          reads: { x: [x!, element], sentences: [sentences!, "vec2u"] },
          writes: { y: [y!, element] },
          main: wgsl`let start = sentences[row].x;
  let count = sentences[row].y;
  let feature = column % ${columns}u;
  var pooled = ${element}();
  ${choice(
    poolings.map((pooling) => formulas[pooling].forward.replaceAll(/at\(([^()]*)\)/g, `(start + $1) * ${columns}u + feature`)),
    `column / ${columns}u`,
  )}
  setY(index, pooled);`,
        }),
      ],
    };
  },
  gradient({ inputs: [x, tokens, sentences], outputs: [y], attributes }, [dy]) {
    const kept = attributes.poolings.includes("max") ? [y!] : [];
    return [dy ? dy.tape.append(poolGradient, [dy, x!, tokens!, sentences!, ...kept], attributes)[0]! : null, null, null];
  },
};

/** One statement of several, by a number; the only one where there is one. */
function choice(statements: readonly string[], selector: string): string {
  if (statements.length === 1) return statements[0]!;
  const cases = statements.map((statement, i) => `${i === statements.length - 1 ? "default" : `case ${i}u`}: { ${statement} }`);
  return `switch (${selector}) {\n  ${cases.join("\n  ")}\n  }`;
}

const poolGradient: Operation<Attributes> = {
  name: "poolGradient",
  infer: ([, x]) => [x!],
  lower({ inputs: [dy, x, tokens, sentences, y], outputs: [dx], attributes: { poolings } }) {
    const width = dx!.shape[1] as number;
    const step = vectorWidth(width);
    const element = vector(step);
    const columns = width / step;
    const shares = poolings.map(
      (pooling, part) => wgsl`{
    let place = sentence * ${columns * poolings.length}u + ${part * columns}u + column;
    let g = dy(place);
    gradient += ${formulas[pooling].backward.replaceAll("T()", `${element}()`)};
  }`,
    );
    return {
      variant: poolings.join(" "),
      kernels: [
        pointKernel({
          label: `poolGradient ${poolings.join(" ")}`,
          over: dx!,
          width: step,
          reads: {
            dy: [dy!, element],
            tokens: [tokens!, "vec4u"],
            sentences: [sentences!, "vec2u"],
            ...(y && { x: [x!, element], y: [y, element] }),
          },
          writes: { dx: [dx!, element] },
          main: wgsl`let sentence = tokens[row].${tokenField.sentence};
  let i = row - sentences[sentence].x;
  let count = sentences[sentence].y;
  var gradient = ${element}();
  ${shares.join("\n  ")}
  setDx(index, gradient);`,
        }),
      ],
    };
  },
};

/**
 * f32 [sentences, width · poolings] from `x` [tokens, width] and the batch's tables. `sentences` may leave out rows at the beginning of each
 * sentence; such a result has no gradient.
 */
export function pool(x: Value, batch: { tokens: Value; sentences: Value }, pooling: Pooling | readonly Pooling[]): Value {
  const poolings = typeof pooling === "string" ? [pooling] : pooling;
  return x.tape.append(operation, [x, batch.tokens, batch.sentences], { poolings })[0]!;
}
