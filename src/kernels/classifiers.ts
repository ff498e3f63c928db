/**
 * Many small softmax classifiers over the same frozen features, trained together: one for each fold of a cross-validation and each strength
 * of regularisation. Classifier k has rows k·C … k·C+C−1 of one weight matrix. So the logits of a minibatch for all classifiers are one
 * matrix product, and so is the gradient. This file has the operations between these products. Sums are f32, in the order of the rows.
 *
 * All classifiers see the same minibatch, and each ignores the rows that its fold holds out. A table has each row's role in each fold, two
 * bits each: 16 folds per word.
 */
import { wgsl } from "../gpu/shader.ts";
import { type KernelDeclaration, kernel, pointKernel, rows, scalar, threadsPerWorkgroup, vector, vectorWidth } from "./language/kernel.ts";
import {
  capacity,
  expectType,
  type Kernel,
  type Operand,
  type Operation,
  type Persistent,
  type Scalar,
  type Type,
  u32,
  type Value,
} from "./language/operation.ts";

/** The role of a row in a fold. */
export const role = { none: 0, train: 1, dev: 2, test: 3 } as const;

const bitsPerRole = 2;
const foldsPerWord = 32 / bitsPerRole;

/** The table of roles of `rows` rows in `folds` folds. */
export const roleTable = (rows: number, folds: number): Type & { readonly shape: readonly number[] } => ({
  dtype: "u32",
  shape: [rows, Math.ceil(folds / foldsPerWord)],
});

/** Sets the role of a row in a fold, in a zeroed table with `width` words per row. */
export function setRole(table: Uint32Array, width: number, row: number, fold: number, value: number): void {
  table[row * width + Math.floor(fold / foldsPerWord)]! |= value << ((fold % foldsPerWord) * bitsPerRole);
}

/** Tables that describe the rows and the classifiers still in training. */
export interface ClassifierTables {
  /** u32 [all rows]: each row's class. */
  readonly labels: Operand;
  /** `roleTable`. */
  readonly roles: Operand;
  /** u32 [minibatch]: the rows of this step. */
  readonly batch: Value;
  /** u32 [classifiers]: each classifier's fold. */
  readonly folds: Value;
}

/** WGSL for a thread that handles one classifier: `classifier`, the row's role in its `fold`, and the class that a row's logits predict. */
function classifierKernel(declaration: {
  label: string;
  logits: Value;
  tables: readonly Value[];
  writes: KernelDeclaration["writes"] & object;
  classes: number;
  main: string;
}): Kernel {
  const { label, logits, tables, writes, classes, main } = declaration;
  const [labels, roles, batch, folds] = tables;
  const [count] = folds!.shape;
  return kernel({
    label,
    workgroupSize: [threadsPerWorkgroup],
    reads: { logits: [logits, "f32"], labels: [labels!, "u32"], roles: [roles!, "u32"], batch: [batch!, "u32"], folds: [folds!, "u32"] },
    writes,
    declarations: wgsl`
fn roleOf(row: u32, fold: u32) -> u32 {
  return (roles[row * ${roles!.shape[1] as number}u + fold / ${foldsPerWord}u] >> (fold % ${foldsPerWord}u * ${bitsPerRole}u)) & 3u;
}
fn start(r: u32, classifier: u32) -> u32 { return r * ${capacity(logits.shape[1]!)}u + classifier * ${classes}u; }
`,
    main: wgsl`let classifier = group.x * ${threadsPerWorkgroup}u + thread;
  if (classifier >= ${rows(count!)}) { return; }
  let fold = folds[classifier];
  let batchRows = ${rows(batch!.shape[0]!)};
  ${main}`,
    workgroups: (live) => [Math.ceil(live(count!) / threadsPerWorkgroup), 1, 1],
  });
}

function checkTables(name: string, [logits, labels, roles, batch, folds]: readonly Type[], classes: number): void {
  const [batchRows, outputs] = logits!.shape;
  expectType(name, "logits", logits!, "f32", [batchRows!, outputs!]);
  expectType(name, "labels", labels!, "u32", [null]);
  expectType(name, "roles", roles!, "u32", [labels!.shape[0]!, null]);
  expectType(name, "batch", batch!, "u32", [batchRows!]);
  expectType(name, "folds", folds!, "u32", [null]);
  if (capacity(outputs!) !== capacity(folds!.shape[0]!) * classes) {
    expectType(name, "logits", logits!, "f32", [batchRows!, capacity(folds!.shape[0]!) * classes]);
  }
}

