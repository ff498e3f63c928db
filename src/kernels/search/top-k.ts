/**
 * The k largest scores of each row in a fixed order: higher scores first, and the lower index first where scores are equal. `after` is the
 * result for an earlier part of the same rows; the result is then the k largest of both. So rows of any length can be searched in parts,
 * and only one part's scores are in memory at a time.
 *
 * `stripes` threads share a row. Each visits every stripes-th score and keeps a sorted list of its k largest; then the lists are merged, 16
 * into one, until one remains. Insertion is the expensive part. So the first few thousand scores are searched first; of the rest, only
 * scores above the smallest of these k are inserted. Comparisons are exact. Not differentiable.
 */
import type { Capabilities } from "../../gpu/capabilities.ts";
import { wgsl } from "../../gpu/shader.ts";
import { blockIndex, fold, kernel, paramU32, sizeOf, sizeParam, threadsPerWorkgroup } from "../language/kernel.ts";
import {
  type Dimension,
  expectType,
  f32,
  type Kernel,
  type Node,
  type Operation,
  Scratch,
  type Tensor,
  u32,
  type Value,
} from "../language/operation.ts";

/** The index of a missing entry, where a row has fewer than k scores. */
export const noIndex = 0xffff_ffff;

/** Below every score. */
const lowest = "-3.4e38";

/** Lists that a thread merges into one. */
const mergeWidth = 16;

/**
 * Threads per row: a software adapter has few lanes. Both numbers are powers of 16 times a small number, which keeps the number of merges
 * small.
 */
const mostStripes = { software: 64, hardware: 1024 };

interface Attributes {
  readonly k: number;
  readonly firstIndex: number;
  /** Whether the last input says which columns count. */
  readonly masked: boolean;
}

/** Words of a mask with one bit per column. */
export const maskWords = (columns: number) => Math.ceil(columns / 32);

const operation: Operation<Attributes> = {
  name: "topK",
  infer(inputs, { k, masked }) {
    const [scores, afterScores, afterIndices] = masked ? inputs.slice(0, -1) : inputs;
    const [rows, columns] = scores!.shape as [Dimension, number];
    expectType("topK", "scores", scores!, "f32", [rows, null]);
    if (afterScores) expectType("topK", "after.scores", afterScores, "f32", [rows, k]);
    if (afterIndices) expectType("topK", "after.indices", afterIndices, "u32", [rows, k]);
    if (masked) expectType("topK", "only", inputs.at(-1)!, "u32", [maskWords(columns)]);
    return [f32(rows, k), u32(rows, k)];
  },
  lower: lowerTopK,
};

/** Scores and their indices. */
interface Lists {
  readonly scores: Tensor;
  readonly indices: Tensor;
}

/** Scores that are searched before the others. */
const firstColumns = 4096;

function lowerTopK({ inputs, outputs, attributes: { k, firstIndex, masked } }: Node<Attributes>, { software }: Capabilities) {
  const only = masked ? inputs.at(-1)! : null;
  const [scores, afterScores, afterIndices] = masked ? inputs.slice(0, -1) : inputs;
  const [rows, columns] = scores!.shape as [Dimension, number];
  const result: Lists = { scores: outputs[0]!, indices: outputs[1]! };
  const scratch: Scratch[] = [];
  const kernels: Kernel[] = [];
  const makeLists = (count: number): Lists => {
    const made = { scores: new Scratch("f32", [rows, k * count]), indices: new Scratch("u32", [rows, k * count]) };
    scratch.push(made.scores, made.indices);
    return made;
  };
  /** Merges the columns from `start` up to `end` and the lists of `after` into the one list `into`. */
  const part = (start: number, end: number, after: Lists | null, into: Lists): number => {
    const stripes = stripesFor(end - start, k, software);
    let count = stripes;
    let current = count === 1 ? into : makeLists(count);
    kernels.push(stripesKernel({ scores: scores!, only, rows, columns, start, end, k, firstIndex, stripes, after, into: current }));
    while (count > 1) {
      const fewer = Math.ceil(count / mergeWidth);
      const next = fewer === 1 ? into : makeLists(fewer);
      kernels.push(mergeKernel({ rows, k, count, from: current, fewer, into: next }));
      [count, current] = [fewer, next];
    }
    return stripes;
  };
  let after: Lists | null = afterScores && afterIndices ? { scores: afterScores, indices: afterIndices } : null;
  let start = 0;
  if (after === null && columns >= 2 * Math.max(firstColumns, k)) {
    start = Math.max(firstColumns, k);
    const first = makeLists(1);
    part(0, start, null, first);
    after = first;
  }
  const stripes = part(start, columns, after, result);
  return { variant: `${stripes} stripes`, kernels, scratch };
}

/** Enough that there are at least four scores for each place of a list: all lists together are then smaller than the scores. */
function stripesFor(columns: number, k: number, software: boolean): number {
  const most = Math.min(software ? mostStripes.software : mostStripes.hardware, columns / (4 * k));
  return most < 2 ? 1 : 2 ** Math.floor(Math.log2(most));
}

interface Stripes {
  readonly scores: Value;
  readonly only: Value | null;
  readonly rows: Dimension;
  readonly columns: number;
  readonly start: number;
  readonly end: number;
  readonly k: number;
  readonly firstIndex: number;
  readonly stripes: number;
  readonly after: Lists | null;
  readonly into: Lists;
}

