/**
 * Has gradients added where they are computed. A chunk of a batch adds its gradients to those of the chunks before it, and layers that share
 * a parameter add theirs to one sum. As recorded, one node computes a gradient and another one adds it (`addInto`). Here the first one adds,
 * and the second one goes. So the gradient itself is never stored, and products and joins share dispatches as they do where nothing is added.
 * What is added, and in which order, stays the same.
 */
import { bufferOf, type Node, type Persistent, persistentOf, rootOf, type Value } from "../kernels/language/operation.ts";
import type { Tape } from "./tape.ts";

/** `nodes` of the tape without those that only add a value, where the node that computes it can. `outputs` are read by the host. */
export function addWhereComputed(tape: Tape, nodes: readonly Node[], outputs: readonly Value[]): readonly Node[] {
  const readers = new Map<Value, number>();
  for (const value of [...outputs, ...nodes.flatMap(({ inputs }) => inputs)]) readers.set(value, (readers.get(value) ?? 0) + 1);
  const beforePause = tape.valuesBeforePause();
  const sums = new Map<Value, Value>();
  const kept = nodes.filter((node, at) => {
    const [sum] = node.outputs;
    const [value] = node.inputs;
    if (!sum?.adds || !value?.node?.operation.writesOnce || value.persistent !== null || readers.get(value) !== 1) return true;
    if (beforePause.has(value) !== beforePause.has(sum)) return true;
    const target = persistentOf(sum)!;
    if (nodes.slice(nodes.indexOf(value.node), at).some((between) => touches(between, target))) return true;
    sums.set(value, sum);
    return false;
  });
  const sumOf = (value: Value) => sums.get(value) ?? value;
  return kept.map((node) => (node.outputs.some((output) => sums.has(output)) ? { ...node, outputs: node.outputs.map(sumOf) } : node));
}

/** Whether a node reads the buffer of a tensor, or writes the tensor. */
function touches({ inputs, outputs }: Node, target: Persistent): boolean {
  const reads = inputs.map(persistentOf).filter((tensor) => tensor !== null);
  return reads.some((tensor) => bufferOf(tensor) === bufferOf(target)) || outputs.some((output) => rootOf(output) === target);
}
