/**
 * LayerNorm over the last dimension, alone or with the dropout and the residual that precede it in a transformer layer:
 *
 *     s = dropout(x) + residual;  y = (s − mean(s)) / √(var(s) + eps) · weight + bias
 *
 * Statistics are f32 and two-pass: the mean, then the mean of squared differences. The forward pass keeps mean and 1/σ of each row; the
 * backward pass computes s again, dropout mask included, instead of storing it. Gradients: Ba et al. 2016 in the form
 * ds = (g − mean(g) − ŝ·mean(g·ŝ)) / σ with g = dy·weight.
 */
import type { Capabilities } from "../gpu/capabilities.ts";
import { wgsl } from "../gpu/shader.ts";
import { tokenTable } from "./batch.ts";
import { columnReduction } from "./column-reduction.ts";
import { dropoutAt, dropoutOf } from "./dropout.ts";
import { horizontalSum, paramF32, type Tensor, vector, vectorWidth } from "./kernel.ts";
import { expectType, f32, type Node, type Operand, type Operation, type Type, type Value } from "./operation.ts";
import { type Dropout, dropoutDeclarations, dropoutParams } from "./random.ts";
import { rowKernel, rowVariant } from "./row-kernel.ts";

interface Attributes {
  readonly eps: number;
  readonly residual: boolean;
  readonly dropout: Dropout | null;
}

const operation: Operation<Attributes> = {
  name: "layerNorm",
  infer([x, weight, bias, ...rest], { residual, dropout }) {
    const [rows, width] = x!.shape as [Type["shape"][0], number];
    expectType("layerNorm", "x", x!, "f32", [rows!, width]);
    expectType("layerNorm", "weight", weight!, "f32", [width]);
    expectType("layerNorm", "bias", bias!, "f32", [width]);
    if (residual) expectType("layerNorm", "residual", rest[0]!, "f32", x!.shape);
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
          params: { ...summed.params, eps: paramF32(attributes.eps) },
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
    let difference = y(start + c) - mean;
    squares += difference * difference;
  }
  let inverse = inverseSqrt(total(${summed.sumOf("squares")}) / ${summed.width}.0 + params.eps);
  for (var c = firstColumn; c < ${summed.columns}u; c += columnStride) {
    setY(start + c, (y(start + c) - mean) * inverse * weight(c) + bias(c));
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
    const [ds] = tape.append(inputGradient, [dy, x!, weight!, statistics!, ...rest], attributes);
    const [dWeight, dBias] = tape.append(parameterGradient, [dy, x!, statistics!, ...rest], attributes);
    const dx = attributes.dropout ? dropoutAt(ds!, rest.at(-1)!, attributes.dropout) : ds!;
    const dResidual = attributes.residual ? [ds!] : [];
    const dTokens = attributes.dropout ? [null] : [];
    return [dx, dWeight!, dBias!, ...dResidual, ...dTokens];
  },
};

const inputGradient: Operation<Attributes> = {
  name: "layerNormGradient",
  infer([dy, x]) {
    expectType("layerNormGradient", "dy", dy!, "f32", x!.shape);
    return [x!];
  },
  lower({ inputs: [dy, x, weight, statistics, ...rest], outputs: [ds], attributes }, capabilities: Capabilities) {
    const summed = summedInput(x!, rest, attributes);
    return {
      variant: rowVariant(capabilities),
      kernels: [
        rowKernel(capabilities, {
          label: "layerNormGradient",
          rowCount: x!.shape[0]!,
          reads: { ...summed.reads, dy: [dy!, summed.element], weight: [weight!, summed.element], statistics: [statistics!, "vec2f"] },
          writes: { ds: [ds!, summed.element] },
          params: summed.params,
          declarations: summed.declarations,
          main: wgsl`let start = row * ${summed.columns}u;
  ${summed.stream}
  let moments = statistics(row);
  var sum = T();
  var product = T();
  for (var c = firstColumn; c < ${summed.columns}u; c += columnStride) {
    let normalised = (summed(start + c, c, stream) - moments.x) * moments.y;
    let g = dy(start + c) * weight(c);
    setDs(start + c, normalised);
    sum += g;
    product += g * normalised;
  }
  let meanG = total(${summed.sumOf("sum")}) / ${summed.width}.0;
  let meanProduct = total(${summed.sumOf("product")}) / ${summed.width}.0;
  for (var c = firstColumn; c < ${summed.columns}u; c += columnStride) {
    setDs(start + c, moments.y * (dy(start + c) * weight(c) - meanG - ds(start + c) * meanProduct));
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
    let normalised = (summed(index, column, stream) - statistics(row).x) * statistics(row).y;`,
      terms: [
        { expression: "dy(index) * normalised", output: dWeight! },
        { expression: "dy(index)", output: dBias! },
      ],
    });
  },
};

/** WGSL `summed(index, column, stream)`: one vector of s = dropout(x) + residual, and what it binds. */
function summedInput(x: Tensor & Type, rest: readonly Tensor[], { residual, dropout }: Attributes) {
  const width = x.shape[1] as number;
  const step = vectorWidth(width);
  const element = vector(step);
  const dropped = dropout ? `x(index) * ${dropoutOf(step)}(stream, column)` : "x(index)";
  const functions = wgsl`${dropout ? dropoutDeclarations : ""}
fn summed(index: u32, column: u32, stream: u32) -> T { return ${dropped}${residual ? " + residual(index)" : ""}; }
`;
  return {
    width,
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
    sumOf: (expression: string) => horizontalSum(expression, step),
  };
}

/** LayerNorm of f32 `x` [rows, width] with `weight` and `bias` f32 [width]. */
export function layerNorm(x: Value, weight: Operand, bias: Operand, eps: number): Value {
  return x.tape.append(operation, [x, weight, bias], { eps, residual: false, dropout: null })[0]!;
}

/** LayerNorm of dropout(x) + residual, both f32 [tokens, width]; `tokens` is the batch's token table. */
export function residualLayerNorm(
  x: Value,
  residual: Value,
  weight: Operand,
  bias: Operand,
  options: { eps: number; dropout: number; tokens: Value },
): Value {
  const { eps, dropout: probability, tokens } = options;
  const dropout = probability > 0 ? { probability, site: x.tape.dropoutSite() } : null;
  const inputs = [x, weight, bias, residual, ...(dropout ? [tokens] : [])];
  return x.tape.append(operation, inputs, { eps, residual: true, dropout })[0]!;
}