const gradient: Operation<{ classes: number }> = {
  name: "classifierGradient",
  infer(inputs, { classes }) {
    checkTables("classifierGradient", inputs, classes);
    return [inputs[0]!];
  },
  lower({ inputs: [logits, ...tables], outputs: [delta], attributes: { classes } }) {
    return {
      variant: "a thread a classifier",
      kernels: [
        classifierKernel({
          label: "classifierGradient",
          logits: logits!,
          tables,
          writes: { delta: [delta!, "f32"] },
          classes,
          main: wgsl`var own = 0.0;
  for (var r = 0u; r < batchRows; r++) { own += select(0.0, 1.0, roleOf(batch[r], fold) == ${role.train}u); }
  let share = 1.0 / max(own, 1.0);
  for (var r = 0u; r < batchRows; r++) {
    let row = batch[r];
    let at = start(r, classifier);
    let weight = select(0.0, share, roleOf(row, fold) == ${role.train}u);
    var highest = logits(at);
    for (var c = 1u; c < ${classes}u; c++) { highest = max(highest, logits(at + c)); }
    var sum = 0.0;
    for (var c = 0u; c < ${classes}u; c++) { sum += exp(logits(at + c) - highest); }
    for (var c = 0u; c < ${classes}u; c++) {
      setDelta(at + c, (exp(logits(at + c) - highest) / sum - select(0.0, 1.0, c == labels[row])) * weight);
    }
  }`,
        }),
      ],
    };
  },
};

/**
 * f32 [minibatch, classifiers · classes]: the gradient, with respect to the logits, of each classifier's mean cross-entropy over the rows of the
 * minibatch that its fold trains on; zero for the others.
 */
export function classifierGradient(logits: Value, { labels, roles, batch, folds }: ClassifierTables, classes: number): Value {
  return logits.tape.append(gradient, [logits, labels, roles, batch, folds], { classes })[0]!;
}

const tally: Operation<{ classes: number }> = {
  name: "tallyClassifiers",
  infer(inputs, { classes }) {
    checkTables("tallyClassifiers", inputs, classes);
    return [u32(capacity(inputs[4]!.shape[0]!), 4)];
  },
  lower({ inputs: [logits, ...tables], outputs: [counts], attributes: { classes } }) {
    return {
      variant: "a thread a classifier",
      kernels: [
        classifierKernel({
          label: "tallyClassifiers",
          logits: logits!,
          tables,
          writes: { counts: [counts!, "vec4u"] },
          classes,
          main: wgsl`var count = select(counts[classifier], vec4u(), stepNumber() == 0u);
  for (var r = 0u; r < batchRows; r++) {
    let row = batch[r];
    let part = roleOf(row, fold);
    if (part < ${role.dev}u) { continue; }
    let at = start(r, classifier);
    var choice = 0u;
    var highest = logits(at);
    for (var c = 1u; c < ${classes}u; c++) {
      if (logits(at + c) > highest) { choice = c; highest = logits(at + c); }
    }
    let right = choice == labels[row];
    if (part == ${role.dev}u) { count.x += select(0u, 1u, right); }
    else { count += vec4u(0u, select(0u, 1u, right), select(0u, 1u, choice == 1u), select(0u, 1u, right && choice == 1u)); }
  }
  counts[classifier] = count;`,
        }),
      ],
    };
  },
};

/** The type of the counts of `tallyClassifiers`. */
export const tallyTable = (classifiers: number): Type & { readonly shape: readonly number[] } => ({
  dtype: "u32",
  shape: [classifiers, 4],
});

/**
 * Adds each classifier's results on the minibatch to `counts` u32 [classifiers, 4]: correct dev rows, correct test rows, test rows
 * predicted as class 1, and how many of these are class 1. Step 0 starts from zero.
 */
export function tallyClassifiers(
  logits: Value,
  { labels, roles, batch, folds }: ClassifierTables,
  counts: Persistent,
  classes: number,
): void {
  logits.tape.update(tally, [logits, labels, roles, batch, folds], [counts], { classes });
}

