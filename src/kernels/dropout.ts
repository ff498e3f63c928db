/** Dropout with inverted scaling: each element is zeroed with probability p, the others are divided by 1−p. The mask is a hash, never stored. */
import { tokenTable } from "./batch.ts";
import { pointKernel, vector, vectorWidth } from "./language/kernel.ts";
import { expectType, type Operation, rowWidth, type Value } from "./language/operation.ts";
import { type Dropout, dropoutDeclarations, dropoutParams } from "./language/random.ts";

const operation: Operation<Dropout> = {
  name: "dropout",
  infer([x, tokens]) {
    expectType("dropout", "tokens", tokens!, "u32", tokenTable(x!.shape[0]!).shape);
    return [x!];
  },
  lower({ inputs: [x, tokens], outputs: [y], attributes }) {
    const width = vectorWidth(rowWidth(x!.shape));
    const element = vector(width);
    return {
      variant: `point ×${width}`,
      kernels: [
        pointKernel({
          label: "dropout",
          over: y!,
          width,
          reads: { x: [x!, element], tokens: [tokens!, "vec4u"] },
          writes: { y: [y!, element] },
          params: dropoutParams(attributes),
          declarations: dropoutDeclarations,
          main: `setY(index, x(index) * ${dropoutOf(width)}(dropoutRow(dropoutStep(), tokens[row].w), column));`,
        }),
      ],
    };
  },
  // The mask is a constant of the step: the same site masks the gradient.
  gradient: ({ inputs: [, tokens], attributes }, [dy]) => [dy ? dropoutAt(dy, tokens!, attributes) : null, null],
};

/** The WGSL function that gives the factors of a vector of `width` elements. */
export function dropoutOf(width: 1 | 4): string {
  return width === 1 ? "dropoutFactor" : "dropoutFactors";
}

/** Dropout of f32 `x` [tokens, width] at a site already drawn. `tokens` is the batch's token table. */
export function dropoutAt(x: Value, tokens: Value, at: Dropout): Value {
  return at.probability === 0 ? x : x.tape.append(operation, [x, tokens], at)[0]!;
}

/** Dropout of f32 `x` [tokens, width] at a new site. A probability of zero is the value itself. */
export function dropout(x: Value, tokens: Value, probability: number): Value {
  return dropoutAt(x, tokens, { probability, site: x.tape.dropoutSite() });
}
