/**
 * BERT's embedding sum: word row + position row + the first token-type row, for each token, or those of them that a model has. (SimCSE has
 * one segment, so all its token types are zero.) ERNIE adds the first row of its types of tasks.
 *
 * The backward pass of a gather is a scatter with collisions; float atomics would add in an order that changes from run to run. Here the
 * host sorts the batch's rows by id (a `GatherIndex`, made with the batch), and a thread sums the rows of one id in that order. It finds them
 * by bisection, so that the same pass writes zeros where the batch has no rows.
 */
import { ShapeError } from "../errors.ts";
import { range, wgsl } from "../gpu/shader.ts";
import { tokenField } from "./batch.ts";
import { columnSum } from "./column-sum.ts";
import { blockIndex, fold, kernel, liveBytes, numbered, rows, rowVectors, threadsPerWorkgroup } from "./language/kernel.ts";
import {
  byteSize,
  type Dimension,
  expectType,
  type FloatType,
  f32,
  float,
  type Kernel,
  type Operand,
  type Operation,
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
  readonly tables: readonly ("position" | FirstRowTable)[];
}

/** Tables of which every token has the first row, and what a kernel calls them. */
const firstRowTables = { tokenType: "types", taskType: "tasks" } as const;
type FirstRowTable = keyof typeof firstRowTables;

/** Token table, tables and indices by their names. */
function named(inputs: readonly Value[], { tables }: Attributes) {
  const [tokens, word, ...rest] = inputs;
  const at = (name: Attributes["tables"][number]) => (tables.includes(name) ? rest[tables.indexOf(name)] : undefined);
  const constant = (Object.keys(firstRowTables) as FirstRowTable[]).flatMap((name) => {
    const table = at(name);
    return table === undefined ? [] : [{ name: firstRowTables[name], table }];
  });
  return { tokens: tokens!, word: word!, position: at("position"), constant, indices: rest.slice(tables.length) };
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
    const { tokens, word, position, constant } = named(inputs, attributes);
    /** One row of these for each token; those of which all tokens have the first row count for nothing. */
    const read = position ? [word, position] : [word];
    const moved: readonly Type[] = [tokens, y!, ...read.map(({ dtype }) => ({ dtype, shape: y!.shape }))];
    return vectorLowering({
      label: "embedding",
      over: y!,
      reads: { words: word, positions: position, ...Object.fromEntries(constant.map(({ name, table }) => [name, table])) },
      writes: { y: y! },
      tables: { tokens: [tokens, "vec4u"] },
      main: (columns) => wgsl`let token = tokens[row];
  setY(index, ${[
    `words(token.${tokenField.id} * ${columns}u + column)`,
    ...(position ? [`positions(token.${tokenField.position} * ${columns}u + column)`] : []),
    ...constant.map(({ name }) => `${name}(column)`),
  ].join(" + ")});`,
      bytes: (live) => moved.reduce((sum, type) => sum + liveBytes(type, live), 0),
    });
  },
  gradient({ inputs, attributes }, [dy]) {
    if (!dy) return [];
    const { word, position, constant, indices } = named(inputs, attributes);
    const [wordOrder, wordRuns, positionOrder, positionRuns] = indices;
    if (!wordOrder || !wordRuns || !positionOrder || !positionRuns) {
      throw new ShapeError(
        "embedding: its gradient needs the batch's gather indices.",
        "Pass them when the forward pass is recorded for training.",
      );
    }
    const tables = [[word, wordOrder, wordRuns] as const, ...(position ? [[position, positionOrder, positionRuns] as const] : [])];
    // One kernel for both, unless only one of them is trained.
    const isTrained = ({ persistent }: Value) => persistent === null || persistent.gradient !== undefined;
    const groups = tables.every(([table]) => isTrained(table)) ? [tables] : tables.map((own) => [own]);
    const gradients = groups.flatMap((group) =>
      dy.tape.append(scatterRows, [dy, ...group.flatMap(([, order, runs]) => [order, runs])], {
        tableRows: group.map(([table]) => table.shape[0] as number),
      }),
    );
    const sums = constant.map(({ table }) => columnSum(dy, table.shape[0] as number));
    return [null, ...gradients, ...sums, ...indices.map(() => null)];
  },
};

/** The gradients of one or two tables from dy and, for each table, its order and runs. */
const scatterRows: Operation<{ tableRows: readonly number[] }> = {
  name: "embeddingGradient",
  writesOnce: true,
  infer([dy, ...indices], { tableRows }) {
    for (const i of tableRows.keys()) {
      const [order, runs] = indices.slice(2 * i);
      expectType("embeddingGradient", "order", order!, "u32", gatherOrder(dy!.shape[0]!).shape);
      expectType("embeddingGradient", "runs", runs!, "u32", gatherRuns(runs!.shape[0]!).shape);
    }
    return tableRows.map((rowCount) => f32(rowCount, dy!.shape[1]!));
  },
  lower({ inputs: [dy, ...indices], outputs }, { software, limits }) {
    const tables = outputs.map((table, i) => ({ table, order: indices[2 * i]!, runs: indices[2 * i + 1]! }));
    const bindings = 1 + tables.reduce((sum, { table }) => sum + 2 + Math.ceil(byteSize(table) / limits.maxStorageBufferBindingSize), 0);
    const groups = bindings <= limits.maxStorageBuffersPerShaderStage ? [tables] : tables.map((own) => [own]);
    return { variant: "sorted runs", kernels: groups.map((group) => scatterKernel(dy!, group, software)) };
  },
};

