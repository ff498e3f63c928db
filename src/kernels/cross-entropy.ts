/**
 * Cross-entropy of each row's softmax against one of its elements: the one on the diagonal, as in the InfoNCE loss of a batch, or the one
 * that a label names, as in masked language modelling.
 *
 *     loss[i] = log Σ_j exp(x[i, j]) − (1 − ε) · x[i, target(i)] − ε · mean_j x[i, j]
 *     dx[i, j] = (softmax(x[i])[j] − (1 − ε) · [j = target(i)] − ε / columns) · dLoss[i]
 *
 * ε smooths labels (Szegedy et al. 2016). A row may continue in a second matrix, the hard negatives, with a weight added to its diagonal.
 * They are two matrices, so that the live columns of each are at its beginning.
 */
import { OptionError, ShapeError } from "../errors.ts";
import type { Capabilities } from "../gpu/capabilities.ts";
import { wgsl } from "../gpu/shader.ts";
import { type Bindings, nan, paramF32, rows } from "./language/kernel.ts";
import {
  capacity,
  expectType,
  f32,
  formatShape,
  type Lowering,
  limitIndices,
  type Node,
  type Operation,
  type Type,
  type Value,
} from "./language/operation.ts";
import { type RowKernelDeclaration, rowKernel, rowVariant } from "./language/row-kernel.ts";

/** Options of `crossEntropy`. */
export interface CrossEntropyOptions {
  /** u32 [rows]: the correct column of each row; column i for row i if absent. */
  readonly labels?: Value;
  /** Additional columns that are never correct, f32 [rows, hard columns]. */
  readonly hard?: Value;
  /** Added to the diagonal of `hard`: the log of the weight of a row's own hard negative relative to the others. */
  readonly hardWeight?: number;
  /** ε; 0 if absent. */
  readonly smoothing?: number;
}

interface Attributes {
  readonly hasLabels: boolean;
  readonly hasHard: boolean;
  readonly hardWeight: number;
  readonly smoothing: number;
}

interface Inputs {
  readonly logits: Value;
  readonly labels: Value | undefined;
  readonly hard: Value | undefined;
}

function inputsOf({ inputs: [logits, ...more], attributes: { hasLabels, hasHard } }: Node<Attributes>, skipped = 0): Inputs {
  const rest = more.slice(skipped);
  return { logits: logits!, labels: hasLabels ? rest.shift() : undefined, hard: hasHard ? rest.shift() : undefined };
}

/** WGSL shared by both kernels: where rows begin, the number of columns, the target, and a hard negative's logit. */
function rowText({ logits, labels, hard }: Inputs): string {
  const columns = rows(logits.shape[1]!);
  const hardText = hard
    ? wgsl`let hardStart = row * ${capacity(hard.shape[1]!)}u;
  let hardColumns = ${rows(hard.shape[1]!)};`
    : "";
  return wgsl`let start = row * ${capacity(logits.shape[1]!)}u;
  let columns = ${columns};
  ${hardText}
  let share = params.smoothing / f32(columns${hard ? " + hardColumns" : ""});
  let wanted = ${labels ? "labels[row]" : "row"};
  // A target that is no column has no loss: NaN, and not what happens to lie there in memory.
  let missing = wanted >= columns;`;
}

const hardLogit = "hard(hardStart + c) + select(0.0, params.hardWeight, c == row)";

const params = ({ hardWeight, smoothing }: Attributes) => ({ hardWeight: paramF32(hardWeight), smoothing: paramF32(smoothing) });

const reads = ({ logits, labels, hard }: Inputs): Bindings => ({
  logits: [logits, "f32"],
  labels: labels && [labels, "u32"],
  hard: hard && [hard, "f32"],
});

