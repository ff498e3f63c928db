/**
 * BERT's embedding sum: word row + position row + the first token-type row, for each token, or those of them that a model has. (SimCSE has
 * one segment, so all its token types are zero.)
 *
 * The backward pass of a gather is a scatter with collisions; float atomics would add in an order that changes from run to run. Here the
 * host sorts the batch's rows by id (a `GatherIndex`, made with the batch), and a thread sums the rows of one id in that order. It finds them
 * by bisection, so that the same pass writes zeros where the batch has no rows.
 */
import { ShapeError } from "../errors.ts";
import { wgsl } from "../gpu/shader.ts";
import { tokenField } from "./batch.ts";
import { columnSum } from "./column-sum.ts";
import { blockIndex, fold, kernel, liveBytes, rows, threadsPerWorkgroup, vector, vectorWidth } from "./language/kernel.ts";
import {
  type Dimension,
  expectType,
  type FloatType,
  f32,
  float,
  type Operand,
  type Operation,
  rowWidth,
  type Type,
  u32,
  type Value,
} from "./language/operation.ts";
import { vectorLowering } from "./language/vectors.ts";

/** How a batch uses a table, for the gradient: its rows sorted by id, and the run of each distinct id in that order. */
export interface GatherIndex {
  /** u32 [tokens]: token rows, sorted by id. */
  readonly order: Value;
  /** u32 [distinct ids, 4]: id, where its run starts in `order`, the run's length, 0. */
  readonly runs: Value;
}

/** The type of `GatherIndex.order`. */
export const gatherOrder = (tokens: Dimension): Type => u32(tokens);
/** The type of `GatherIndex.runs`. */
export const gatherRuns = (distinct: Dimension): Type => u32(distinct, 4);

interface Attributes {
  readonly dtype: FloatType;
  /** Which tables follow that of the words, in this order. */
  readonly tables: readonly ("position" | "tokenType")[];
}

/** Token table, tables and indices by their names. */
function named(inputs: readonly Value[], { tables }: Attributes) {
  const [tokens, word, ...rest] = inputs;
  const at = (name: Attributes["tables"][number]) => (tables.includes(name) ? rest[tables.indexOf(name)] : undefined);
  return { tokens: tokens!, word: word!, position: at("position"), tokenType: at("tokenType"), indices: rest.slice(tables.length) };
}

const operation: Operation<Attributes> = {
  name: "embedding",
  infer([tokens, word, ...rest], { dtype, tables }) {
    const [count] = tokens!.shape;
    const [, width] = word!.shape;
    expectType("embedding", "tokens", tokens!, "u32", [null, 4]);
    for (const [name, table] of [["word", word] as const, ...tables.map((name, i) => [name, rest[i]] as const)])
      expectType("embedding", name, table!, "float", [null, width ?? null]);
    return [float(dtype, count!, width!)];
  },
  lower({ inputs, outputs: [y], attributes }) {
    const { tokens, word, position, tokenType } = named(inputs, attributes);
    const rowsRead = position ? 2 : 1;
    return vectorLowering({
      label: "embedding",
      over: y!,
      reads: { words: word, ...(position ? { positions: position } : {}), ...(tokenType ? { types: tokenType } : {}) },
      writes: { y: y! },
      tables: { tokens: [tokens, "vec4u"] },
      main: (columns) => wgsl`let token = tokens[row];
  setY(index, ${[
    `words(token.${tokenField.id} * ${columns}u + column)`,
    ...(position ? [`positions(token.${tokenField.position} * ${columns}u + column)`] : []),
    ...(tokenType ? ["types(column)"] : []),
  ].join(" + ")});`,
      bytes: (live) => liveBytes(tokens, live) + liveBytes(y!, live) + rowsRead * live(y!.shape[0]!) * rowWidth(y!.shape) * 4,
    });
  },
  gradient({ inputs, attributes }, [dy]) {
    if (!dy) return [];
    const { word, position, tokenType, indices } = named(inputs, attributes);
    const [wordOrder, wordRuns, positionOrder, positionRuns] = indices;
    if (!wordOrder || !wordRuns || !positionOrder || !positionRuns) {
      throw new ShapeError(
        "embedding: its gradient needs the batch's gather indices.",
        "Pass them when the forward pass is recorded for training.",
      );
    }
    const scatter = (table: Value, order: Value, runs: Value) =>
      dy.tape.append(scatterRows, [dy, order, runs], { tableRows: table.shape[0] as number })[0]!;
    return [
      null,
      scatter(word, wordOrder, wordRuns),
      ...(position ? [scatter(position, positionOrder, positionRuns)] : []),
      ...(tokenType ? [columnSum(dy, tokenType.shape[0] as number)] : []),
      ...indices.map(() => null),
    ];
  },
};

