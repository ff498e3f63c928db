import { describe, it } from "vitest";
import { f32 } from "../../src/kernels/language/operation.ts";
import { splitViews } from "../../src/kernels/views.ts";
import { openTestDevice } from "../device.ts";
import * as reference from "../reference/views.ts";
import { expectSame } from "./close.ts";
import { normals } from "./data.ts";
import { build, execute } from "./run.ts";

const device = await openTestDevice();

const cases = [1, 7, 57, 64].flatMap((width) => [2, 3].map((views) => ({ width, views })));

describe("splitViews", () => {
  it.each(cases)("takes $views views apart and puts gradients together at width $width", async ({ width, views }) => {
    const capacity = 1003;
    const program = await build(device, (tape) => {
      const examples = tape.extent("examples", capacity);
      const outputs = splitViews(tape.input("x", f32(tape.extent("sentences", capacity * views), width)), views, examples);
      const gradients = outputs.map((output, i) => tape.input(`d${i}`, output));
      const node = outputs[0]!.node!;
      const all = node.operation.gradient!(node, gradients)[0]!;
      // A view that the loss does not use has no gradient of its own: zeros in the whole.
      const first = node.operation.gradient!(
        node,
        gradients.map((gradient, i) => (i === 0 ? gradient : null)),
      )[0]!;
      return { ...Object.fromEntries(outputs.map((output, i) => [`y${i}`, output])), all, first };
    });
    for (const examples of [1001, 57, 7, 1]) {
      const x = normals(examples * views * width, 37);
      const expected = reference.splitViews(x, width, views).map((view) => Float32Array.from(view));
      const gradients = expected.map((view, i) => view.map((v) => v + i));
      const { all, first, ...outputs } = await execute(program, {
        inputs: { x, ...Object.fromEntries(gradients.map((view, i) => [`d${i}`, view])) },
        live: { examples, sentences: examples * views },
      });
      expected.forEach((view, i) => {
        expectSame(outputs[`y${i}`]!, view);
      });
      const viewOf = (i: number) => Math.floor(i / width) % views;
      expectSame(
        all!,
        x.map((v, i) => v + viewOf(i)),
      );
      expectSame(
        first!,
        x.map((v, i) => (viewOf(i) === 0 ? v : 0)),
      );
    }
    program.close();
  });
});
