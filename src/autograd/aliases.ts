/**
 * WebGPU refuses a dispatch that reads a buffer through one binding and writes it through another, even where the two windows do not overlap. Gradients of
 * several parameters lie in one arena, so a gradient that is computed from another one would be such a dispatch. Here it reads a copy.
 */
import { copy } from "../kernels/copy.ts";
import { type Node, type Persistent, rootOf, Scratch, Value } from "../kernels/language/operation.ts";

/** The persistent tensor that a value's memory belongs to; null for memory of the plan. */
function persistentOf(value: Value): Persistent | null {
  const root = rootOf(value);
  return root instanceof Value || root instanceof Scratch ? null : root;
}

/** The tensor that has the buffer. */
const bufferOf = (tensor: Persistent): Persistent => tensor.partOf ?? tensor;

/**
 * The nodes with copies before those that would read a buffer which they write: inputs that lie in the buffer of an output without being that output. A node
 * may read what it updates in place.
 */
export function withoutAliases(nodes: readonly Node[]): Node[] {
  return nodes.flatMap((node) => {
    const written = node.outputs.map(persistentOf).filter((tensor) => tensor !== null);
    const buffers = new Set(written.map(bufferOf));
    const isAlias = (input: Value) => {
      const tensor = persistentOf(input);
      return tensor !== null && buffers.has(bufferOf(tensor)) && !written.includes(tensor);
    };
    const copies = new Map([...new Set(node.inputs.filter(isAlias))].map((input) => [input, copy(input)] as const));
    if (copies.size === 0) return [node];
    return [...[...copies.values()].map(({ node }) => node!), { ...node, inputs: node.inputs.map((input) => copies.get(input) ?? input) }];
  });
}
