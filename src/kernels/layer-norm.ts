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
 *
 * On a GPU one kernel computes the gradients of x and, for each group of rows, those of weight and bias; another one adds up the groups.
 * Where a device binds too few buffers for that, and on software adapters, the parameters have a kernel of their own.
 */
import type { Capabilities } from "../gpu/capabilities.ts";
import { range, wgsl } from "../gpu/shader.ts";
import { tokenField, tokenTable } from "./batch.ts";
import { columnReduction, joinChunks } from "./language/column-reduction.ts";
import { type Bindings, horizontalSum, kernel, paramF32, paramU32, rows, rowVectors } from "./language/kernel.ts";
import {
  capacity,
  type Dimension,
  expectKnown,
  expectType,
  f32,
  type Lowering,
  type Node,
  type Operand,
  type Operation,
  type Tensor,
  type Type,
  type Value,
} from "./language/operation.ts";
import { checkProbability, type Dropout, dropoutDeclarations, dropoutOf, dropoutParams } from "./language/random.ts";
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
    const [ds, partial, dx] = tape.append(inputGradient, [dy, x!, weight!, statistics!, ...rest], attributes);
    const [dWeight, dBias] = tape.append(parameterGradient, [dy, x!, statistics!, partial!, ...rest], attributes);
    const dResidual = attributes.residual ? [ds!] : [];
    const dTokens = attributes.dropout ? [null] : [];
    return [dx ?? ds!, dWeight!, dBias!, ...dResidual, ...dTokens];
  },
};

