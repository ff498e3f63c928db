import { describe, expect, it } from "vitest";
import { Tape } from "../../src/autograd/tape.ts";
import { ShapeError } from "../../src/errors.ts";
import { copyInto } from "../../src/kernels/copy.ts";
import { stepWords } from "../../src/kernels/language/kernel.ts";
import { f32, u32 } from "../../src/kernels/language/operation.ts";
import { add, gelu } from "../../src/kernels/pointwise/pointwise.ts";
import { memoryless } from "../kernels/memoryless.ts";

describe("Tape", () => {
  it("records one node an operation, which knows its inputs and outputs", () => {
    const tape = new Tape();
    const x = tape.input("x", f32(3, 4));
    const y = gelu(x);
    const z = add(x, y);
    expect(tape.nodes.map(({ operation }) => operation.name)).toEqual(["gelu", "add"]);
    expect(tape.nodes[1]!.inputs).toEqual([x, y]);
    expect(z.node).toBe(tape.nodes[1]);
    expect(x.node).toBeNull();
  });

  it("has one value for a persistent tensor, however often it is used", () => {
    const tape = new Tape();
    const parameter = memoryless("parameter", 4);
    expect(tape.use(parameter)).toBe(tape.use(parameter));
    expect(tape.use(parameter).persistent).toBe(parameter);
  });

  it("numbers extents, scalars and dropout sites apart from each other, and knows a name again", () => {
    const tape = new Tape();
    const words = [tape.extent("tokens", 9).word, tape.scalar("rate").word, tape.extent("sentences", 3).word, tape.scalar("decay").word];
    expect(new Set(words).size).toBe(4);
    // Words 0 and 1 are the seed and the step.
    expect(Math.min(...words)).toBe(2);
    expect(tape.extent("tokens", 9).word).toBe(words[0]);
    expect(tape.scalar("rate").word).toBe(words[1]);
    expect([tape.dropoutSite(), tape.dropoutSite()]).toEqual([0, 1]);
  });

  it("refuses two inputs of one name, an extent of two capacities, and more numbers than the step block holds", () => {
    const tape = new Tape();
    tape.input("x", f32(1));
    expect(() => tape.input("x", u32(1))).toThrow(ShapeError);
    tape.extent("tokens", 9);
    expect(() => tape.extent("tokens", 10)).toThrow(/capacity of 9, not 10/);
    expect(() => {
      for (let i = 0; i < stepWords; i++) tape.scalar(`scalar ${i}`);
    }).toThrow(ShapeError);
  });

  it("refuses a value of another tape", () => {
    const [one, other] = [new Tape(), new Tape()];
    expect(() => add(one.input("x", f32(2)), other.input("y", f32(2)))).toThrow(/y belongs to another tape/);
  });

  it("refuses to update a persistent tensor of another shape", () => {
    const tape = new Tape();
    expect(() => copyInto(tape.input("x", f32(2, 3)), memoryless("target", 6))).toThrow(ShapeError);
  });

  it("names the operation, the operand, what was expected and what was found", () => {
    const tape = new Tape();
    const rows = tape.extent("rows", 5);
    const refused = () => add(tape.input("a", f32(rows, 3)), tape.input("b", f32(5, 3)));
    expect(refused).toThrow("add: [rows≤5, 3] and [5, 3] do not broadcast.");
  });
});
