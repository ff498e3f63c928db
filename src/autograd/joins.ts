/**
 * Does the joins of several nodes in one dispatch. Split products and the gradients of norms and biases end with a small kernel that adds up
 * partial sums in a fixed order. A layer has ten of these, and each is short, so a GPU spends more time between them than in them. Where
 * the results are gradients, which nothing reads before the backward pass ends, the planner delays the joins and does those of a layer
 * in one or two dispatches. The order of the sums stays the same.
 *
 * Partial sums that are joined together lie in one buffer, because a kernel can only bind a few.
 */
import type { Limits } from "../gpu/capabilities.ts";
import { alignedForBinding } from "../gpu/device.ts";
import {
  bufferOf,
  byteSize,
  type Kernel,
  type Lowering,
  type Node,
  type PartOf,
  persistentOf,
  rootOf,
  Scratch,
  type Tensor,
} from "../kernels/language/operation.ts";
import { type GroupedJoin, joinTogether } from "../kernels/language/part-sums.ts";
import { needsWindows } from "../kernels/language/windows.ts";

/** The most bytes of partial sums that wait. A layer of BERT-base has 66 MB in f32; waiting for 60 MiB takes five dispatches more and 55 MB less. */
const mostBytes = 80 * 2 ** 20;
/** The most joins in one dispatch, whose numbers are uniforms. */
const mostJoins = 24;
/** The most arenas that a dispatch writes, beside the sums that it reads. */
const mostTargets = 3;

interface PlannedStep {
  readonly node: Node;
  readonly lowering: Lowering;
}

/** The steps with their joins done together, and where the partial sums lie. */
export interface GroupedSteps<S> {
  readonly steps: readonly S[];
  readonly within: ReadonlyMap<Tensor, PartOf<Scratch>>;
}

/** Delays the joins of `steps` as long as nothing reads their results. Those before and after `pausedAt`, a number of steps, stay apart. */
export function groupJoins<S extends PlannedStep>(
  steps: readonly S[],
  pausedAt: number,
  { maxStorageBufferBindingSize }: Limits,
): GroupedSteps<S> {
  const lowerings = steps.map(({ lowering }) => lowering);
  const within = new Map<Tensor, PartOf<Scratch>>();
  const most = Math.min(mostBytes, maxStorageBufferBindingSize);
  let group = new Group();
  const close = () => {
    if (group.size > 1) group.place(lowerings, within);
    group = new Group();
  };
  for (const [at, { node, lowering }] of steps.entries()) {
    if (at === pausedAt || group.isTouchedBy(node)) close();
    for (const kernel of lowering.kernels) {
      const joins = joinsOf(kernel, maxStorageBufferBindingSize);
      if (joins === null) continue;
      if (!group.hasRoom(joins, most)) close();
      if (group.hasRoom(joins, most)) group.add(at, kernel, joins);
    }
  }
  close();
  return { steps: steps.map((step, at) => ({ ...step, lowering: lowerings[at]! })), within };
}

/** A kernel's joins if they may be delayed: they write only gradients, in arenas that a kernel can bind. */
function joinsOf({ joins }: Kernel, largestBinding: number): readonly GroupedJoin[] | null {
  if (joins === undefined) return null;
  const grouped = joins.map((join): GroupedJoin | null => {
    const part = persistentOf(join.output)?.partOf;
    return part === undefined || needsWindows(part.whole, largestBinding) ? null : { ...join, target: part.whole, offset: part.offset };
  });
  return grouped.every((join) => join !== null) ? grouped : null;
}

/** Joins that wait. */
class Group {
  readonly #members: { readonly at: number; readonly kernel: Kernel; readonly joins: readonly GroupedJoin[] }[] = [];

  get size(): number {
    return this.#members.length;
  }

  get #joins(): readonly GroupedJoin[] {
    return this.#members.flatMap(({ joins }) => joins);
  }

  add(at: number, kernel: Kernel, joins: readonly GroupedJoin[]): void {
    this.#members.push({ at, kernel, joins });
  }

  hasRoom(joins: readonly GroupedJoin[], most: number): boolean {
    const all = [...this.#joins, ...joins];
    const bytes = [...new Set(all.map(({ sums }) => sums))].reduce((total, sums) => total + alignedForBinding(byteSize(sums)), 0);
    return bytes <= most && all.length <= mostJoins && new Set(all.map(({ target }) => target)).size <= mostTargets;
  }

  /** Whether a node needs a result: it reads an arena that the joins write, or a tensor that they write. */
  isTouchedBy({ inputs, outputs }: Node): boolean {
    const waiting = this.#joins;
    const reads = inputs.map(persistentOf).filter((tensor) => tensor !== null);
    const writes = outputs.map(persistentOf);
    const arenas = new Set(reads.map(bufferOf));
    return waiting.some(
      ({ target, output }) => arenas.has(target) || writes.some((written) => written === target || written === rootOf(output)),
    );
  }

  /** Removes the joins from their lowerings, and adds one kernel for all to the last of these. */
  place(lowerings: Lowering[], within: Map<Tensor, PartOf<Scratch>>): void {
    const sums = [...new Set(this.#joins.map((join) => rootOf(join.sums)))];
    const offsets = new Map<Tensor, number>();
    let bytes = 0;
    for (const own of sums) {
      offsets.set(own, bytes);
      bytes += alignedForBinding(byteSize(own));
    }
    const whole = new Scratch("f32", [bytes / 4]);
    for (const [own, offset] of offsets) within.set(own, { whole, offset });
    const joins = this.#joins.map((join) => ({ ...join, first: join.first + offsets.get(rootOf(join.sums))! / 4 }));
    const removed = new Set(this.#members.map(({ kernel }) => kernel));
    const last = this.#members.at(-1)!.at;
    for (const at of new Set(this.#members.map((member) => member.at))) {
      const { kernels, scratch = [], ...lowering } = lowerings[at]!;
      const kept = kernels.filter((kernel) => !removed.has(kernel));
      lowerings[at] = {
        ...lowering,
        kernels: at === last ? [...kept, joinTogether(whole, joins)] : kept,
        scratch: [...scratch, whole],
      };
    }
  }
}
