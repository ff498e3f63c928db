/**
 * Reverse-mode differentiation: walks the tape backwards and appends the adjoint operations to the same tape. The walk skips nodes that no
 * parameter's gradient needs, and the planner drops unused results.
 */
import { ShapeError } from "../errors.ts";
import { copyInto } from "../kernels/copy.ts";
import { fill } from "../kernels/fill.ts";
import { absorb, elementCount, expectType, formatShape, type Node, type Persistent, type Value } from "../kernels/language/operation.ts";
import { addInto } from "../kernels/optimizer/accumulate.ts";
import { lossScale } from "../kernels/optimizer/optimizer-state.ts";
import { add } from "../kernels/pointwise/pointwise.ts";
import { Recomputation } from "./recomputation.ts";
import type { Tape } from "./tape.ts";

/** Options of `gradient`. */
export interface GradientOptions {
  /** The optimiser state that holds the loss scale; all gradients are multiplied by it. */
  readonly scaledBy?: Persistent | null;
  /** The gradient that the walk starts with instead of 1. `loss` may then have any shape; the seed has the same one. */
  readonly seed?: Value;
  /** Add to the persistent gradients instead of replacing them; false if absent. */
  readonly accumulate?: boolean;
}

/**
 * The gradient of a scalar `loss` (f32 [1]) with respect to each of `parameters`, in their order; null where the loss does not depend on
 * one. If a parameter has a persistent gradient tensor, the gradient is written or added there. If it has an f16 copy, its gradient is the
 * sum over both.
 */
export function gradient(
  tape: Tape,
  loss: Value,
  parameters: readonly Persistent[],
  { scaledBy = null, seed: given, accumulate = false }: GradientOptions = {},
): (Value | null)[] {
  tape.use(loss);
  if (given === undefined && elementCount(loss.shape) !== 1) {
    throw new ShapeError(`The loss must be one number, found ${formatShape(loss.shape)}.`, "Reduce it with mean first.");
  }
  if (given !== undefined) expectType("gradient", "seed", tape.use(given), "float", loss.shape);
  const recorded = tape.nodes.slice();
  const recomputation = new Recomputation(tape);
  const uses = parameters.map((parameter) =>
    [parameter, parameter.half].filter((stored) => stored !== undefined).map((stored) => tape.use(stored)),
  );
  const active = dependents(tape, uses.flat());
  const seed = given ?? (scaledBy ? lossScale(tape, scaledBy) : fill(tape, loss.shape, 1));
  const gradients = new Map<Value, Value>([[loss, seed]]);
  const sums = new Sums(accumulate ? [] : sharedParameters(recorded, parameters, uses));
  const complete = parameters.map((): Value | null => null);
  const keep = (i: number) => {
    const target = parameters[i]!.gradient;
    if (target !== undefined && sums.hold(target)) {
      complete[i] = tape.use(target);
      return;
    }
    const found = uses[i]!.map((use) => gradients.get(use)).filter((value) => value !== undefined);
    if (found.length === 0) return;
    const value = found.reduce(add);
    if (target !== undefined) (accumulate ? addInto : place)(value, target);
    complete[i] = value;
  };
  // The walk ends with the first node that reads a parameter: its gradient is complete then. Kept at once, it leaves its memory to others.
  const firstReaders = uses.map((own) => recorded.findIndex(({ inputs }) => inputs.some((input) => own.includes(input))));
  const keepReadFirstBy = (index: number) => {
    for (const [i, first] of firstReaders.entries()) if (first === index) keep(i);
  };
  for (const [index, node] of [...recorded.entries()].reverse()) {
    if (node.outputs.some((output) => active.has(output) && gradients.has(output))) {
      const outputGradients = node.outputs.map((output) => gradients.get(output) ?? null);
      addContributions(tape, node, recomputation.of(index), outputGradients, { active, gradients, sums });
    }
    keepReadFirstBy(index);
  }
  keepReadFirstBy(noNode);
  return complete;
}