interface ScatteredTable {
  readonly table: Value;
  readonly order: Value;
  readonly runs: Value;
}

/** Rows of a run that are loaded at once: a frequent word's run is long, and one load waits for the one before it. */
const unrolled = 8;

function scatterKernel(dy: Value, tables: readonly ScatteredTable[], software: boolean): Kernel {
  const width = dy.shape[1] as number;
  const { element, columns } = rowVectors(width);
  // Searching for a row's run costs more than a row on a software adapter, and nothing beside the writes on a GPU.
  const threads = software ? 1 : columns;
  const sizes = tables.map(({ table }) => table.shape[0] as number);
  const firsts = sizes.map((_, i) => sizes.slice(0, i).reduce((sum, size) => sum + size, 0));
  const all = sizes.reduce((sum, size) => sum + size, 0);
  /** A sum in the order of a tree. */
  const tree = (terms: readonly string[]): string =>
    terms.length === 1 ? terms[0]! : `(${tree(terms.slice(0, terms.length / 2))} + ${tree(terms.slice(terms.length / 2))})`;
  const scatter = ({ table, runs }: ScatteredTable, i: number) => wgsl`fn scatter${i}(row: u32, first: u32) {
  let count = ${rows(runs.shape[0]!)};
  // The first run whose id is not below the row.
  var run = 0u;
  for (var end = count; run < end;) {
    let middle = (run + end) / 2u;
    if (runs${i}[middle].x < row) { run = middle + 1u; } else { end = middle; }
  }
  let isUsed = run < count && runs${i}[run].x == row;
  ${table.adds ? "if (!isUsed) { return; }" : ""}
  var at = vec4u();
  if (isUsed) { at = runs${i}[run]; }
  let end = at.y + at.z;
  for (var column = first; column < ${columns}u; column += ${threads}u) {
    var sum = ${element}();
    var i = at.y;
    for (; i + ${unrolled}u <= end; i += ${unrolled}u) {
      sum += ${tree(range(unrolled).map((k) => `dy(order${i}[i + ${k}u] * ${columns}u + column)`))};
    }
    for (; i < end; i++) { sum += dy(order${i}[i] * ${columns}u + column); }
    setTable${i}(row * ${columns}u + column, sum);
  }
}
`;
  return kernel({
    label: "embeddingGradient",
    workgroupSize: [threadsPerWorkgroup],
    reads: {
      dy: [dy, element],
      ...Object.fromEntries(
        tables.flatMap(({ order, runs }, i) => [
          [`order${i}`, [order, "u32"] as const],
          [`runs${i}`, [runs, "vec4u"] as const],
        ]),
      ),
    },
    writes: numbered("table", tables, ({ table }) => [table, element] as const),
    declarations: tables.map(scatter).join(""),
    main: wgsl`${blockIndex}
  let index = block * ${threadsPerWorkgroup}u + thread;
  let row = index / ${threads}u;
  if (row >= ${all}u) { return; }
  ${tables.map((_, i) => `${i < tables.length - 1 ? `if (row < ${firsts[i]! + sizes[i]!}u) ` : ""}{ scatter${i}(row - ${firsts[i]}u, index % ${threads}u); }`).join(" else ")}`,
    workgroups: () => fold(Math.ceil((all * threads) / threadsPerWorkgroup)),
  });
}

/** The tables that `embedding` looks up and adds. */
export interface EmbeddingTables {
  /** [vocabulary, hiddenSize]; each table is f32, or f16 if it is frozen. */
  readonly word: Operand;
  /** [positions, hiddenSize]; absent in models whose positions are elsewhere. */
  readonly position?: Operand | undefined;
  /** [types, hiddenSize]; its first row is used. Absent in models without token types. */
  readonly tokenType?: Operand | undefined;
  /** [tasks, hiddenSize]; its first row is used. Only ERNIE has it. */
  readonly taskType?: Operand | undefined;
}

/** [tokens, hiddenSize], stored as `dtype`, from the batch's token table u32 [tokens, 4]. The indices are needed for gradients. */
export function embedding(
  tokens: Value,
  tables: EmbeddingTables,
  indices?: { readonly word: GatherIndex; readonly position: GatherIndex },
  dtype: FloatType = "f32",
): Value {
  const { word } = tables;
  const others = (["position", "tokenType", "taskType"] as const).flatMap((name) => (tables[name] ? [[name, tables[name]] as const] : []));
  const sorted = indices ? [indices.word.order, indices.word.runs, indices.position.order, indices.position.runs] : [];
  const inputs = [tokens, word, ...others.map(([, table]) => table), ...sorted];
  return tokens.tape.append(operation, inputs, { dtype, tables: others.map(([name]) => name) })[0]!;
}
