/**
 * Puts nodes that do not depend on each other into one dispatch, where their operation can (`Operation.grouping`): the gradients of a
 * layer's weights. Nothing reads them before the backward pass ends, so they may wait for each other. The operands wait with them, which takes
 * about as much memory as the parts of split products take otherwise.
 */
import type { Capabilities } from "../gpu/capabilities.ts";
import { bufferOf, type Node, persistentOf, rootOf, type Value } from "../kernels/language/operation.ts";
import type { Tape } from "./tape.ts";

/**
 * `nodes` of the tape, with those of a group replaced by one in the place of the last. What only adds or copies a result to a gradient comes
 * after it. Nodes before and after the tape's pause stay apart.
 */
export function groupNodes(tape: Tape, nodes: readonly Node[], capabilities: Capabilities): readonly Node[] {
  // A CPU gains nothing from it, and where parts are recomputed to save memory, operands that wait would take it (13% for BERT-base).
  if (capabilities.software || tape.recomputedParts.length > 0) return nodes;
  const inPlace = new Map<Node, readonly Node[]>();
  for (const { members, followers } of groupsOf(tape, nodes, capabilities)) {
    const together = members.length > 1 ? members[0]!.operation.grouping!.together(members) : null;
    if (together === null) continue;
    const last = nodes.indexOf(members.at(-1)!);
    const delayed = followers.filter((node) => nodes.indexOf(node) < last);
    for (const node of [...members, ...delayed]) inPlace.set(node, []);
    inPlace.set(nodes[last]!, [together, ...delayed]);
  }
  return nodes.flatMap((node) => inPlace.get(node) ?? [node]);
}

interface Group {
  /** Nodes that may be one. */
  readonly members: Node[];
  /** Nodes between them that need a result, but can wait: they only write to persistent tensors. */
  readonly followers: Node[];
}

function groupsOf(tape: Tape, nodes: readonly Node[], capabilities: Capabilities): readonly Group[] {
  const beforePause = tape.valuesBeforePause();
  const groups: Group[] = [];
  /** Groups that may grow, by kind. */
  const open = new Map<string, Group>();
  for (const node of nodes) {
    const { grouping } = node.operation;
    const own = grouping?.kind(node, capabilities) ?? null;
    const needed = [...open].filter(([, { members, followers }]) =>
      [...members, ...followers].some((waiting) => mustFollow(node, waiting)),
    );
    const canWait = own === null && needed.length === 1 && node.outputs.every(({ persistent }) => persistent !== null);
    for (const [kind, { followers }] of needed) {
      if (canWait) followers.push(node);
      else open.delete(kind);
    }
    if (own === null) continue;
    const kind = `${node.outputs.some((output) => beforePause.has(output))} ${own}`;
    const group = open.get(kind);
    if (group !== undefined && group.members.length < grouping!.most(node, capabilities)) group.members.push(node);
    else {
      const fresh = { members: [node], followers: [] };
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
