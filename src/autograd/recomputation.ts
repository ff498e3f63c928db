/**
 * Gradient checkpointing (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost") on the tape. When the backward pass reaches a
 * part that was recorded with `tape.recomputed`, the part's operations are appended again, and the gradient rules read these copies. So the
 * originals' memory is free as soon as the forward pass has left the part. The copies are the same kernels on the same inputs, and dropout
 * masks depend only on the position, so the result is the same to the bit.
 */
import type { Node, Value } from "../kernels/language/operation.ts";
import type { Tape } from "./tape.ts";

/** The copies of one backward pass. */
export class Recomputation {
  readonly #tape: Tape;
  readonly #nodes: readonly Node[];
  readonly #copies = new Map<Node, Node>();

  /** Covers the nodes that are on the tape now. */
  constructor(tape: Tape) {
    this.#tape = tape;
    this.#nodes = tape.nodes.slice();
  }

  /** The node that the backward pass should read instead of node `index`: the node itself, or its copy. */
  of(index: number): Node {
    const node = this.#nodes[index]!;
    const part = this.#tape.recomputedParts.find(({ first, end }) => first <= index && index < end);
    if (part === undefined) return node;
    if (!this.#copies.has(node)) this.#copy(this.#nodes.slice(part.first, part.end));
    return this.#copies.get(node)!;
  }

  #copy(nodes: readonly Node[]): void {
    const again = new Map<Value, Value>();
    const copyOf = (value: Value) => again.get(value) ?? value;
    for (const node of nodes) {
      const inputs = node.inputs.map(copyOf);
      const outputs = this.#tape.append(node.operation, inputs, node.attributes);
      node.outputs.forEach((output, i) => {
        outputs[i]!.base = output.base && copyOf(output.base);
        again.set(output, outputs[i]!);
      });
      this.#copies.set(node, { ...node, inputs, outputs });
    }
  }
}