const scatterRows: Operation<{ tableRows: number }> = {
  name: "embeddingGradient",
  infer([dy, order, runs], { tableRows }) {
    expectType("embeddingGradient", "order", order!, "u32", gatherOrder(dy!.shape[0]!).shape);
    expectType("embeddingGradient", "runs", runs!, "u32", gatherRuns(runs!.shape[0]!).shape);
    return [f32(tableRows, dy!.shape[1]!)];
  },
  lower({ inputs: [dy, order, runs], outputs: [table], attributes: { tableRows } }, { software }) {
    const width = dy!.shape[1] as number;
    const step = vectorWidth(width);
    const element = vector(step);
    const columns = width / step;
    const distinct = runs!.shape[0]!;
    // Searching for a row's run costs more than a row on a software adapter, and nothing beside the writes on a GPU.
    const perThread = software ? columns : 1;
    const threads = columns / perThread;
    return {
      variant: "sorted runs",
      kernels: [
        kernel({
          label: "embeddingGradient",
          workgroupSize: [threadsPerWorkgroup],
          reads: { dy: [dy!, element], order: [order!, "u32"], runs: [runs!, "vec4u"] },
          writes: { table: [table!, element] },
          main: wgsl`${blockIndex}
  let index = block * ${threadsPerWorkgroup}u + thread;
  let row = index / ${threads}u;
  if (row >= ${tableRows}u) { return; }
  let count = ${rows(distinct)};
  // The first run whose id is not below the row.
  var run = 0u;
  for (var end = count; run < end;) {
    let middle = (run + end) / 2u;
    if (runs[middle].x < row) { run = middle + 1u; } else { end = middle; }
  }
  var at = vec4u();
  if (run < count && runs[run].x == row) { at = runs[run]; }
  let end = at.y + at.z;
  for (var column = index % ${threads}u; column < ${columns}u; column += ${threads}u) {
    var sum = ${element}();
    var i = at.y;
    for (; i + 4u <= end; i += 4u) {
      let pair = dy(order[i] * ${columns}u + column) + dy(order[i + 1u] * ${columns}u + column);
      sum += pair + (dy(order[i + 2u] * ${columns}u + column) + dy(order[i + 3u] * ${columns}u + column));
    }
    for (; i < end; i++) { sum += dy(order[i] * ${columns}u + column); }
    setTable(row * ${columns}u + column, sum);
  }`,
          workgroups: () => fold(Math.ceil((tableRows * threads) / threadsPerWorkgroup)),
        }),
      ],
    };
  },
};

/** The tables that `embedding` looks up and adds. */
export interface EmbeddingTables {
  /** [vocabulary, hiddenSize]; each table is f32, or f16 if it is frozen. */
  readonly word: Operand;
  /** [positions, hiddenSize]; absent in models whose positions are elsewhere. */
  readonly position?: Operand;
  /** [types, hiddenSize]; its first row is used. Absent in models without token types. */
  readonly tokenType?: Operand;
}

/** [tokens, hiddenSize], stored as `dtype`, from the batch's token table u32 [tokens, 4]. The indices are needed for gradients. */
export function embedding(
  tokens: Value,
  tables: EmbeddingTables,
  indices?: { readonly word: GatherIndex; readonly position: GatherIndex },
  dtype: FloatType = "f32",
): Value {
  const { word, position, tokenType } = tables;
  const others = [...(position ? [["position", position] as const] : []), ...(tokenType ? [["tokenType", tokenType] as const] : [])];
  const sorted = indices ? [indices.word.order, indices.word.runs, indices.position.order, indices.position.runs] : [];
  const inputs = [tokens, word, ...others.map(([, table]) => table), ...sorted];
  return tokens.tape.append(operation, inputs, { dtype, tables: others.map(([name]) => name) })[0]!;
}
