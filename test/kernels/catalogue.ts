/** Small programs that hold every operation there is, to compile every kernel of a device. */
import type { Tape } from "../../src/autograd/tape.ts";
import { attention } from "../../src/kernels/attention.ts";
import { cast } from "../../src/kernels/cast.ts";
import { classifierGradient, classifierUpdate, roleTable, tallyClassifiers, tallyTable } from "../../src/kernels/classifiers.ts";
import { columnSum } from "../../src/kernels/column-sum.ts";
import { concat } from "../../src/kernels/concat.ts";
import { copyInto } from "../../src/kernels/copy.ts";
import { crossEntropy } from "../../src/kernels/cross-entropy.ts";
import { dropout } from "../../src/kernels/dropout.ts";
import { embedding, gatherOrder, gatherRuns } from "../../src/kernels/embedding.ts";
import { fill } from "../../src/kernels/fill.ts";
import { firstRows } from "../../src/kernels/first-rows.ts";
import { gated } from "../../src/kernels/gated.ts";
import { gatherRows } from "../../src/kernels/gather-rows.ts";
import { type FloatType, f32, float, type Persistent, u32, type Value } from "../../src/kernels/language/operation.ts";
import { layerNorm, residualLayerNorm } from "../../src/kernels/layer-norm.ts";
import { lowRank } from "../../src/kernels/low-rank.ts";
import { grouped } from "../../src/kernels/matmul/grouped.ts";
import { matmul } from "../../src/kernels/matmul/matmul.ts";
import { max } from "../../src/kernels/max.ts";
import { normalize } from "../../src/kernels/normalize.ts";
import { addInto } from "../../src/kernels/optimizer/accumulate.ts";
import { adamW } from "../../src/kernels/optimizer/adamw.ts";
import { addFromDevices } from "../../src/kernels/optimizer/add-from-devices.ts";
import { globalNorm } from "../../src/kernels/optimizer/global-norm.ts";
import { recordHistory } from "../../src/kernels/optimizer/history.ts";
import { advanceOptimizer, lossScale, optimizerStateShape } from "../../src/kernels/optimizer/optimizer-state.ts";
import { orderLoss } from "../../src/kernels/order-loss.ts";
import { functions, type PointwiseFunction } from "../../src/kernels/pointwise/functions.ts";
import { pointwiseOperation, scale } from "../../src/kernels/pointwise/operation.ts";
import { add } from "../../src/kernels/pointwise/pointwise.ts";
import { pool } from "../../src/kernels/pool.ts";
import { reshape } from "../../src/kernels/reshape.ts";
import { rmsNorm } from "../../src/kernels/rms-norm.ts";
import { rotary } from "../../src/kernels/rotary.ts";
import { readRows, writeRows } from "../../src/kernels/row-window.ts";
import type { Precision } from "../../src/kernels/search/precision.ts";
import { topK } from "../../src/kernels/search/top-k.ts";
import { queryType, vectorScores, vectorWords } from "../../src/kernels/search/vector-scores.ts";
import { slice } from "../../src/kernels/slice.ts";
import { softmax } from "../../src/kernels/softmax.ts";
import { spreadHeads } from "../../src/kernels/spread-heads.ts";
import { expand, mean, sum } from "../../src/kernels/sum.ts";
import { transpose } from "../../src/kernels/transpose.ts";
import { splitViews } from "../../src/kernels/views.ts";
import { memoryless, memorylessOf } from "./memoryless.ts";
import { batchInputs } from "./packed-batch.ts";
import { adjoint } from "./run.ts";

export interface Sizes {
  readonly width: number;
  readonly live: boolean;
  /** How what is stored either way is stored. */
  readonly dtype: FloatType;
}

/** A value and the gradients of what it was computed from. */
export function withGradients(tape: Tape, y: Value): (Value | null)[] {
  return [y, ...adjoint(y, tape.input(`d${tape.nodes.length} ${y.id}`, y))];
}