const operation: Operation<Attributes> = {
  name: "crossEntropy",
  infer([logits, ...more], { hasLabels, hasHard }) {
    const [count, columns] = logits!.shape;
    expectType("crossEntropy", "logits", logits!, "f32", [count ?? null, null]);
    if (!hasLabels && typeof count === "number" && typeof columns === "number" && columns < count) {
      throw new ShapeError(
        `crossEntropy: without labels row i chooses column i, and ${formatShape(logits!.shape)} has fewer columns than rows.`,
        "Give labels, u32 [rows].",
      );
    }
    if (hasLabels) expectType("crossEntropy", "labels", more.shift()!, "u32", [count!]);
    if (hasHard) expectType("crossEntropy", "hard", more.shift()!, "f32", [count!, null]);
    return [f32(count!), f32(count!)];
  },
  lower(node, capabilities) {
    const inputs = inputsOf(node);
    const [loss, logSum] = node.outputs;
    const walk = (body: (logit: string) => string) => wgsl`
  for (var c = firstColumn; c < columns; c += columnStride) { ${body("logits(start + c)")} }${
    inputs.hard ? wgsl`\n  for (var c = firstColumn; c < hardColumns; c += columnStride) { ${body(hardLogit)} }` : ""
  }`;
    const smoothed = node.attributes.smoothing > 0;
    return lowering(capabilities, {
      label: "crossEntropy",
      rowCount: inputs.logits.shape[0]!,
      reads: reads(inputs),
      writes: { loss: [loss!, "f32"], logSum: [logSum!, "f32"] },
      params: params(node.attributes),
      main: wgsl`${rowText(inputs)}
  var highest = -1e30;${walk((logit) => `highest = max(highest, ${logit});`)}
  let offset = largest(highest);
  var sum = 0.0;${walk((logit) => `sum += exp(${logit} - offset);`)}
  let whole = offset + log(total(sum));
  ${smoothed ? wgsl`var plain = 0.0;${walk((logit) => `plain += ${logit} - offset;`)}\n  let even = total(plain);` : ""}
  if (firstColumn == 0u) {
    setLogSum(row, whole);
    let chosen = select(logits(start + min(wanted, columns - 1u)), ${nan("row")}, missing);
    setLoss(row, whole - chosen${smoothed ? " + params.smoothing * (chosen - offset) - share * even" : ""});
  }`,
    });
  },
  gradient(node, [dLoss]) {
    const { logits, labels, hard } = inputsOf(node);
    if (!dLoss) return node.inputs.map(() => null);
    const found = dLoss.tape.append(
      gradientOperation,
      [logits, dLoss, node.outputs[1]!, ...(labels ? [labels] : []), ...(hard ? [hard] : [])],
      node.attributes,
    );
    return [found[0]!, ...(labels ? [null] : []), ...(hard ? [found[1]!] : [])];
  },
};

const gradientOperation: Operation<Attributes> = {
  name: "crossEntropyGradient",
  infer: ([logits, , , ...more], { hasHard }): Type[] => [logits!, ...(hasHard ? [more.at(-1)!] : [])],
  lower(node, capabilities) {
    const inputs = inputsOf(node, 2);
    const [, dLoss, logSum] = node.inputs;
    const [dLogits, dHard] = node.outputs;
    return lowering(capabilities, {
      label: "crossEntropyGradient",
      rowCount: inputs.logits.shape[0]!,
      reads: { dLoss: [dLoss!, "f32"], logSum: [logSum!, "f32"], ...reads(inputs) },
      writes: { dLogits: [dLogits!, "f32"], dHard: dHard && [dHard, "f32"] },
      params: params(node.attributes),
      main: wgsl`${rowText(inputs)}
  let d = select(dLoss(row), ${nan("row")}, missing);
  for (var c = firstColumn; c < columns; c += columnStride) {
    let p = exp(logits(start + c) - logSum(row)) - share;
    setDLogits(start + c, (p - select(0.0, 1.0 - params.smoothing, c == wanted)) * d);
  }
  ${
    dHard
      ? wgsl`for (var c = firstColumn; c < hardColumns; c += columnStride) {
    setDHard(hardStart + c, (exp(${hardLogit} - logSum(row)) - share) * d);
  }`
      : ""
  }`,
    });
  },
};

function lowering(capabilities: Capabilities, declaration: RowKernelDeclaration): Lowering {
  return { variant: rowVariant(capabilities), kernels: [rowKernel(capabilities, declaration)] };
}

/**
 * f32 [rows]: the loss of each row of `logits` f32 [rows, columns]. Without labels column i is correct for row i, as in a batch of pairs,
 * so there must be at least as many columns as rows. A label out of range is refused if the host gives it; if the device computed it, the
 * row's loss and gradient are NaN.
 */
export function crossEntropy(logits: Value, { labels, hard, hardWeight = 0, smoothing = 0 }: CrossEntropyOptions = {}): Value {
  if (!(smoothing >= 0 && smoothing <= 1)) {
    throw new OptionError(`crossEntropy: smoothing is between 0 and 1, found ${smoothing}.`, "Give a number such as 0.1.");
  }
  if (labels) limitIndices(labels, { size: logits.shape[1]!, of: "columns of the logits" });
  const attributes = { hasLabels: labels !== undefined, hasHard: hard !== undefined, hardWeight, smoothing };
  return logits.tape.append(operation, [logits, ...(labels ? [labels] : []), ...(hard ? [hard] : [])], attributes)[0]!;
}