/** Entry j of list l of a row is at (row · k + j) · lists + l, so neighbouring threads write neighbouring words. */
function stripesKernel({ scores, only, rows, columns, start, end, k, firstIndex, stripes, after, into }: Stripes): Kernel {
  return kernel({
    label: "topK stripes",
    workgroupSize: [threadsPerWorkgroup],
    reads: {
      scores: [scores, "f32"],
      only: only ? [only, "u32"] : undefined,
      afterScores: after ? [after.scores, "f32"] : undefined,
      afterIndices: after ? [after.indices, "u32"] : undefined,
    },
    writes: { listScores: [into.scores, "f32"], listIndices: [into.indices, "u32"] },
    params: {
      rows: sizeParam(rows),
      columns: paramU32(columns),
      start: paramU32(start),
      end: paramU32(end),
      k: paramU32(k),
      firstIndex: paramU32(firstIndex),
      stripes: paramU32(stripes),
    },
    main: wgsl`${blockIndex}
  let index = block * ${threadsPerWorkgroup}u + thread;
  let row = index / params.stripes;
  let stripe = index % params.stripes;
  if (row >= ${sizeOf("rows", rows)}) { return; }
  let step = params.stripes;
  let list = row * params.k * step + stripe;
  let last = list + (params.k - 1u) * step;
  for (var j = 0u; j < params.k; j++) {
    var score = ${lowest};
    var own = ${noIndex}u;
    ${after ? "// What was found before is the start of the first list: its indices are lower than all that follow.\n    if (stripe == 0u) { score = afterScores(row * params.k + j); own = afterIndices[row * params.k + j]; }" : ""}
    setListScores(list + j * step, score);
    listIndices[list + j * step] = own;
  }
  var least = ${after ? "afterScores(row * params.k + params.k - 1u)" : lowest};
  for (var c = params.start + stripe; c < params.end; c += step) {
    let score = scores(row * params.columns + c);
    if (score > least${only ? " && ((only[c / 32u] >> (c % 32u)) & 1u) == 1u" : ""}) {
      var place = last;
      while (place > list && listScores(place - step) < score) {
        setListScores(place, listScores(place - step));
        listIndices[place] = listIndices[place - step];
        place -= step;
      }
      setListScores(place, score);
      listIndices[place] = params.firstIndex + c;
      least = max(least, listScores(last));
    }
  }`,
    workgroups: (live) => fold(Math.ceil((live(rows) * stripes) / threadsPerWorkgroup)),
  });
}

interface Merge {
  readonly rows: Dimension;
  readonly k: number;
  readonly from: Lists;
  readonly count: number;
  readonly into: Lists;
  readonly fewer: number;
}

function mergeKernel({ rows, k, from, count, into, fewer }: Merge): Kernel {
  return kernel({
    label: "topK merge",
    workgroupSize: [threadsPerWorkgroup],
    reads: { fromScores: [from.scores, "f32"], fromIndices: [from.indices, "u32"] },
    writes: { intoScores: [into.scores, "f32"], intoIndices: [into.indices, "u32"] },
    params: { rows: sizeParam(rows), k: paramU32(k), count: paramU32(count), fewer: paramU32(fewer) },
    main: wgsl`${blockIndex}
  let index = block * ${threadsPerWorkgroup}u + thread;
  let row = index / params.fewer;
  let merged = index % params.fewer;
  if (row >= ${sizeOf("rows", rows)}) { return; }
  let first = merged * ${mergeWidth}u;
  let lists = min(${mergeWidth}u, params.count - first);
  var taken = array<u32, ${mergeWidth}>();
  for (var j = 0u; j < params.k; j++) {
    var chosen = 0u;
    var score = ${lowest};
    var own = ${noIndex}u;
    for (var l = 0u; l < lists; l++) {
      if (taken[l] >= params.k) { continue; }
      let place = (row * params.k + taken[l]) * params.count + first + l;
      let other = fromScores(place);
      let otherIndex = fromIndices[place];
      if (other > score || (other == score && otherIndex < own)) {
        chosen = l;
        score = other;
        own = otherIndex;
      }
    }
    taken[chosen] += 1u;
    setIntoScores((row * params.k + j) * params.fewer + merged, score);
    intoIndices[(row * params.k + j) * params.fewer + merged] = own;
  }`,
    workgroups: (live) => fold(Math.ceil((live(rows) * fewer) / threadsPerWorkgroup)),
  });
}

/** The largest scores of each row and their indices. */
export interface TopK {
  /** f32 [rows, k], descending; below −3·10³⁸ if there are fewer scores than k. */
  readonly scores: Value;
  /** u32 [rows, k]; `noIndex` if there are fewer scores than k. */
  readonly indices: Value;
}

/** Which columns are searched, and earlier results. */
export interface TopKOptions {
  /** The index of the first column; 0 if absent. */
  readonly firstIndex?: number;
  /** The best of earlier columns; their indices must all be below `firstIndex`. */
  readonly after?: TopK | undefined;
  /** u32 [ceil(columns / 32)]: column c counts if bit c % 32 of word floor(c / 32) is set; every column counts if absent. */
  readonly only?: Value | undefined;
}

/** Column c of `scores` f32 [rows, columns] has the index `firstIndex` + c. */
export function topK(scores: Value, k: number, { firstIndex = 0, after, only }: TopKOptions = {}): TopK {
  const inputs = [scores, ...(after ? [after.scores, after.indices] : []), ...(only ? [only] : [])];
  const [best, indices] = scores.tape.append(operation, inputs, { k, firstIndex, masked: only !== undefined });
  return { scores: best!, indices: indices! };
}
