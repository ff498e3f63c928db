/**
 * LayerNorm over the last dimension, alone or with the dropout and the residual that precede it in a transformer layer:
 *
 *     s = dropout(x) + residual;  y = (s − mean(s)) / √(var(s) + epsilon) · weight + bias
 *
 * or with the dropout that follows it after the embedding. Statistics are f32 and two-pass: the mean, then the mean of squared differences.
 * The forward pass keeps mean and 1/σ of each row; the backward pass recomputes s, dropout masks included, instead of storing it. It
 * returns the gradients of x (with its mask applied) and of the residual. Gradients: Ba et al. 2016 in the form ds = (g − mean(g) −
 * ŝ·mean(g·ŝ)) / σ with g = dy·weight.
 *
 * Each pass over a row writes its values to the output, and the next pass reads them there. If the output is stored as f16, the values are
 * recomputed instead, so that nothing is rounded twice.
 */
import type { Capabilities } from "../gpu/capabilities.ts";
import { wgsl } from "../gpu/shader.ts";
import { tokenTable } from "./batch.ts";
import { dropoutOf } from "./dropout.ts";
import { columnReduction } from "./language/column-reduction.ts";
import { horizontalSum, paramF32, vector, vectorWidth } from "./language/kernel.ts";
import {
  expectKnown,
  expectType,
  f32,
  type Node,
  type Operand,
  type Operation,
  type Tensor,
  type Type,
  type Value,
} from "./language/operation.ts";
import { checkProbability, type Dropout, dropoutDeclarations, dropoutParams } from "./language/random.ts";
import { rowKernel, rowVariant } from "./language/row-kernel.ts";

interface Attributes {
  readonly epsilon: number;
  readonly residual: boolean;
  /** Dropout of x before the norm, or of y after it; never both. */
  readonly dropout: (Dropout & { readonly of: "x" | "y" }) | null;
}

const operation: Operation<Attributes> = {
  name: "layerNorm",
  infer([x, weight, bias, ...rest], { residual, dropout }) {
    const [rows, width] = x!.shape as [Type["shape"][0], number];
    expectType("layerNorm", "x", x!, "float", [rows!, width]);
    expectKnown("layerNorm", "the width of x", width);
    expectType("layerNorm", "weight", weight!, "f32", [width]);
    expectType("layerNorm", "bias", bias!, "f32", [width]);
    if (residual) expectType("layerNorm", "residual", rest[0]!, "float", x!.shape);
    if (dropout) expectType("layerNorm", "tokens", rest[residual ? 1 : 0]!, "u32", tokenTable(rows!).shape);
    return [x!, f32(rows!, 2)];
  },
  lower(node, capabilities) {
    const {
      inputs,
      outputs: [y, statistics],
      attributes,
    } = node;
    const summed = summedInput(inputs[0]!, inputs.slice(3), attributes);
    return {
      variant: rowVariant(capabilities),
      kernels: [
        rowKernel(capabilities, {
          label: "layerNorm",
          rowCount: y!.shape[0]!,
          reads: { ...summed.reads, weight: [inputs[1]!, summed.element], bias: [inputs[2]!, summed.element] },
          writes: { y: [y!, summed.element], statistics: [statistics!, "vec2f"] },
          params: { ...summed.params, epsilon: paramF32(attributes.epsilon) },
          declarations: summed.declarations,
          main: wgsl`let start = row * ${summed.columns}u;
  ${summed.stream}
  var sum = T();
  for (var c = firstColumn; c < ${summed.columns}u; c += columnStride) {
    let s = summed(start + c, c, stream);
    setY(start + c, s);
    sum += s;
  }
  let mean = total(${summed.sumOf("sum")}) / ${summed.width}.0;
  var squares = T();
  for (var c = firstColumn; c < ${summed.columns}u; c += columnStride) {
    let difference = ${again("y", y!, "summed(start + c, c, stream)")} - mean;
    squares += difference * difference;
  }
  let inverse = inverseSqrt(total(${summed.sumOf("squares")}) / ${summed.width}.0 + params.epsilon);
  for (var c = firstColumn; c < ${summed.columns}u; c += columnStride) {
    setY(start + c, ((${again("y", y!, "summed(start + c, c, stream)")} - mean) * inverse * weight(c) + bias(c))${summed.afterwards("c")});
  }
  if (firstColumn == 0u) { setStatistics(row, vec2f(mean, inverse)); }`,
        }),
      ],
    };
  },
  gradient(node, [dy]) {
    if (!dy) return node.inputs.map(() => null);
    const {
      inputs: [x, weight, , ...rest],
      outputs: [, statistics],
      attributes,
    } = node;
    const tape = x!.tape;
    const [ds, dx] = tape.append(inputGradient, [dy, x!, weight!, statistics!, ...rest], attributes);
    const [dWeight, dBias] = tape.append(parameterGradient, [dy, x!, statistics!, ...rest], attributes);
    const dResidual = attributes.residual ? [ds!] : [];
    const dTokens = attributes.dropout ? [null] : [];
    return [dx ?? ds!, dWeight!, dBias!, ...dResidual, ...dTokens];
  },
};

