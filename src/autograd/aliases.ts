/**
 * WebGPU refuses a dispatch that reads a buffer through one binding and writes it through another, even where the two ranges do not
 * overlap. All gradients of an arena share one buffer, so an operation that computes one gradient from another would be such a dispatch.
 * This pass inserts a copy, and the operation reads the copy.
 */
import { copy } from "../kernels/copy.ts";
import { bufferOf, type Node, persistentOf, type Value } from "../kernels/language/operation.ts";

/**
 * The nodes, with a copy inserted before each node that would read a buffer it also writes: where an input shares an output's buffer but is
 * not that output. A node may read a tensor that it updates in place.
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
