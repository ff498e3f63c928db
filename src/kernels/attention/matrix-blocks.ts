/**
 * The workgroup memory of attention on matrix units, and the products in it, as WGSL.
 *
 * It consists of blocks of 32 tokens, each in four quarters of 16 rows and half of the columns: a matrix is loaded from a quarter at a
 * constant offset and stride, because computed ones are bounds-checked. A block holds a head's halves, or 32×32 scores, whose place the
 * weights made of them take over, or 32 columns of a head's results. Blocks are named by WGSL for their number.
 *
 * The subgroups of a workgroup share the rows of a block, and its halves of columns if there are four of them. Of a row of scores, each
 * thread has an equal run.
 */
import { range, wgsl } from "../../gpu/shader.ts";
import { addProduct, halvesPerVector, loadOperand, type MatrixUnits, resultType, storeResult } from "../language/matrix-units.ts";
import { blockTokens } from "./frame.ts";

/** Most threads of a workgroup, and most of its subgroups. */
const mostThreads = 128;
const mostSubgroups = 4;

/** Rows of a quarter, and columns of a quarter of scores. */
const edge = blockTokens / 2;

/** An operand in a block. */
export interface Operand {
  readonly block: string;
  /** Whether its rows run along the dimension that is summed over. */
  readonly alongDepth: boolean;
  /** Numbers in half of a row: of a head's halves, or of weights. */
  readonly halfRow: number;
  /** Vectors before its rows. */
  readonly from: number;
}

/** A product that is added to the results `name`. */
export interface BlockProduct {
  readonly name: string;
  readonly left: Operand;
  readonly right: Operand;
  readonly depth: number;
  /** Columns of each half. */
  readonly columns: number;
}

/** Subgroups of a workgroup. */
const subgroupsOf = ({ lanes }: MatrixUnits) => Math.min(mostThreads / lanes, mostSubgroups);

/** Whether the units and a head's size fit the quarters, and threads share rows evenly. */
export const suitsBlocks = (units: MatrixUnits, headSize: number): boolean => {
  const { M, N, K } = units.matrix;
  return (
    [2, mostSubgroups].includes(subgroupsOf(units)) &&
    units.lanes * subgroupsOf(units) >= blockTokens &&
    [M, N, K].every((size) => edge % size === 0) &&
    headSize % blockTokens === 0
  );
};