/** Small programs that hold every operation and its gradient, for rows of `width` elements, as many as are live or known in advance. */
export const catalogue: Record<string, (tape: Tape, sizes: Sizes) => (Value | null)[]> = {
  pointwise(tape, { width, live, dtype }) {
    const x = tape.input("x", float(dtype, live ? tape.extent("rows", 57) : 57, width));
    const single = cast(x, "f32");
    // Halves that a device packs in words are written by fours.
    const casts = width % 4 === 0 ? [cast(single, "f16")] : [];
    const rows = tape.input("rows", f32(x.shape[0]!, 1));
    const columns = tape.input("columns", float(dtype, width));
    const ys = [
      ...Object.entries<PointwiseFunction>(functions).flatMap(([name, definition]) => {
        const { apply } = pointwiseOperation(name, definition);
        const constants = Object.fromEntries((definition.constants ?? []).map((constant, i) => [constant, i + 2]));
        if (Object.keys(definition.derivatives).length === 1) return [apply([x], constants)];
        return [apply([x, x], constants), apply([x, columns], constants), apply([rows, single], constants)];
      }),
      scale(x, tape.scalar("factor")),
      expand(columns, x.shape),
      fill(tape, x.shape, 1),
      ...casts,
    ];
    return ys.flatMap((y) => (y.node!.operation.gradient ? withGradients(tape, y) : [y]));
  },
  sums(tape, { width, live, dtype }) {
    const x = tape.input("x", float(dtype, live ? tape.extent("rows", 57) : 57, 3, width));
    const logits = tape.input("logits", f32(7, live ? tape.extent("columns", 57) : 57));
    const axes = [0, 1, 2].flatMap((axis) => [sum(x, axis), max(x, axis)]);
    return [...axes, mean(logits, 1), max(logits, 1), softmax(x), softmax(logits)]
      .flatMap((y) => withGradients(tape, y))
      .concat(mean(x), max(x));
  },
  grouped(tape, { width, live, dtype }) {
    const k = live ? tape.extent("rows", 57) : 57;
    const operands = [1, 2, 2, 1].map((part, i) => tape.input(`operand ${i}`, float(dtype, k, 4 * part * width)));
    return tape.append(grouped, operands, { rowSums: true });
  },
  parts(tape, { width, live, dtype }) {
    const x = tape.input("x", float(dtype, live ? tape.extent("rows", 57) : 57, 4, width));
    const pairs = tape.input("pairs", float(dtype, x.shape[0]!, 2 * width));
    const ys = [
      gated(pairs, "gelu"),
      spreadHeads(pairs, pairs, { heads: 2, groups: 1 }),
      slice(x, 1, 1, 3),
      slice(x, 2, 4, width),
      concat([x, x], 1),
      concat([x, x, x], 2),
      transpose(x),
      transpose(x, [1, 0, 2]),
    ];
    return ys.flatMap((y) => withGradients(tape, y));
  },
  rows(tape, { width, live, dtype }) {
    const rows = live ? tape.extent("rows", 57) : 57;
    const x = tape.input("x", float(dtype, rows, width));
    const [weight, bias] = [tape.input("weight", f32(width)), tape.input("bias", f32(width))];
    const logits = tape.input("logits", f32(rows, live ? tape.extent("columns", 57) : 57));
    const losses = crossEntropy(logits);
    const labels = tape.input("labels", u32(rows));
    const kinds = [crossEntropy(logits, { hard: logits, hardWeight: 1 }), crossEntropy(logits, { labels, smoothing: 0.1 })];
    const norms = [layerNorm(x, weight, bias, 1e-5), rmsNorm(x, weight, 1e-5)];
    const ys = [...norms, normalize(cast(x, "f32")), losses, mean(losses), orderLoss(losses, losses), ...kinds];
    return [...ys.flatMap((y) => withGradients(tape, y)), columnSum(x), columnSum(x, 2)];
  },
  tokens(tape, { width, dtype }) {
    const batch = batchInputs(tape, { tokens: 57, sentences: 7 });
    const tokens = tape.extent("tokens", 57);
    const x = tape.input("x", float(dtype, tokens, width));
    const [weight, bias] = [tape.input("weight", f32(width)), tape.input("bias", f32(width))];
    const table = (name: string) => tape.input(name, f32(97, width));
    const index = (name: string) => ({
      order: tape.input(`${name}Order`, gatherOrder(tokens)),
      runs: tape.input(`${name}Runs`, gatherRuns(tape.extent(name, 57))),
    });
    const tables = { word: table("word"), position: table("position"), tokenType: table("tokenType") };
    const first = firstRows(x, x, batch);
    const ys = [
      first.y,
      add(first.x, first.y),
      dropout(x, 0.1, { tokens: batch.tokens }),
      dropout(x, 0.1),
      pool(x, { sentences: batch.sentences }, ["mean", "max"]),
      ...[0, 0.1].map((p) => residualLayerNorm(x, x, weight, bias, { epsilon: 1e-5, dropout: p, tokens: batch.tokens })),
      embedding(batch.tokens, tables, { word: index("words"), position: index("positions") }),
      pool(x, batch, "first"),
      pool(x, batch, "mean"),
    ];
    return ys.flatMap((y) => withGradients(tape, y));
  },
  attention(tape, { dtype }) {
    const batch = batchInputs(tape, { tokens: 57, sentences: 7 });
    return [4, 16, 64].flatMap((headSize) =>
      [0, 0.1].flatMap((probability) => {
        const qkv = tape.input(`qkv${headSize} ${probability}`, float(dtype, tape.extent("tokens", 57), 3 * 2 * headSize));
        return withGradients(tape, attention(qkv, batch, { heads: 2, dropout: probability }));
      }),
    );
  },
  relativeAttention(tape, { dtype }) {
    const batch = batchInputs(tape, { tokens: 300, sentences: 7 });
    const qkv = tape.input("qkv", float(dtype, batch.tokens.shape[0]!, 3 * 2 * 16));
    const bias = { table: tape.input("table", f32(8, 2)), starts: [0, 1, 2, 9] };
    // Of sentences of one block, of those that one workgroup handles whole, and of those that are cut into tiles.
    const attended = [20, 57, 300].flatMap((longest) =>
      [{ window: 5 }, { bias }].map((options) => attention(qkv, { ...batch, longest }, { heads: 2, dropout: 0.1, ...options })),
    );
    return [...attended, rotary(qkv, batch.tokens, { heads: 2, theta: 10_000 })].flatMap((y) => withGradients(tape, y));
  },
  matmul(tape, { width, live, dtype }) {
    // Few rows and many: they are tiled differently. Rows of halves go by fours.
    return [dtype === "f16" ? 60 : 57, 4096].flatMap((count) => {
      const rows = live ? tape.extent(`rows ${count}`, count) : count;
      const named = (name: string, ...shape: Parameters<typeof f32>) => tape.input(`${name} ${count}`, float(dtype, ...shape));
      const [x, weight, dy, bias] = [named("x", rows, width), named("weight", 128, width), named("dy", rows, 128), named("bias", 128)];
      const square = named("square", rows, rows);
      return [
        matmul(x, weight, "nt"),
        matmul(x, weight, "nt", { bias }),
        matmul(x, x, "nt"),
        matmul(dy, weight, "nn"),
        matmul(dy, weight, "nn", { bias: named("nnBias", width) }),
        matmul(square, x, "nn"),
        matmul(dy, x, "tn"),
        matmul(dy, x, "tn", { bias: named("tnBias", width) }),
        matmul(square, x, "tn"),
      ].flatMap((y) => withGradients(tape, y));
    });
  },
  lowRank(tape, { width, live, dtype }) {
    const rows = live ? tape.extent("rows", 57) : 57;
    return [[0], [0, 2]].flatMap((blocks) =>
      [3, 8].flatMap((rank) => {
        const named = `${blocks.length} ${rank}`;
        const u = tape.input(`u ${named}`, f32(rows, blocks.length * rank));
        const up = tape.input(`up ${named}`, f32(blocks.length * width, rank));
        return withGradients(tape, lowRank(tape.input(`base ${named}`, float(dtype, rows, 3 * width)), u, up, { blocks, scale: 2 }));
      }),
    );
  },
  windows(tape, { width, live }) {
    const rows = live ? tape.extent("rows", 7) : 7;
    const matrix = memoryless("matrix", 57, width);
    const x = readRows(tape, matrix, tape.scalar("first"), rows);
    writeRows(x, matrix, tape.scalar("first"));
    addInto(tape.input("sum", f32(57, width)), matrix);
    addFromDevices(tape, memoryless("others", 2, 57 * width), memoryless("own", 57 * width), 1);
    const gathered = gatherRows(x, tape.input("order", u32(5)), tape.input("places", u32(rows)));
    const repeated = gatherRows(x, tape.input("numbers", u32(live ? tape.extent("batch", 9) : 9, 3)));
    return [...withGradients(tape, gathered), ...withGradients(tape, repeated)];
  },
  views(tape, { width, live, dtype }) {
    const examples = tape.extent("examples", 31);
    const x = tape.input("x", float(dtype, live ? tape.extent("rows", 62) : 62, width));
    const views = splitViews(x, 2, examples);
    return [...views.flatMap((y) => withGradients(tape, y)), ...withGradients(tape, reshape(x, [live ? examples : 31, 2 * width]))];
  },
  classifiers(tape, { width, live }) {
    const count = live ? tape.extent("classifiers", 8) : 8;
    const outputs = live ? tape.extent("outputs", 24) : 24;
    const batch = tape.input("batch", u32(live ? tape.extent("batch", 57) : 57));
    const tables = {
      labels: tape.input("labels", u32(97)),
      roles: tape.input("roles", roleTable(97, 2)),
      batch,
      folds: tape.input("folds", u32(count)),
    };
    const x = gatherRows(tape.input("features", f32(97, width)), batch);
    const [weights, first, second] = ["weights", "first", "second"].map((name) => memoryless(name, 24, width)) as [
      Persistent,
      Persistent,
      Persistent,
    ];
    const logits = matmul(x, reshape(tape.use(weights), [outputs, width]), "nt");
    tallyClassifiers(logits, tables, memorylessOf("counts", tallyTable(8)), 3);
    const gradient = matmul(classifierGradient(logits, tables, 3), x, "tn");
    const corrections = { firstCorrection: tape.scalar("firstCorrection"), secondCorrection: tape.scalar("secondCorrection") };
    for (const rule of ["adam", "rmsprop"] as const) {
      classifierUpdate(
        gradient,
        tape.input(`strengths ${rule}`, f32(count)),
        { weights, first, second },
        { rule, classes: 3, ...corrections },
      );
    }
    return [];
  },
  search(tape, { width, live }) {
    return (["f32", "f16", "int8", "binary"] satisfies Precision[]).flatMap((format) =>
      [1, 57].flatMap((count) => {
        const queries = tape.input(`${format} ${count}`, queryType(format, width, live ? tape.extent(`queries ${count}`, count) : count));
        const rows = 4096;
        const vectors = tape.input(`${format} vectors ${count}`, u32(vectorWords(format, width, rows)));
        const scales = format === "int8" ? { scales: tape.input(`scales ${count}`, f32(rows)) } : {};
        const part = (firstIndex: number, after?: ReturnType<typeof topK>) =>
          topK(vectorScores(queries, { format, width, rows, vectors, ...scales }), 5, { firstIndex, ...(after ? { after } : {}) });
        const { scores, indices } = part(rows, part(0));
        return [scores, indices];
      }),
    );
  },
  training(tape, { width }) {
    const [gradient, parameters, first, second] = ["gradient", "parameters", "first", "second"].map((name) =>
      memoryless(name, 3, width),
    ) as [Persistent, Persistent, Persistent, Persistent];
    copyInto(tape.input("x", f32(3, width)), gradient);
    const state = memoryless("state", ...optimizerStateShape);
    const gradients = [gradient, memoryless("more", 3, width), memoryless("odd", 7)];
    const norm = globalNorm(tape, gradients);
    const attributes = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    const half = memorylessOf("half", { dtype: "f16", shape: [8, 4] });
    const other = (name: string) => memoryless(`other ${name}`, 8, 4);
    const arenas = [
      { gradient, parameters, first, second, weightDecay: 0 },
      {
        gradient: other("gradient"),
        parameters: other("parameters"),
        first: other("first"),
        second: other("second"),
        half,
        weightDecay: 0,
      },
    ];
    for (const [maxGradNorm, dynamicScale] of [
      [1, true],
      [Number.POSITIVE_INFINITY, false],
    ] as const) {
      advanceOptimizer(tape, gradients, state, { ...attributes, maxGradNorm, dynamicScale });
      adamW(tape, arenas, state, { ...attributes, learningRate: tape.scalar("learningRate") });
    }
    copyInto(lossScale(tape, state), memoryless("scale", 1));
    recordHistory([norm, norm], memoryless("ring", 4, 2));
    return [norm];
  },
};

/** Every kind of sizes that kernels are written for. */
export const sizes = [true, false].flatMap((live): Sizes[] => [
  { width: 7, live, dtype: "f32" },
  { width: 64, live, dtype: "f32" },
  { width: 64, live, dtype: "f16" },
]);
