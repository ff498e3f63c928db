/**
 * Dropout with inverted scaling: each element is zeroed with probability p, the others are divided by 1−p. The mask is a hash and is never
 * stored: the backward pass recomputes it.
 *
 * A row's mask depends on its key. Rows of packed sentences take their keys from the batch's token table, so that a sentence has the same
 * mask wherever it is in the batch. The rows of any other tensor are numbered.
 */
import { tokenField, tokenTable } from "./batch.ts";
import { vectorWidth } from "./language/kernel.ts";
import { expectFloat, expectType, type Operation, rowWidth, type Value } from "./language/operation.ts";
import { checkProbability, type Dropout, dropoutDeclarations, dropoutOf, dropoutParams } from "./language/random.ts";
import { vectorLowering } from "./language/vectors.ts";

const operation: Operation<Dropout> = {
  name: "dropout",
  infer([x, tokens]) {
    expectFloat("dropout", "x", x!);
    if (tokens) expectType("dropout", "tokens", tokens, "u32", tokenTable(x!.shape[0]!).shape);
    return [x!];
  },
  lower: ({ inputs: [x, tokens], outputs: [y], attributes }) =>
    vectorLowering({
      label: "dropout",
      over: y!,
      reads: { x: x! },
      writes: { y: y! },
      tables: { tokens: tokens && [tokens, "vec4u"] },
      params: dropoutParams(attributes),
      declarations: dropoutDeclarations,
      main: () =>
        `setY(index, x(index) * ${dropoutOf(vectorWidth(rowWidth(x!.shape)))}(dropoutRow(dropoutStep(), ${tokens ? `tokens[row].${tokenField.key}` : "row"}), column));`,
    }),
  // The mask is constant in the backward pass: the same site masks the gradient.
  gradient: ({ inputs: [, tokens], attributes }, [dy]) => [dy ? dropoutAt(dy, attributes, tokens) : null, ...(tokens ? [null] : [])],
};

/** `dropout` at a site that has already been drawn. */
export function dropoutAt(x: Value, at: Dropout, tokens?: Value): Value {
  checkProbability("dropout", at.probability);
  return at.probability === 0 ? x : x.tape.append(operation, tokens ? [x, tokens] : [x], at)[0]!;
}

/**
 * Dropout of `x` f32 or f16 [rows, …] at a new site, with a probability in [0, 1); `x` itself if it is zero. `tokens` is the token table
 * u32 [rows, 4] of a packed batch: then a row's mask depends on its sentence and position. Throws `OptionError` for any other probability.
 */
export function dropout(x: Value, probability: number, { tokens }: { readonly tokens?: Value | undefined } = {}): Value {
  return dropoutAt(x, { probability, site: x.tape.dropoutSite() }, tokens);
}