/** The blocks for heads of a size. */
export function matrixBlocks(units: MatrixUnits, headSize: number) {
  const { matrix, lanes } = units;
  const { M, N, K } = matrix;
  const threads = lanes * subgroupsOf(units);
  /** Threads that share a row of scores, and what each has of it: vectors of weights, and twice as many of scores. */
  const threadsPerRow = threads / blockTokens;
  const weightVectors = blockTokens / halvesPerVector / threadsPerRow;
  /** Vectors of a head's row and of half of it. */
  const vectors = headSize / halvesPerVector;
  const half = vectors / 2;
  /** Vectors from one row of a quarter to the next. It is odd, so that rows begin in different banks, and those of both halves do too. */
  const stride = Math.max(half, edge / 4) + 1;
  const quarter = edge * stride + 4;
  /** The vectors of a block that a thread moves. */
  const moved = range((blockTokens * vectors) / threads);
  const hasOwnColumns = subgroupsOf(units) === mostSubgroups;
  const columnHalves = hasOwnColumns ? ["ownColumn"] : ["0u", "1u"];
  const rowsOfMatrices = range(edge / M);

  const load = (side: "left" | "right", { block, alongDepth, halfRow, from }: Operand, ownHalf: string, own: number, depth: number) => {
    const halfDepth = alongDepth ? halfRow : edge;
    const depthHalf = Math.floor(depth / halfDepth);
    const [row, column] = alongDepth ? [own, depth % halfDepth] : [depth % halfDepth, own];
    const at = alongDepth ? `2u * ${ownHalf} + ${depthHalf}u` : `${2 * depthHalf}u + ${ownHalf}`;
    return loadOperand(side, matrix, alongDepth, {
      array: `memory[4u * (${block}) + ${at}]`,
      offset: `${row * stride + from + column / halvesPerVector}u`,
      stride: `${stride}u`,
    });
  };
  /** A result's matrices: `name_half_i_j`, of rows i and columns j of each of the halves that a subgroup computes. */
  const resultsOf = (name: string, columns: number) =>
    columnHalves.flatMap((ownHalf, a) =>
      rowsOfMatrices.flatMap((i) => range(columns / N).map((j) => ({ ownHalf, i, j, result: `${name}_${a}_${i}_${j}` }))),
    );

  /** WGSL for where a thread has its vector i of weights, and its vector of scores of four times that place. */
  const ofScores = (block: string, i: number) => `memory[4u * (${block}) + scoreQuarter${i}]`;
  const vectorsOfScores = range(weightVectors);

  return {
    threads,
    vectors,
    moved,
    /** A thread's vectors of four scores. */
    quads: range(2 * weightVectors),
    /** Columns of each half of a head's results, and of scores. */
    headColumns: headSize / 2,
    scoreColumns: edge,
    /** f32 results of a head take several blocks. */
    resultBlocks: headSize / blockTokens,
    bytes: (blocks: number) => blocks * 4 * quarter * 16,
    declarations: (blocks: number) => wgsl`var<workgroup> memory: array<array<vec4u, ${quarter}>, ${4 * blocks}>;
fn halves(low: vec4f, high: vec4f) -> vec4u { return vec4u(bitcast<vec2u>(vec4<f16>(low)), bitcast<vec2u>(vec4<f16>(high))); }
`,
    /** Declares a thread's place: its subgroup's part of a block, the tokens and columns of the vectors that it moves, and its `part` of a `row` of scores. */
    places: wgsl`let own = thread % ${lanes}u;
  let ownRow = thread / ${lanes}u${hasOwnColumns ? " / 2u" : ""};
  ${hasOwnColumns ? `let ownColumn = thread / ${lanes}u % 2u;` : ""}
  ${moved
    .map(
      (i) => wgsl`let token${i} = (thread + ${i * threads}u) / ${vectors}u;
  let column${i} = (thread + ${i * threads}u) % ${vectors}u;
  let quarter${i} = token${i} / ${edge}u * 2u + column${i} / ${half}u;
  let line${i} = token${i} % ${edge}u * ${stride}u;
  let resultQuarter${i} = 4u * (column${i} % ${half}u / 2u) + quarter${i};
  let resultAt${i} = line${i} + column${i} % 2u * 2u;`,
    )
    .join("\n  ")}
  let row = thread / ${threadsPerRow}u;
  let firstColumn = thread % ${threadsPerRow}u * ${blockTokens / threadsPerRow}u;
  ${vectorsOfScores
    .map(
      (i) => wgsl`let scoreColumn${i} = firstColumn + ${i * halvesPerVector}u;
  let scoreQuarter${i} = row / ${edge}u * 2u + scoreColumn${i} / ${edge}u;
  let scoreAt${i} = row % ${edge}u * ${stride}u + scoreColumn${i} % ${edge}u / 4u;
  let weightAt${i} = row % ${edge}u * ${stride}u + scoreColumn${i} % ${edge}u / ${halvesPerVector}u;`,
    )
    .join("\n  ")}`,
    /** The place of vector i of those that a thread moves. */
    vectorAt: (block: string, i: number) => `memory[4u * (${block}) + quarter${i}][line${i} + column${i} % ${half}u]`,
    /** The same eight numbers of f32 results that begin with a block, times a factor, as halves. */
    resultOf(block: number, i: number, factor: string): string {
      const quad = (at: string) => `bitcast<vec4f>(memory[${4 * block}u + resultQuarter${i}][${at}]) * ${factor}`;
      return `halves(${quad(`resultAt${i}`)}, ${quad(`resultAt${i} + 1u`)})`;
    },
    /** Four of a thread's scores. */
    scoresOf: (block: string, quad: number) =>
      `bitcast<vec4f>(${ofScores(block, Math.floor(quad / 2))}[scoreAt${Math.floor(quad / 2)} + ${quad % 2}u])`,
    /** Stores four of a thread's scores, or of what is made of them. */
    storeScores: (block: string, quad: number, values: string) =>
      `${ofScores(block, Math.floor(quad / 2))}[scoreAt${Math.floor(quad / 2)} + ${quad % 2}u] = bitcast<vec4u>(${values});`,
    /** The score of any row and column. */
    scoreOf: (block: string, row: string, column: string) =>
      `bitcast<f32>(memory[4u * (${block}) + ${row} / ${edge}u * 2u + ${column} / ${edge}u][${row} % ${edge}u * ${stride}u + ${column} % ${edge}u / 4u][${column} % 4u])`,
    /** Numbers in a block, with a vector for each. */
    numbersOf: (block: number) => {
      const vectorOf = (at: string) => `memory[${4 * block}u + (${at}) / ${quarter}u][(${at}) % ${quarter}u]`;
      return {
        read: (at: string) => `bitcast<f32>(${vectorOf(at)}.x)`,
        write: (at: string, value: string) => `${vectorOf(at)} = vec4u(bitcast<u32>(${value}));`,
      };
    },
    /** Stores a thread's weights, made of its quads, in the place of scores, as the first or the second matrix there. */
    storeWeights: (block: string, matrix: 0 | 1, quads: readonly string[]) =>
      vectorsOfScores
        .map((i) => `${ofScores(block, i)}[weightAt${i} + ${2 * matrix}u] = halves(${quads[2 * i]}, ${quads[2 * i + 1]});`)
        .join(" "),
    /** `name` of the threads of a row, joined. */
    overRow: (name: string, join: (a: string, b: string) => string) =>
      [1, 2]
        .filter((distance) => distance < threadsPerRow)
        .map((distance) => `${name} = ${join(name, `subgroupShuffleXor(${name}, ${distance}u)`)};`)
        .join(" "),
    /** A head's rows as an operand. */
    ofHead: (block: number, alongDepth: boolean): Operand => ({ block: `${block}u`, alongDepth, halfRow: headSize / 2, from: 0 }),
    /** Weights as an operand. */
    ofWeights: (block: string, matrix: 0 | 1, alongDepth: boolean): Operand => ({ block, alongDepth, halfRow: edge, from: 2 * matrix }),
    /** Declares results, zeros. In a loop, Dawn does not set a variable without a value to zeros again. */
    declare: (name: string, columns: number) =>
      resultsOf(name, columns)
        .map(({ result }) => `var ${result} = ${resultType(matrix)}();`)
        .join(" "),
    /** Adds a product to its results. */
    multiply: ({ name, left, right, depth, columns }: BlockProduct) =>
      range(depth / K)
        .map((step) => {
          const lefts = rowsOfMatrices.map((i) => `let l${i} = ${load("left", left, "ownRow", i * M, step * K)};`);
          const products = columnHalves.flatMap((ownHalf, a) =>
            range(columns / N).map((j) => {
              const sums = rowsOfMatrices.map((i) => addProduct(`${name}_${a}_${i}_${j}`, `l${i}`, "r"));
              return `{ let r = ${load("right", right, ownHalf, j * N, step * K)}; ${sums.join(" ")} }`;
            }),
          );
          return `{ ${[...lefts, ...products].join(" ")} }`;
        })
        .join("\n    "),
    /** Multiplies results by a number. */
    multiplyBy: (name: string, columns: number, factor: string) =>
      resultsOf(name, columns)
        .map(({ result }) => `${result} = subgroupMatrixScalarMultiply(${result}, ${factor});`)
        .join(" "),
    /** Stores results in blocks of 32 columns, 16 of each half. */
    store: (name: string, columns: number, block: string) =>
      resultsOf(name, columns)
        .map(({ ownHalf, i, j, result }) =>
          storeResult(result, {
            array: `memory[4u * (${block} + ${Math.floor((j * N) / edge)}u) + 2u * ownRow + ${ownHalf}]`,
            offset: `${i * M * stride + ((j * N) % edge) / 4}u`,
            stride: `${stride}u`,
          }),
        )
        .join("\n    "),
  };
}
