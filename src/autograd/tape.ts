/**
 * The tape: model code runs once on symbolic values, and every operation appends one node. Nothing touches a GPU.
 *
 * The tape also hands out the words of the step block: scalars the host gives each step and the live sizes of extents.
 */
import { ShapeError } from "../errors.ts";
import { stepWords } from "../kernels/language/kernel.ts";
import {
  checkShape,
  type DType,
  type Extent,
  expectType,
  isPossibleSize,
  type Node,
  type Operand,
  type Operation,
  type Persistent,
  type Recorder,
  type Scalar,
  type Shape,
  type Type,
  Value,
} from "../kernels/language/operation.ts";

/** Words 0 and 1 of the step block are the seed and the step number. */
const firstFreeWord = 2;

/** Records inputs and operations in the order in which model code calls them. Nothing runs until the tape is compiled. */
export class Tape implements Recorder {
  readonly nodes: Node[] = [];
  readonly inputs = new Map<string, Value>();
  readonly extents = new Map<string, Extent>();
  readonly scalars = new Map<string, Scalar>();
  /** How many nodes were recorded before the pause; null if there is none. */
  pausedAt: number | null = null;
  readonly #persistent = new Map<Persistent, Value>();
  /** The parts that the backward pass recomputes, each as its first node and the node after its last. */
  readonly recomputedParts: { readonly first: number; readonly end: number }[] = [];
  #values = 0;
  #dropoutSites = 0;

  /** A tensor the host writes before each step. */
  input(name: string, type: Type<"u32">): Value<"u32">;
  input(name: string, type: Type): Value;
  input(name: string, { dtype, shape }: Type): Value {
    if (this.inputs.has(name)) throw new ShapeError(`The tape already has an input named ${name}.`, "Give each input a name of its own.");
    checkShape(`The input ${name}`, shape);
    const value = this.#value(dtype, shape, name);
    this.inputs.set(name, value);
    return value;
  }

  /** A dimension of at most `capacity` whose live size the host gives each step. */
  extent(name: string, capacity: number): Extent {
    const known = this.extents.get(name);
    if (known !== undefined) {
      if (known.capacity === capacity) return known;
      throw new ShapeError(
        `The extent ${name} has a capacity of ${known.capacity}, not ${capacity}.`,
        "Use one capacity, or another name.",
      );
    }
    if (!isPossibleSize(capacity)) {
      throw new ShapeError(
        `The extent ${name} has a capacity of ${capacity}, which is no whole number from 1.`,
        "Give the most rows that a step may have.",
      );
    }
    const extent = { name, capacity, word: this.#word() };
    this.extents.set(name, extent);
    return extent;
  }

  /** A number the host gives each step. */
  scalar(name: string): Scalar {
    let scalar = this.scalars.get(name);
    if (scalar === undefined) {
      scalar = { name, word: this.#word() };
      this.scalars.set(name, scalar);
    }
    return scalar;
  }

  /** The value that stands for a persistent tensor on this tape. */
  use(operand: Operand): Value {
    if (operand instanceof Value) {
      if (operand.tape !== this)
        throw new ShapeError(`${operand.name || "A value"} belongs to another tape.`, "Record one program on one tape.");
      return operand;
    }
    let value = this.#persistent.get(operand);
    if (value === undefined) {
      checkShape(operand.name, operand.shape);
      value = this.#value(operand.dtype, operand.shape, operand.name);
      value.persistent = operand;
      this.#persistent.set(operand, value);
    }
    return value;
  }

  append<A>(operation: Operation<A>, inputs: readonly Operand[], attributes: A): Value[] {
    const values = inputs.map((input) => this.use(input));
    const outputs = operation.infer(values, attributes).map(({ dtype, shape }) => {
      checkShape(`The result of ${operation.name}`, shape);
      return this.#value(dtype, shape, "");
    });
    this.#push({ operation, attributes, inputs: values, outputs });
    return outputs;
  }

  update<A>(operation: Operation<A>, inputs: readonly Operand[], outputs: readonly Persistent[], attributes: A): Value[] {
    const values = inputs.map((input) => this.use(input));
    const types = operation.infer(values, attributes);
    const targets = outputs.map((target, i) => {
      expectType(operation.name, target.name, target, types[i]!.dtype, types[i]!.shape);
      const value = this.#value(target.dtype, target.shape, target.name);
      value.persistent = target;
      return value;
    });
    this.#push({ operation, attributes, inputs: values, outputs: targets });
    return targets;
  }

  dropoutSite(): number {
    return this.#dropoutSites++;
  }

  recomputed<T>(record: () => T): T {
    const first = this.nodes.length;
    const result = record();
    this.recomputedParts.push({ first, end: this.nodes.length });
    return result;
  }

  /**
   * Ends the first part of the program. `Program.run` can run the parts separately; between them the host may exchange the contents of
   * persistent tensors with other devices, while all activations stay. Throws `ShapeError` for a second pause.
   */
  pause(): void {
    if (this.pausedAt !== null) throw new ShapeError("The tape already has a pause.", "Record the third part as a program of its own.");
    this.pausedAt = this.nodes.length;
  }

  /** What the nodes before the pause compute; what all compute if there is none. */
  valuesBeforePause(): ReadonlySet<Value> {
    return new Set(this.nodes.slice(0, this.pausedAt ?? this.nodes.length).flatMap(({ outputs }) => outputs));
  }

  #push<A>(node: Node<A>): void {
    for (const output of node.outputs) output.node = node as Node;
    this.nodes.push(node as Node);
  }

  #value<D extends DType>(dtype: D, shape: Shape, name: string): Value<D> {
    return new Value(this, this.#values++, dtype, shape, name);
  }

  #word(): number {
    const word = firstFreeWord + this.extents.size + this.scalars.size;
    if (word >= stepWords)
      throw new ShapeError(`A tape has at most ${stepWords - firstFreeWord} extents and scalars.`, "Share them between operations.");
    return word;
  }
}
