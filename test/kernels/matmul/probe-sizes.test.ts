/** A check of a product runs the kernels that the product itself uses. So it says something about them, and nothing else is compiled. */
import { describe, expect, it } from "vitest";
import { Tape } from "../../../src/autograd/tape.ts";
import { knownDevices } from "../../../src/gpu/known-devices.ts";
import { float, type Node, type Value } from "../../../src/kernels/language/operation.ts";
import { grouped } from "../../../src/kernels/matmul/grouped.ts";
import { matmul } from "../../../src/kernels/matmul/matmul.ts";
import { gelu } from "../../../src/kernels/pointwise/pointwise.ts";
import { nodeOf } from "../../../src/tuning/node-program.ts";

const { capabilities } = knownDevices.find(({ name }) => name === "NVIDIA, tensor cores")!;

const matrix = (tape: Tape, name: string, columns: number, rows?: number) =>
  tape.input(name, float("f16", rows ?? tape.extent("tokens", 4096), columns));

const products: Readonly<Record<string, (tape: Tape) => Value>> = {
  "a layer": (tape) => gelu(matmul(matrix(tape, "a", 768), matrix(tape, "b", 768, 3072), "nt")),
  "a layer whose depth ends within a block": (tape) => matmul(matrix(tape, "a", 312), matrix(tape, "b", 312, 1200), "nt"),
  "the gradient of its input": (tape) => matmul(matrix(tape, "a", 3072), matrix(tape, "b", 768, 3072), "nn"),
  "the gradient of its weights": (tape) => matmul(matrix(tape, "a", 768), matrix(tape, "b", 768), "tn", { dtype: "f32" }),
  "the gradients of several weights": (tape) =>
    tape.append(
      grouped,
      [768, 3072, 3072, 768, 768, 768].map((columns, i) => matrix(tape, `x${i}`, columns)),
      { rowSums: true },
    )[0]!,
};

const shadersOf = (node: Node, name: string) => {
  const variant = node.operation.variants!(node, capabilities).find((other) => other.name === name);
  return variant?.lower().kernels.map(({ shader }) => shader);
};

describe.each(Object.entries(products))("%s", (_, record) => {
  const { node } = record(new Tape());
  const { operation } = node!;
  const probes = operation.probes!(node!);
  it.each(operation.variants!(node!, capabilities).map(({ name }) => name))("%s", (name) => {
    const probed = probes.inputs
      .map((inputs) => shadersOf(nodeOf({ operation, attributes: node!.attributes, inputs }), name))
      .filter((shaders) => shaders !== undefined);
    expect(probed.length).toBeGreaterThan(0);
    for (const shaders of probed) expect(shaders).toEqual(shadersOf(node!, name));
  });
});
