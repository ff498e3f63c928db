/**
 * The rows of each sentence's first token, of two matrices at once, and their rows of the token table. What follows can then work on one row
 * per sentence with the same dropout masks, because those depend on a token's key in the table. In the backward pass all other rows get zeros.
 */
import { wgsl } from "../gpu/shader.ts";
import { sentenceTable, tokenField, tokenTable } from "./batch.ts";
import { liveBytes, numbered, pointKernel, rowVectors } from "./language/kernel.ts";
import { expectKnown, expectType, type Operation, rowWidth, type Type, type Value } from "./language/operation.ts";
import { vectorLowering } from "./language/vectors.ts";

const operation: Operation<null> = {
  name: "firstRows",
  infer([x, y, tokens, sentences]) {
    const [count, width] = x!.shape;
    expectType("firstRows", "x", x!, "float", [count ?? null, null]);
    expectKnown("firstRows", "the width of x", width);
    expectType("firstRows", "y", y!, "float", x!.shape);
    expectType("firstRows", "tokens", tokens!, "u32", tokenTable(count!).shape);
    expectType("firstRows", "sentences", sentences!, "u32", sentenceTable(sentences!.shape[0]!).shape);
    const [first] = sentences!.shape;
    return [...[x!, y!].map(({ dtype }): Type => ({ dtype, shape: [first!, width!] })), tokenTable(first!)];
  },
  lower({ inputs: [x, y, tokens, sentences], outputs }) {
    const [firstX, firstY, firstTokens] = outputs as [Value, Value, Value];
    const { step, element, columns } = rowVectors(rowWidth(x!.shape));
    return {
      variant: `point ×${step}`,
      kernels: [
        pointKernel({
          label: "firstRows",
          over: firstX,
          width: step,
          reads: { x: [x!, element], y: [y!, element], tokens: [tokens!, "vec4u"], sentences: [sentences!, "vec2u"] },
          writes: { firstX: [firstX, element], firstY: [firstY, element], firstTokens: [firstTokens, "vec4u"] },
          main: wgsl`let first = sentences[row].x;
  setFirstX(index, x(first * ${columns}u + column));
  setFirstY(index, y(first * ${columns}u + column));
  if (column == 0u) { firstTokens[row] = tokens[first]; }`,
          bytes: (live) => liveBytes(sentences!, live) + 2 * outputs.reduce((sum, output) => sum + liveBytes(output, live), 0),
        }),
      ],
    };
  },
  gradient({ inputs: [x, y, tokens, sentences] }, [dFirstX, dFirstY]) {
    const given = [dFirstX, dFirstY].filter((gradient) => gradient != null);
    if (given.length === 0) return [];
    const types = [dFirstX && x!, dFirstY && y!].filter((type) => type != null).map(({ dtype, shape }): Type => ({ dtype, shape }));
    const gradients = x!.tape.append(gradientOperation, [tokens!, sentences!, ...given], { types });
    return [dFirstX ? gradients[0]! : null, dFirstY ? gradients.at(-1)! : null, null, null];
  },
};

const gradientOperation: Operation<{ readonly types: readonly Type[] }> = {
  name: "firstRowsGradient",
  infer: (_, { types }) => [...types],
  lower({ inputs: [tokens, sentences, ...given], outputs }) {
    return vectorLowering({
      label: "firstRowsGradient",
      over: outputs[0]!,
      reads: numbered("given", given, (own) => own),
      writes: numbered("gradient", outputs, (own) => own),
      tables: { tokens: [tokens!, "vec4u"], sentences: [sentences!, "vec2u"] },
      main: (columns) => wgsl`let sentence = tokens[row].${tokenField.sentence};
  let isFirst = row == sentences[sentence].x;
  ${given
    .map(
      (_, i) => wgsl`var g${i} = T();
  if (isFirst) { g${i} = given${i}(sentence * ${columns}u + column); }
  setGradient${i}(index, g${i});`,
    )
    .join("\n  ")}`,
    });
  },
};

/** The first rows of two matrices, each [sentences, width], and their token table u32 [sentences, 4]. */
export interface FirstRows {
  readonly x: Value;
  readonly y: Value;
  readonly tokens: Value;
}

/**
 * The rows of each sentence's first token: of `x` and `y`, both f32 or f16 [tokens, width] and stored as they are, and of the batch's token
 * table. The sentences must cover all rows.
 */
export function firstRows(x: Value, y: Value, { tokens, sentences }: { readonly tokens: Value; readonly sentences: Value }): FirstRows {
  const [firstX, firstY, firstTokens] = x.tape.append(operation, [x, y, tokens, sentences], null);
  return { x: firstX!, y: firstY!, tokens: firstTokens! };
}
