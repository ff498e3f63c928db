/** Splits sentences in the order view 0 of the first example, view 1 of the first, …, into one matrix per view, and joins them again. */
import { ShapeError } from "../errors.ts";
import { range, wgsl } from "../gpu/shader.ts";
import { numbered } from "./language/kernel.ts";
import { capacity, type Extent, expectKnown, expectType, f32, formatShape, type Operation, type Value } from "./language/operation.ts";
import { vectorLowering } from "./language/vectors.ts";

interface Attributes {
  readonly views: number;
  readonly examples: Extent;
}

const split: Operation<Attributes> = {
  name: "splitViews",
  infer([x], { views, examples }) {
    expectType("splitViews", "x", x!, "float", [null, null]);
    expectKnown("splitViews", "the width of x", x!.shape[1]);
    if (capacity(x!.shape[0]!) < views * capacity(examples)) {
      throw new ShapeError(
        `splitViews: ${formatShape(x!.shape)} does not hold ${views} views of ${formatShape([examples])} examples.`,
        "Give one row for each view of each example.",
      );
    }
    return range(views).map(() => f32(examples, x!.shape[1]!));
  },
  lower: ({ inputs: [x], outputs, attributes: { views } }) =>
    vectorLowering({
      label: "splitViews",
      over: outputs[0]!,
      reads: { x: x! },
      writes: numbered("view", outputs, (own) => own),
      main: (columns) =>
        range(views)
          .map((view) => wgsl`setView${view}(index, x((row * ${views}u + ${view}u) * ${columns}u + column));`)
          .join("\n  "),
    }),
  gradient({ inputs: [x], outputs, attributes }, gradients) {
    const present = gradients.filter((gradient) => gradient !== null);
    if (present.length === 0) return [null];
    const used = outputs.map((_, view) => gradients[view] !== null);
    return [x!.tape.append(join, [x!, ...present], { ...attributes, used })[0]!];
  },
};

const join: Operation<Attributes & { used: readonly boolean[] }> = {
  name: "joinViews",
  infer: ([x]) => [x!],
  lower({ inputs: [, ...present], outputs: [y], attributes: { views, used } }) {
    let next = 0;
    const source = used.map((isUsed) => (isUsed ? `view${next++}(index)` : "T()"));
    return vectorLowering({
      label: "joinViews",
      over: present[0]!,
      reads: numbered("view", present, (own) => own),
      writes: { y: y! },
      main: (columns) =>
        source.map((value, view) => wgsl`setY((row * ${views}u + ${view}u) * ${columns}u + column, ${value});`).join("\n  "),
    });
  },
};

/** `views` matrices f32 [examples, width] from `x` f32 [examples · views, width], where the views of an example are neighbours. */
export function splitViews(x: Value, views: number, examples: Extent): Value[] {
  return x.tape.append(split, [x], { views, examples });
}
