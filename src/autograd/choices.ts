/**
 * Which variant computes each node, as data. Measured choices can be stored, recorded with a checkpoint and used again, so that a resumed
 * run gives the same bits.
 */
import { FormatError } from "../errors.ts";
import { type Dimension, formatShape, type Node, type Type } from "../kernels/language/operation.ts";
import type { Choose, Plan } from "./plan.ts";

/** How programs choose among the variants of their nodes. */
export interface Tuning {
  /** Called once a program, before it is planned, with the nodes that it needs. */
  prepare(nodes: readonly Node[]): Promise<Choose>;
}

/**
 * Stable text for a node's kind: its operation, the attributes that are not false, and the inputs' dtypes with `shape` applied to their
 * shapes.
 */
export function describeNode({ operation, attributes, inputs }: Node, shape: (type: Type) => string): string {
  const given = Object.entries(attributes ?? {})
    .filter(([, value]) => value !== false)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  return [operation.name, ...given, ...inputs.map((input) => `${input.dtype}${shape(input)}`)].join(" ");
}

/** What determines how fast a node's variants are. A live dimension counts by its capacity, not by its name. */
export function tuningKey(node: Node): string {
  const anonymous = (dimension: Dimension) => (typeof dimension === "number" ? dimension : { ...dimension, name: "" });
  return describeNode(node, ({ shape }) => formatShape(shape.map(anonymous)).replaceAll(" ", ""));
}

/** The name of a variant for each kind of node. The operation chooses for kinds that are missing here. */
export class Choices implements Tuning {
  readonly #names: ReadonlyMap<string, string>;

  constructor(names: Iterable<readonly [key: string, variant: string]>) {
    this.#names = new Map(names);
  }

  async prepare(): Promise<Choose> {
    return (node, variants) => {
      const name = variants.length > 1 ? this.#names.get(tuningKey(node)) : undefined;
      return variants.find((variant) => variant.name === name);
    };
  }

  toJSON(): Record<string, string> {
    return Object.fromEntries([...this.#names].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

/** The variants of a plan, whether measured or not. This is the record to keep with a checkpoint. */
export function choicesOf({ steps }: Pick<Plan, "steps">): Choices {
  return new Choices(steps.flatMap(({ node, choice }) => (choice === null ? [] : [[tuningKey(node), choice] as const])));
}

/** Choices parsed from their JSON. Throws `FormatError`, which names the file as `source`, when it is something else. */
export function choicesFrom(json: unknown, source: string): Choices {
  if (!isRecordOf(json, "string")) {
    throw new FormatError(
      `${source} holds no names of variants.`,
      "Leave it out, and variants are chosen anew; results may differ in the last bits.",
    );
  }
  return new Choices(Object.entries(json));
}

interface ValueTypes {
  string: string;
  boolean: boolean;
}

/** Whether `json` is an object whose values all have one type. */
export function isRecordOf<T extends keyof ValueTypes>(json: unknown, type: T): json is Record<string, ValueTypes[T]> {
  return typeof json === "object" && json !== null && !Array.isArray(json) && Object.values(json).every((value) => typeof value === type);
}