/** The optimisers that classifiers are trained with. */
export type UpdateRule = "adam" | "rmsprop";

/** PyTorch's defaults of Adam. */
const adamDefaults = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, learningRate: 1e-3 } as const;
/** PyTorch's defaults of RMSprop. */
const rmspropDefaults = { alpha: 0.99, epsilon: 1e-8, learningRate: 1e-2 } as const;

interface Update {
  readonly rule: UpdateRule;
  readonly classes: number;
  readonly firstCorrection: Scalar;
  readonly secondCorrection: Scalar;
}

/** How `first`, `second` and `weights` change for a gradient `g`. */
const rules: Record<UpdateRule, (update: Update) => string> = {
  adam: ({ firstCorrection, secondCorrection }) => wgsl`let m = ${adamDefaults.beta1} * first(index) + (1.0 - ${adamDefaults.beta1}) * g;
  let v = ${adamDefaults.beta2} * second(index) + (1.0 - ${adamDefaults.beta2}) * g * g;
  setFirst(index, m);
  setSecond(index, v);
  setWeights(index, weights(index) - ${scalar(firstCorrection)} * m / (sqrt(v) * ${scalar(secondCorrection)} + ${adamDefaults.epsilon}));`,
  rmsprop: () => wgsl`let v = ${rmspropDefaults.alpha} * second(index) + (1.0 - ${rmspropDefaults.alpha}) * g * g;
  setSecond(index, v);
  setWeights(index, weights(index) - ${rmspropDefaults.learningRate} * g / (sqrt(v) + ${rmspropDefaults.epsilon}));`,
};

const update: Operation<Update> = {
  name: "classifierUpdate",
  infer([gradient, strengths, weights], { classes }) {
    expectType("classifierUpdate", "gradient", gradient!, "f32", [gradient!.shape[0]!, weights!.shape[1]!]);
    expectType("classifierUpdate", "strengths", strengths!, "f32", [null]);
    expectType("classifierUpdate", "weights", weights!, "f32", [capacity(strengths!.shape[0]!) * classes, null]);
    return [weights!, weights!, weights!];
  },
  lower({ inputs: [gradient, strengths], outputs: [weights, first, second], attributes }) {
    const width = vectorWidth(weights!.shape[1] as number);
    const element = vector(width);
    return {
      variant: `${attributes.rule} ×${width}`,
      kernels: [
        pointKernel({
          label: `classifierUpdate ${attributes.rule}`,
          over: gradient!,
          width,
          reads: { gradient: [gradient!, element], strengths: [strengths!, "f32"] },
          writes: {
            weights: [weights!, element],
            first: attributes.rule === "adam" ? [first!, element] : undefined,
            second: [second!, element],
          },
          main: wgsl`let g = gradient(index) + strengths(row / ${attributes.classes}u) * weights(index);
  ${rules[attributes.rule](attributes)}`,
        }),
      ],
    };
  },
};

/** All f32 [classifiers · classes, features]. */
export interface ClassifierState {
  readonly weights: Persistent;
  readonly first: Persistent;
  readonly second: Persistent;
}

/**
 * Moves the weights of the live classifiers by `gradient` f32 [live classifiers · classes, features] and by the strength of regularisation
 * that `strengths` f32 [classifiers] gives each, with Adam (Kingma & Ba 2015) or RMSprop (Hinton 2012) as in PyTorch. Adam's step needs the
 * scalars of `adamCorrections`.
 */
export function classifierUpdate(gradient: Value, strengths: Value, { weights, first, second }: ClassifierState, attributes: Update): void {
  gradient.tape.update(update, [gradient, strengths, weights], [weights, first, second], attributes);
}

/** lr / (1 − β1ᵗ) and 1 / √(1 − β2ᵗ) of Adam's update `t`, counted from 1, in double precision. */
export function adamCorrections(t: number): { firstCorrection: number; secondCorrection: number } {
  const { beta1, beta2, learningRate } = adamDefaults;
  return { firstCorrection: learningRate / (1 - beta1 ** t), secondCorrection: 1 / Math.sqrt(1 - beta2 ** t) };
}
