/**
 * Where a program may be cut so that what it computes is used before it ends. Gradients become complete one after the other, those of the last
 * layers first and those of the embeddings last; their ranges can leave the device while the rest is computed.
 */
import { alignedForBinding, bindingAlignment } from "../gpu/device.ts";
import { bufferOf, byteSize, type Kernel, type Persistent, persistentOf } from "../kernels/language/operation.ts";
import type { Plan } from "./plan.ts";

/** A range of the tensor number `tensor` of a list: bytes `first` to before `end`, which a device can bind. */
export interface TensorRange {
  readonly tensor: number;
  readonly first: number;
  readonly end: number;
}

/** A range with the number of the plan's kernels after which nothing writes it. */
interface CompleteRange extends TensorRange {
  readonly after: number;
}

/** Ranges smaller than this part of a segment wait for their neighbours. */
const smallest = 1 / 4;

/**
 * The tensors in segments of about a `count`th of all bytes, in the order in which the program completes them. Each byte is in one segment.
 * There are fewer segments if a large part is complete at once. The tensors own their buffers.
 */
export function segmentsOf(plan: Plan, tensors: readonly Persistent[], count: number): TensorRange[][] {
  let left = completeRanges(plan, tensors);
  const enough = bytesOf(left) / count;
  const segments: TensorRange[][] = [];
  for (const after of [...new Set(left.map((range) => range.after))].sort((a, b) => a - b)) {
    const ready = joined(left.filter((range) => range.after <= after)).filter((range) => bytesOf([range]) >= enough * smallest);
    if (bytesOf(ready) < enough) continue;
    segments.push(ready);
    left = left.filter((range) => !ready.some((other) => overlaps(range, other)));
  }
  return left.length === 0 ? segments : [...segments, joined(left)];
}

/** For each segment, the number of the plan's kernels after which it and all segments before it are complete; ascending. */
export function segmentEnds(plan: Plan, tensors: readonly Persistent[], segments: readonly (readonly TensorRange[])[]): number[] {
  const complete = completeRanges(plan, tensors);
  let end = 0;
  return segments.map((segment) => {
    for (const { after, ...range } of complete) if (segment.some((own) => overlaps(range, own))) end = Math.max(end, after);
    return end;
  });
}

/** The tensors, cut wherever something that a kernel writes begins or ends. */
function completeRanges({ kernels }: Plan, tensors: readonly Persistent[]): CompleteRange[] {
  return tensors.flatMap((whole, tensor) => {
    const bytes = byteSize(whole);
    const writes = kernels.flatMap((kernel, i) => rangesWritten(kernel, whole).map((range) => ({ ...range, after: i + 1 })));
    const edges = [...new Set([0, bytes, ...writes.flatMap(({ first, end }) => [first, end])])].sort((a, b) => a - b);
    return edges.slice(1).map((end, i) => {
      const first = edges[i]!;
      return {
        tensor,
        first,
        end,
        after: Math.max(0, ...writes.filter((write) => write.first < end && first < write.end).map(({ after }) => after)),
      };
    });
  });
}

/** What a kernel may write of a tensor, with what is left until the next range can be bound. */
function rangesWritten({ bindings }: Kernel, whole: Persistent): { readonly first: number; readonly end: number }[] {
  return bindings.flatMap(({ tensor, access }) => {
    const written = persistentOf(tensor);
    if (access !== "read_write" || written === null || bufferOf(written) !== whole) return [];
    const offset = written.partOf?.offset ?? 0;
    const first = Math.floor(offset / bindingAlignment) * bindingAlignment;
    return [{ first, end: Math.min(alignedForBinding(offset + byteSize(written)), byteSize(whole)) }];
  });
}

const bytesOf = (ranges: readonly TensorRange[]) => ranges.reduce((sum, { first, end }) => sum + end - first, 0);

const overlaps = (a: TensorRange, b: TensorRange) => a.tensor === b.tensor && a.first < b.end && b.first < a.end;

/** Ranges in ascending order, with neighbours as one. */
function joined(ranges: readonly TensorRange[]): TensorRange[] {
  const all: TensorRange[] = [];
  for (const { tensor, first, end } of ranges) {
    const before = all.at(-1);
    if (before?.tensor === tensor && before.end === first) all[all.length - 1] = { ...before, end };
    else all.push({ tensor, first, end });
  }
  return all;
}
