/**
 * Puts nodes that do not depend on each other into one dispatch, where their operation can (`Operation.grouping`): the gradients of a
 * layer's weights. Nothing reads them before the backward pass ends, so they may wait for each other. The operands wait with them, which takes
 * about as much memory as the parts of split products take otherwise.
 */
import type { Capabilities } from "../gpu/capabilities.ts";
import { type Node, rootOf, type Value } from "../kernels/language/operation.ts";
import { bufferOf, persistentOf } from "./aliases.ts";
import type { Tape } from "./tape.ts";

/** `nodes` of the tape, with those of a group replaced by one in the place of the last. Nodes before and after the tape's pause stay apart. */
export function groupNodes(tape: Tape, nodes: readonly Node[], capabilities: Capabilities): readonly Node[] {
  // A CPU gains nothing from it.
  if (capabilities.software) return nodes;
  const inPlace = new Map<Node, readonly Node[]>();
  for (const group of groupsOf(tape, nodes, capabilities)) {
    const together = group.length > 1 ? group[0]!.operation.grouping!.together(group) : null;
    if (together === null) continue;
    for (const node of group) inPlace.set(node, []);
    inPlace.set(group.at(-1)!, [together]);
  }
  return nodes.flatMap((node) => inPlace.get(node) ?? [node]);
}

/** Nodes that may be one. */
function groupsOf(tape: Tape, nodes: readonly Node[], capabilities: Capabilities): readonly (readonly Node[])[] {
  const beforePause = new Set(tape.nodes.slice(0, tape.pausedAt ?? 0).flatMap(({ outputs }) => outputs));
  const groups: Node[][] = [];
  /** Groups that may grow, by kind. */
  const open = new Map<string, Node[]>();
  for (const node of nodes) {
    for (const [kind, group] of open) if (group.some((waiting) => mustFollow(node, waiting))) open.delete(kind);
    const { grouping } = node.operation;
    const own = grouping?.kind(node, capabilities) ?? null;
    if (own === null) continue;
    const kind = `${node.outputs.some((output) => beforePause.has(output))} ${own}`;
    const group = open.get(kind);
    if (group !== undefined && group.length < grouping!.most(node, capabilities)) group.push(node);
    else {
      const fresh = [node];
      groups.push(fresh);
      open.set(kind, fresh);
    }
  }
  return groups;
}

/** Whether a node reads or writes what the other one writes, or writes what it reads. */
function mustFollow(node: Node, waiting: Node): boolean {
  const reads = node.inputs.map(memoryOf);
  const writes = node.outputs.map(memoryOf);
  const written = new Set(waiting.outputs.map(memoryOf));
  const read = new Set(waiting.inputs.map(memoryOf));
  const tensors = waiting.outputs.map(rootOf);
  return (
    reads.some((memory) => written.has(memory)) ||
    writes.some((memory) => read.has(memory)) ||
    node.outputs.some((output) => tensors.includes(rootOf(output)))
  );
}

/** What a value is kept in: the buffer of a persistent tensor, or the value itself. */
function memoryOf(value: Value) {
  const persistent = persistentOf(value);
  return persistent === null ? rootOf(value) : bufferOf(persistent);
}