const inputGradient: Operation<Attributes> = {
  name: "layerNormGradient",
  infer([dy, x], { dropout }) {
    expectType("layerNormGradient", "dy", dy!, "float", x!.shape);
    const [count, width] = x!.shape as [Dimension, number];
    return [x!, f32(groupsOf(count), 2, width), ...(dropout?.of === "x" ? [x!] : [])];
  },
  lower(node, capabilities) {
    const {
      inputs: [dy, x, weight, statistics, ...rest],
      outputs: [ds, , dx],
      attributes,
    } = node;
    if (sumsGroups(attributes, capabilities)) return lowerBoth(node, capabilities);
    const summed = summedInput(x!, rest, attributes);
    return {
      variant: rowVariant(capabilities),
      kernels: [
        rowKernel(capabilities, {
          label: "layerNormGradient",
          rowCount: x!.shape[0]!,
          reads: { ...summed.reads, dy: [dy!, summed.element], weight: [weight!, summed.element], statistics: [statistics!, "vec2f"] },
          writes: { ds: [ds!, summed.element], dx: dx && [dx, summed.element] },
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
  writesOnce: true,
  infer: ([, x]) => [f32(x!.shape[1]!), f32(x!.shape[1]!)],
  lower({ inputs: [dy, x, statistics, partial, ...rest], outputs: [dWeight, dBias], attributes }, capabilities) {
    const summed = summedInput(x!, rest, attributes);
    if (sumsGroups(attributes, capabilities)) {
      const [count] = x!.shape as [Dimension];
      const size = rowsPerGroup(count);
      const join = joinChunks(capabilities, {
        label: "layerNormParameterGradient",
        partial: partial!,
        parts: { of: count, size },
        width: summed.width,
        terms: [{ output: dWeight! }, { output: dBias! }],
      });
      return { variant: `groups of ${size} rows`, kernels: [join] };
    }
    return columnReduction(capabilities, {
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

/** Rows whose parameter gradients one workgroup adds up: few, so that all of a GPU works, but no more groups than are quickly joined. */
const fewestRows = 8;
const mostGroups = 512;
const rowsPerGroup = (count: Dimension) => Math.max(fewestRows, Math.ceil(capacity(count) / mostGroups));
const groupsOf = (count: Dimension) => Math.ceil(capacity(count) / rowsPerGroup(count));

/** Whether the input's gradient also sums the parameters' over groups of rows: on a GPU that can bind all the tensors. */
function sumsGroups({ residual, dropout }: Attributes, { software, limits }: Capabilities): boolean {
  const bound = 6 + (residual ? 1 : 0) + (dropout ? 1 : 0) + (dropout?.of === "x" ? 1 : 0);
  return !software && bound <= limits.maxStorageBuffersPerShaderStage;
}

/** The most threads of a workgroup on a core device. */
const mostThreads = 256;

/** The gradients of x and of the residual, and those of weight and bias for each group of rows. A thread keeps its columns for all rows. */
function lowerBoth(
  { inputs: [dy, x, weight, statistics, ...rest], outputs: [ds, partial, dx], attributes }: Node<Attributes>,
  { subgroupSize }: Capabilities,
): Lowering {
  const summed = summedInput(x!, rest, attributes);
  const { columns, element } = summed;
  const [count] = x!.shape as [Dimension];
  const size = rowsPerGroup(count);
  const lanes = subgroupSize ?? 32;
  const threads = Math.min(mostThreads, Math.ceil(columns / lanes) * lanes);
  const own = range(Math.ceil(columns / threads));
  const total = totalOfThreads(threads, subgroupSize);
  const each = (line: (i: number) => string) => own.map(line).join("\n    ");
  // A thread beyond the last column computes that column's numbers, counts them as zeros and stores nothing.
  const isWhole = columns % threads === 0;
  const counted = (i: number, expression: string) => (isWhole ? expression : `select(T(), ${expression}, isOwn${i})`);
  const stored = (i: number, text: string) => (isWhole ? text : `if (isOwn${i}) { ${text} }`);
  const main = wgsl`${each(
    (i) => wgsl`let isOwn${i} = thread + ${i * threads}u < ${columns}u;
    let c${i} = min(thread + ${i * threads}u, ${columns - 1}u);
    let w${i} = weight(c${i});
    var dWeight${i} = T();
    var dBias${i} = T();`,
  )}
  for (var r = 0u; r < params.groupRows; r++) {
    let row = group.x * params.groupRows + r;
    if (row >= ${rows(count)}) { break; }
    let start = row * ${columns}u;
    ${summed.stream}
    let moments = statistics(row);
    ${each(
      (i) => wgsl`let n${i} = (summed(start + c${i}, c${i}, stream) - moments.x) * moments.y;
    let d${i} = ${counted(i, `dy(start + c${i})${summed.afterwards(`c${i}`)}`)};
    let g${i} = d${i} * w${i};
    dWeight${i} += d${i} * n${i};
    dBias${i} += d${i};`,
    )}
    let own = vec2f(${summed.sumOf(own.map((i) => `g${i}`).join(" + "))}, ${summed.sumOf(own.map((i) => `g${i} * n${i}`).join(" + "))});
    ${total.text}
    let mean = all / ${summed.width}.0;
    ${each((i) => {
      const dropped = dx ? ` setDx(start + c${i}, s${i} * ${dropoutOf(summed.step)}(stream, c${i}));` : "";
      return `let s${i} = moments.y * (g${i} - mean.x - n${i} * mean.y); ${stored(i, `setDs(start + c${i}, s${i});${dropped}`)}`;
    })}
  }
  let first = group.x * ${2 * columns}u;
  ${each((i) => stored(i, `setPartial(first + c${i}, dWeight${i}); setPartial(first + ${columns}u + c${i}, dBias${i});`))}`;
  return {
    variant: `workgroup of ${threads}, ${size} rows`,
    kernels: [
      kernel({
        label: "layerNormGradient",
        workgroupSize: [threads],
        enables: subgroupSize === null ? [] : ["subgroups"],
        reads: { ...summed.reads, dy: [dy!, element], weight: [weight!, element], statistics: [statistics!, "vec2f"] },
        writes: { ds: [ds!, element], dx: dx && [dx, element], partial: [partial!, element] },
        // A parameter, because a software adapter would unroll a loop of known length, and compile it for a minute.
        params: { ...summed.params, groupRows: paramU32(size) },
        declarations: summed.declarations + total.declarations,
        main,
        workgroups: (live) => [Math.ceil(live(count) / size), 1, 1],
      }),
    ],
  };
}

/**
 * WGSL that makes `all` of every thread's `own`, a vec2f, in row `r` of a workgroup: with subgroups of a known size in one barrier, or in two.
 */
function totalOfThreads(threads: number, subgroupSize: number | null): { readonly declarations: string; readonly text: string } {
  if (subgroupSize !== null) {
    const parts = threads / subgroupSize;
    // Two rows take turns, so that a subgroup may begin the next row while another one still reads.
    return {
      declarations: `var<workgroup> joined: array<vec2f, ${2 * parts}>;\n`,
      text: wgsl`let part = subgroupAdd(own);
    let turn = r % 2u * ${parts}u;
    if (lane == 0u) { joined[turn + thread / ${subgroupSize}u] = part; }
    workgroupBarrier();
    let all = ${range(parts)
      .map((i) => `joined[turn + ${i}u]`)
      .join(" + ")};`,
    };
  }
  const parts = 16;
  return {
    declarations: `var<workgroup> joined: array<vec2f, ${threads}>;\nvar<workgroup> parts: array<vec2f, ${parts}>;\n`,
    text: wgsl`joined[thread] = own;
    workgroupBarrier();
    if (thread < ${parts}u) {
      var part = vec2f();
      for (var i = thread; i < ${threads}u; i += ${parts}u) { part += joined[i]; }
      parts[thread] = part;
    }
    workgroupBarrier();
    let all = ${range(parts)
      .map((i) => `parts[${i}]`)
      .join(" + ")};`,
  };
}

/** WGSL that reads what was written to `output` at `start + c`, or recomputes it if the stored value is rounded. */
function again(name: string, output: Type, expression: string): string {
  return output.dtype === "f16" ? expression : `${name}(start + c)`;
}

/**
 * WGSL `summed(index, column, stream)`, one vector of s = dropout(x) + residual, and its bindings. `afterwards` is the dropout factor of y.
 */
function summedInput(x: Tensor & Type, rest: readonly Tensor[], { residual, dropout }: Attributes) {
  const width = x.shape[1] as number;
  const { step, element, columns } = rowVectors(width);
  const dropped = dropout?.of === "x" ? `x(index) * ${dropoutOf(step)}(stream, column)` : "x(index)";
  const functions = wgsl`${dropout ? dropoutDeclarations : ""}
fn summed(index: u32, column: u32, stream: u32) -> T { return ${dropped}${residual ? " + residual(index)" : ""}; }
`;
  const reads: Bindings = {
    x: [x, element],
    residual: residual ? [rest[0]!, element] : undefined,
    tokens: dropout ? [rest.at(-1)!, "vec4u"] : undefined,
  };
  return {
    width,
    step,
    element,
    columns,
    reads,
    params: dropout ? dropoutParams(dropout) : {},
    functions,
    declarations: `alias T = ${element};\n${functions}`,
    stream: `let stream = ${dropout ? `dropoutRow(dropoutStep(), tokens[row].${tokenField.key})` : "0u"};`,
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