const inputGradient: Operation<Attributes> = {
  name: "layerNormGradient",
  infer([dy, x], { dropout }) {
    expectType("layerNormGradient", "dy", dy!, "float", x!.shape);
    return dropout?.of === "x" ? [x!, x!] : [x!];
  },
  lower({ inputs: [dy, x, weight, statistics, ...rest], outputs: [ds, dx], attributes }, capabilities: Capabilities) {
    const summed = summedInput(x!, rest, attributes);
    return {
      variant: rowVariant(capabilities),
      kernels: [
        rowKernel(capabilities, {
          label: "layerNormGradient",
          rowCount: x!.shape[0]!,
          reads: { ...summed.reads, dy: [dy!, summed.element], weight: [weight!, summed.element], statistics: [statistics!, "vec2f"] },
          writes: { ds: [ds!, summed.element], ...(dx ? { dx: [dx, summed.element] as const } : {}) },
          params: summed.params,
          declarations: summed.declarations,
          main: wgsl`let start = row * ${summed.columns}u;
  ${summed.stream}
  let moments = statistics(row);
  var sum = T();
  var product = T();
  for (var c = firstColumn; c < ${summed.columns}u; c += columnStride) {
    let normalised = (summed(start + c, c, stream) - moments.x) * moments.y;
    let g = dy(start + c)${summed.afterwards("c")} * weight(c);
    setDs(start + c, normalised);
    sum += g;
    product += g * normalised;
  }
  let meanG = total(${summed.sumOf("sum")}) / ${summed.width}.0;
  let meanProduct = total(${summed.sumOf("product")}) / ${summed.width}.0;
  for (var c = firstColumn; c < ${summed.columns}u; c += columnStride) {
    let normalised = ${again("ds", ds!, "(summed(start + c, c, stream) - moments.x) * moments.y")};
    let d = moments.y * (dy(start + c)${summed.afterwards("c")} * weight(c) - meanG - normalised * meanProduct);
    setDs(start + c, d);
    ${dx ? `setDx(start + c, d * ${dropoutOf(summed.step)}(stream, c));` : ""}
  }`,
        }),
      ],
    };
  },
};

const parameterGradient: Operation<Attributes> = {
  name: "layerNormParameterGradient",
  infer: ([, x]) => [f32(x!.shape[1]!), f32(x!.shape[1]!)],
  lower({ inputs: [dy, x, statistics, ...rest], outputs: [dWeight, dBias], attributes }: Node<Attributes>) {
    const summed = summedInput(x!, rest, attributes);
    return columnReduction({
      label: "layerNormParameterGradient",
      rowCount: x!.shape[0]!,
      width: summed.width,
      reads: { ...summed.reads, dy: [dy!, summed.element], statistics: [statistics!, "vec2f"] },
      params: summed.params,
      declarations: summed.functions,
      prepare: wgsl`${summed.stream}
    let normalised = (summed(index, column, stream) - statistics(row).x) * statistics(row).y;
    let d = dy(index)${summed.afterwards("column")};`,
      terms: [
        { expression: "d * normalised", output: dWeight! },
        { expression: "d", output: dBias! },
      ],
    });
  },
};

/** WGSL that reads what was written to `output` at `start + c`, or recomputes it if the stored value is rounded. */
function again(name: string, output: Type, expression: string): string {
  return output.dtype === "f16" ? expression : `${name}(start + c)`;
}

/**
 * WGSL `summed(index, column, stream)`, one vector of s = dropout(x) + residual, and its bindings. `afterwards` is the dropout factor of y.
 */
function summedInput(x: Tensor & Type, rest: readonly Tensor[], { residual, dropout }: Attributes) {
  const width = x.shape[1] as number;
  const step = vectorWidth(width);
  const element = vector(step);
  const dropped = dropout?.of === "x" ? `x(index) * ${dropoutOf(step)}(stream, column)` : "x(index)";
  const functions = wgsl`${dropout ? dropoutDeclarations : ""}
fn summed(index: u32, column: u32, stream: u32) -> T { return ${dropped}${residual ? " + residual(index)" : ""}; }
`;
  return {
    width,
    step,
    element,
    columns: width / step,
    reads: {
      x: [x, element] as const,
      ...(residual ? { residual: [rest[0]!, element] as const } : {}),
      ...(dropout ? { tokens: [rest.at(-1)!, "vec4u"] as const } : {}),
    },
    params: dropout ? dropoutParams(dropout) : {},
    functions,
    declarations: `alias T = ${element};\n${functions}`,
    stream: `let stream = ${dropout ? "dropoutRow(dropoutStep(), tokens[row].w)" : "0u"};`,
    afterwards: (column: string) => (dropout?.of === "y" ? ` * ${dropoutOf(step)}(stream, ${column})` : ""),
    sumOf: (expression: string) => horizontalSum(expression, step),
  };
}

/** A dropout whose mask depends on the batch's token table. */
export interface TokenDropout {
  readonly dropout: number;
  readonly tokens: Value;
}

function drawSite(x: Value, { dropout: probability }: TokenDropout, of: "x" | "y") {
  checkProbability("layerNorm", probability);
  return probability > 0 ? { probability, site: x.tape.dropoutSite(), of } : null;
}

/** LayerNorm of `x` [rows, width] with `weight` and `bias` f32 [width], and dropout of the result if one is given. */
export function layerNorm(x: Value, weight: Operand, bias: Operand, epsilon: number, after?: TokenDropout): Value {
  const dropout = after ? drawSite(x, after, "y") : null;
  return x.tape.append(operation, [x, weight, bias, ...(dropout ? [after!.tokens] : [])], { epsilon, residual: false, dropout })[0]!;
}

/** LayerNorm of dropout(x) + residual, both [tokens, width]. */
export function residualLayerNorm(
  x: Value,
  residual: Value,
  weight: Operand,
  bias: Operand,
  { epsilon, ...before }: TokenDropout & { readonly epsilon: number },
): Value {
  const dropout = drawSite(x, before, "x");
  const inputs = [x, weight, bias, residual, ...(dropout ? [before.tokens] : [])];
  return x.tape.append(operation, inputs, { epsilon, residual: true, dropout })[0]!;
}