/** The index of the first reader of a parameter that no node reads: the loss itself. */
const noNode = -1;

/**
 * Asks a node for its inputs' gradients and adds them to the gradients that the inputs already have. The gradient rule reads `computed`:
 * the node itself, or its recomputed copy.
 */
function addContributions(
  tape: Tape,
  node: Node,
  computed: Node,
  outputGradients: readonly (Value | null)[],
  { active, gradients, sums }: { readonly active: ReadonlySet<Value>; readonly gradients: Map<Value, Value>; readonly sums: Sums },
): void {
  const { operation, inputs } = node;
  if (operation.gradient === undefined) {
    throw new ShapeError(`${operation.name} cannot be differentiated.`, "Keep it out of the loss, or give the operation a gradient rule.");
  }
  const before = tape.nodes.length;
  const contributions = operation.gradient(computed, outputGradients);
  const fresh = new Set(tape.nodes.slice(before).flatMap(({ outputs }) => outputs));
  contributions.forEach((contribution, i) => {
    const input = inputs[i]!;
    if (contribution === null || !active.has(input)) return;
    // Only this node created it, and nothing else reads it.
    const isOwn = fresh.has(contribution) && contributions.filter((other) => other === contribution).length === 1;
    if (sums.take(input, contribution, isOwn)) return;
    const sum = gradients.get(input);
    // Then it can add the accumulated sum in its own kernel.
    const added = sum && isOwn ? absorb(contribution, { kind: "add", addend: sum }) : null;
    gradients.set(input, sum === undefined ? contribution : (added ?? add(sum, contribution)));
  });
}

/** The parameters that several nodes read and whose gradient has a place: by what stands for them on the tape. */
function sharedParameters(
  nodes: readonly Node[],
  parameters: readonly Persistent[],
  uses: readonly (readonly Value[])[],
): (readonly [Value, Persistent])[] {
  const readers = new Map<Value, number>();
  for (const input of nodes.flatMap(({ inputs }) => inputs)) readers.set(input, (readers.get(input) ?? 0) + 1);
  return parameters.flatMap(({ gradient: target }, i) => {
    const own = uses[i]!;
    const isShared = own.reduce((sum, use) => sum + (readers.get(use) ?? 0), 0) > 1;
    return target !== undefined && isShared ? own.map((use) => [use, target] as const) : [];
  });
}

/**
 * Gradients that are summed up where they are kept: the first contribution is written there, and the others are added, in the kernels that
 * compute them if these can (`additions.ts`). So a sum takes no memory and no dispatches of its own.
 */
class Sums {
  readonly #targets: ReadonlyMap<Value, Persistent>;
  readonly #begun = new Set<Persistent>();

  constructor(targets: readonly (readonly [Value, Persistent])[]) {
    this.#targets = new Map(targets);
  }

  /** Whether something is there. */
  hold(target: Persistent): boolean {
    return this.#begun.has(target);
  }

  /** Takes a contribution to the gradient of `use`, if that is summed up here. One that is not `isOwn` is read elsewhere too. */
  take(use: Value, contribution: Value, isOwn: boolean): boolean {
    const target = this.#targets.get(use);
    if (target === undefined) return false;
    if (this.#begun.has(target)) addInto(contribution, target);
    else if (isOwn) place(contribution, target);
    else copyInto(contribution, target);
    this.#begun.add(target);
    return true;
  }
}

/** The parameters' values and every value computed from them. */
function dependents(tape: Tape, parameters: readonly Value[]): Set<Value> {
  const active = new Set(parameters);
  for (const node of tape.nodes) {
    if (node.inputs.some((input) => active.has(input))) for (const output of node.outputs) active.add(output);
  }
  return active;
}

/** Computes `value` directly into `target` where possible, otherwise copies it there. */
function place(value: Value, target: Persistent): void {
  const free = value.node !== null && value.persistent === null && value.base === null;
  if (free) value.persistent = target;
  else copyInto(value, target);
}
