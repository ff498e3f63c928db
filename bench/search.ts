/** Exact search among stored vectors, beside NumPy on the CPU if a Python has it; and the loss of accuracy at low precision. */
import type { Device } from "../src/gpu/device.ts";
import { type Precision, precisions } from "../src/kernels/search/precision.ts";
import { VectorIndex } from "../src/simcse/search/vector-index.ts";
import { type BenchTable, measure } from "./measure.ts";
import type { Bench } from "./open-bench.ts";
import { runInPython } from "./pythons.ts";

const dimension = 768;
const topK = 5;
const queryCounts = [1, 32];

/** Numbers of vectors to search, and the precisions measured on each. */
const sizes: readonly { readonly count: number; readonly measured: readonly Precision[] }[] = [
  { count: 100_000, measured: precisions },
  { count: 1_000_000, measured: ["f16", "binary"] },
];

/** Vectors generated and added at a time. */
const batch = 10_000;

/** Uniform numbers in (−0.5, 0.5): the time does not depend on them (xorshift, Marsaglia 2003). */
function randomVectors(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count * dimension }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state / 2 ** 32;
  });
}

/** Queries that are each close to one vector, like a paraphrase to its sentence: a cosine of 0.8. */
function queriesNear(vectors: Float32Array, count: number): Float32Array {
  const noise = randomVectors(count, 77);
  return vectors.slice(0, count * dimension).map((value, i) => value + 0.75 * noise[i]!);
}

/** Python's script is named relative to the repository's root, where benchmarks run, built ones too. */
function numpyMilliseconds(count: number, queries: number, rounds: number): number | null {
  const given = [count, dimension, queries, topK, rounds].map(String);
  const printed = runInPython("bench/search.py", given);
  return printed === null ? null : Number(printed.trim());
}

function build(device: Device, precision: Precision, count: number): VectorIndex {
  const index = new VectorIndex(device, dimension, { precision });
  for (let start = 0; start < count; start += batch) index.add(randomVectors(Math.min(batch, count - start), 1 + start));
  return index;
}

export async function searchTable({ device, quick }: Bench): Promise<BenchTable> {
  const rounds = quick ? 1 : 5;
  const rows: string[][] = [];
  for (const { count, measured } of quick ? sizes.slice(0, 1) : sizes) {
    const baseline = queryCounts.map((queries) => numpyMilliseconds(count, queries, rounds));
    rows.push([
      `${count.toLocaleString("en")}, NumPy f32, CPU`,
      ...baseline.map((ms) => (ms === null ? "not installed" : ms.toFixed(1))),
      "",
      "",
    ]);
    const queries = queriesNear(randomVectors(batch, 1), queryCounts.at(-1)!);
    let exact: ReadonlySet<number>[] | null = null;
    for (const precision of measured) {
      const index = build(device, precision, count);
      const search = (asked: number) => index.search(queries.subarray(0, asked * dimension), { topK, threshold: -2 });
      const subjects = queryCounts.map((asked) => ({ run: async () => void (await search(asked)) }));
      const times = await measure(device, subjects, rounds);
      const found = (await search(queryCounts.at(-1)!)).map((results) => new Set(results.map(({ row }) => row)));
      exact ??= found;
      const kept = found.reduce((sum, set, i) => sum + [...set].filter((row) => exact![i]!.has(row)).length, 0);
      const recall = kept / (found.length * topK);
      rows.push([
        `${count.toLocaleString("en")}, ${precision}`,
        ...times.map(({ milliseconds }) => milliseconds.toFixed(1)),
        recall.toFixed(3),
        ((count * dimension * bytes[precision]) / 1e6).toFixed(0),
      ]);
      index.close();
    }
  }
  return {
    head: [
      `vectors of ${dimension}, the best ${topK}`,
      ...queryCounts.map((count) => `ms, ${count} ${count === 1 ? "query" : "queries"}`),
      `recall@${topK}`,
      "MB searched",
    ],
    rows,
    note: "Recall is against the first precision of each size, on random vectors, which have no clusters: few bits lose more there than on sentences.",
  };
}

const bytes: Readonly<Record<Precision, number>> = { f32: 4, f16: 2, int8: 1, binary: 1 / 8 };
