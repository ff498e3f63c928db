/** One vector a sentence from its tokens: the first token's ([CLS]) or the mean of all, special tokens included. */
import { wgsl } from "../gpu/shader.ts";
import { sentenceTable, tokenField, tokenTable } from "./batch.ts";
import { pointKernel, vector, vectorWidth } from "./language/kernel.ts";
import { expectType, f32, type Operation, type Value } from "./language/operation.ts";

export type Pooling = "first" | "mean";
interface Attributes {
  readonly pooling: Pooling;
}

const operation: Operation<Attributes> = {
  name: "pool",
  infer([x, tokens, sentences]) {
    const [rows, width] = x!.shape;
    expectType("pool", "x", x!, "float", [rows!, width!]);
    expectType("pool", "tokens", tokens!, "u32", tokenTable(rows!).shape);
    expectType("pool", "sentences", sentences!, "u32", sentenceTable(sentences!.shape[0]!).shape);
    return [f32(sentences!.shape[0]!, width!)];
  },
  lower({ inputs: [x, , sentences], outputs: [y], attributes: { pooling } }) {
    const width = x!.shape[1] as number;
    const step = vectorWidth(width);
    const element = vector(step);
    const columns = width / step;
    const body: Record<Pooling, string> = {
      first: `setY(index, x(sentence.x * ${columns}u + column));`,
      mean: wgsl`var sum = ${element}();
  for (var i = 0u; i < sentence.y; i++) { sum += x((sentence.x + i) * ${columns}u + column); }
  setY(index, sum / f32(sentence.y));`,
    };
    return {
      variant: pooling,
      kernels: [
        pointKernel({
          label: `pool ${pooling}`,
          over: y!,
          width: step,
          reads: { x: [x!, element], sentences: [sentences!, "vec2u"] },
          writes: { y: [y!, element] },
          main: wgsl`let sentence = sentences[row];
  ${body[pooling]}`,
        }),
      ],
    };
  },
  gradient({ inputs: [x, tokens, sentences], attributes }, [dy]) {
    return [dy ? dy.tape.append(poolGradient, [dy, x!, tokens!, sentences!], attributes)[0]! : null, null, null];
  },
};

const poolGradient: Operation<Attributes> = {
  name: "poolGradient",
  infer: ([, x]) => [x!],
  lower({ inputs: [dy, , tokens, sentences], outputs: [dx], attributes: { pooling } }) {
    const width = dx!.shape[1] as number;
    const step = vectorWidth(width);
    const element = vector(step);
    const share: Record<Pooling, string> = {
      first: `select(${element}(), g, row == sentence.x)`,
      mean: "g / f32(sentence.y)",
    };
    return {
      variant: pooling,
      kernels: [
        pointKernel({
          label: `poolGradient ${pooling}`,
          over: dx!,
          width: step,
          reads: { dy: [dy!, element], tokens: [tokens!, "vec4u"], sentences: [sentences!, "vec2u"] },
          writes: { dx: [dx!, element] },
          main: wgsl`let at = tokens[row].${tokenField.sentence};
  let sentence = sentences[at];
  let g = dy(at * ${width / step}u + column);
  setDx(index, ${share[pooling]});`,
        }),
      ],
    };
  },
};

/** f32 [sentences, width] from `x` f32 [tokens, width] and the batch's tables. */
export function pool(x: Value, batch: { tokens: Value; sentences: Value }, pooling: Pooling): Value {
  return x.tape.append(operation, [x, batch.tokens, batch.sentences], { pooling })[0]!;
}
