/**
 * A bias of attention scores by the distance from query to key, as in T5 and MPNet (Raffel et al. 2020): WGSL for the attention kernels.
 *
 * Distances fall into buckets: near ones have one each, far ones share. A table has a bias for each bucket and head.
 *
 * A kernel that walks over the tokens first copies the biases of its head, by distance, into workgroup memory. In the backward pass every
 * thread adds up its gradients by bucket there; at the end they are summed in the order of the threads.
 *
 * A kernel that computes tiles of scores copies the biases of a tile's distances, of which there are few. In the backward pass a thread
 * adds up the gradients of one distance, which are a diagonal of the tile; then a thread adds the distances of one bucket to its sum. The
 * order of these additions is fixed too.
 */
import { range, wgsl } from "../../gpu/shader.ts";

/**
 * The least distance of each bucket for keys before the query, ascending from 0; keys after it have as many buckets again, in the same
 * order. The table has the rows of both: 2 · buckets.
 */
export type BucketStarts = readonly number[];

/** The bias of one kernel: the buckets, the heads of the table, and the threads of a workgroup. */
export interface RelativeBias {
  readonly starts: BucketStarts;
  readonly heads: number;
  readonly threads: number;
}

/** The rows of the table. */
export const bucketCount = (starts: BucketStarts): number => 2 * starts.length;

/** WGSL of a key's place relative to the query, from their positions. */
const relative = (key: string, query: string) => `i32(${key}) - i32(${query})`;

/** Beyond this distance all biases are the same. */
const farthest = (starts: BucketStarts): number => starts.at(-1)!;

/** The last of the buckets that are for one distance, like all before it. */
const lastNear = (starts: BucketStarts): number => starts.filter((start, bucket) => start === bucket).length - 1;

/** Module-scope WGSL: `bucketOf(relative)`. */
function bucketDeclarations(starts: BucketStarts): string {
  const near = lastNear(starts);
  const steps = starts.slice(near + 1).map((start) => ` + u32(n >= ${start}u)`);
  return wgsl`
fn bucketOf(relative: i32) -> u32 {
  let n = u32(abs(relative));
  return min(n, ${near}u)${steps.join("")} + select(0u, ${starts.length}u, relative > 0);
}
`;
}

/** Module-scope WGSL: `bucketOf(relative)`, and the biases of the workgroup's head by distance. */
export function relativeBiasDeclarations({ starts }: RelativeBias): string {
  return wgsl`${bucketDeclarations(starts)}
var<workgroup> biases: array<f32, ${2 * farthest(starts) + 1}>;
fn biasOf(relative: i32) -> f32 { return biases[clamp(relative, -${farthest(starts)}, ${farthest(starts)}) + ${farthest(starts)}]; }
`;
}

/** WGSL that fills the workgroup's biases, as far as its sentence of `count` tokens reaches. The table is bound as `table`. */
export function fillBiases({ starts, heads, threads }: RelativeBias): string {
  return wgsl`let reach = min(count, ${farthest(starts) + 1}u) - 1u;
  for (var at = ${farthest(starts)}u - reach + thread; at <= ${farthest(starts)}u + reach; at += ${threads}u) {
    biases[at] = table(bucketOf(${relative("at", `${farthest(starts)}`)}) * ${heads}u + head);
  }
  workgroupBarrier();`;
}

/** WGSL of the bias of a key for a query, by their positions in the sentence. */
export const biasOf = (key: string, query: string): string => `biasOf(${relative(key, query)})`;

/** Module-scope WGSL for the gradient of the table: a sum for each bucket and thread. */
export const bucketSumDeclarations = ({ starts, threads }: RelativeBias): string =>
  `var<workgroup> bucketSums: array<f32, ${bucketCount(starts) * threads}>;\n`;

/** WGSL that adds the gradient of one score to its bucket. */
export const addToBucket = ({ threads }: RelativeBias, key: string, query: string, gradient: string): string =>
  `bucketSums[bucketOf(${relative(key, query)}) * ${threads}u + thread] += ${gradient};`;

/** WGSL of where the sum of a bucket is in the row `row` of `sums` [rows, buckets, heads]. */
const sumAt = ({ starts, heads }: Omit<RelativeBias, "threads">, row: string, bucket: string) =>
  `((${row}) * ${bucketCount(starts)}u + ${bucket}) * ${heads}u + head`;

/** WGSL that writes the workgroup's sums to the row `row` of `sums` [rows, buckets, heads], and zeros to some rows after it. */
export function storeBucketSums(bias: RelativeBias, row: string, zeroRows: number): string {
  const { starts, threads } = bias;
  return wgsl`workgroupBarrier();
  for (var bucket = thread; bucket < ${bucketCount(starts)}u; bucket += ${threads}u) {
    var total = 0.0;
    for (var i = 0u; i < ${threads}u; i++) { total += bucketSums[bucket * ${threads}u + i]; }
    setSums(${sumAt(bias, row, "bucket")}, total);
    ${zeroRows > 0 ? `for (var more = 1u; more <= ${zeroRows}u; more++) { setSums(${sumAt(bias, `${row} + more`, "bucket")}, 0.0); }` : ""}
  }`;
}

/** Workgroup memory with a number for each distance from a query to a key of a tile: WGSL that reads one, and that writes one. */
export interface DistanceMemory {
  read(at: string): string;
  write(at: string, value: string): string;
}

/** A tile of scores: its queries, its keys, and memory for its distances, those of keys before the query first. */
export interface BiasTile {
  readonly queries: number;
  readonly keys: number;
  readonly memory: DistanceMemory;
}

/** The bias of a kernel that computes tiles of scores, as WGSL. */
export type TileBias = ReturnType<typeof tileBias>;

/**
 * Makes it. Tiles are given by the positions of their first query and first key. The table's gradient needs tiles of as many keys as
 * queries, a power of two; a thread has the sum of the bucket of its number, so a workgroup needs at least as many threads as buckets.
 */
export function tileBias(bias: RelativeBias, { queries, keys, memory }: BiasTile) {
  const { starts, heads, threads } = bias;
  const buckets = bucketCount(starts);
  const near = lastNear(starts);
  const widths = starts.slice(near + 1).map((start, i) => ` + select(0, ${start - starts[near + i]!}, n >= ${near + 1 + i}u)`);
  const distances = queries + keys - 1;
  /** The distances that a thread has in hand. The last may be beyond those of a tile. */
  const ownDistances = range(Math.ceil(distances / threads)).map((i) => `(thread + ${i * threads}u)`);
  const storeSum = (row: string, sum: string) => {
    const store = `setSums(${sumAt(bias, row, "thread")}, ${sum});`;
    return threads > buckets ? `if (thread < ${buckets}u) { ${store} }` : store;
  };
  return {
    /** Module-scope WGSL. */
    declarations: bucketDeclarations(starts),
    /** Fetches the biases of a tile into registers. The table is bound as `table`. */
    fetch: (query: string, key: string) =>
      ownDistances
        .map((at, i) => {
          const distance = relative(`(${key} + ${at})`, `(${query} + ${queries - 1}u)`);
          return `let fetchedBias${i} = table(bucketOf(${distance}) * ${heads}u + head);`;
        })
        .join(" "),
    /** Puts them in the memory. */
    keep: ownDistances.map((at, i) => `if (${at} < ${distances}u) { ${memory.write(at, `fetchedBias${i}`)} }`).join(" "),
    /** The bias of a key for a query, by their numbers in the tile. */
    of: (key: string, query: string) => memory.read(`${key} + ${queries - 1}u - ${query}`),
    gradient: {
      /** Module-scope WGSL: the least and the greatest place of a key, relative to the query, in a bucket; none beyond the last bucket. */
      declarations: wgsl`
fn startOf(n: u32) -> i32 { return i32(min(n, ${near}u))${widths.join("")}; }
fn distancesOf(bucket: u32) -> vec2i {
  let isAfter = bucket >= ${starts.length}u;
  let n = select(bucket, bucket - ${starts.length}u, isAfter);
  let least = startOf(n);
  let greatest = select(startOf(n + 1u), ${2 ** 30}, n == ${starts.length - 1}u) - 1;
  return select(vec2i(-greatest, -least), vec2i(max(least, 1), greatest), isAfter);
}
`,
      /** Declares the sum of the thread's bucket. */
      declare: wgsl`let bucketDistances = distancesOf(thread);
  var bucketSum = 0.0;`,
      /**
       * Sums up the gradients of a tile's scores, by distance, in the memory. A gradient is WGSL of the numbers of its key and its query;
       * all threads read those of one key, or those of one query, at the same time.
       */
      sumDistances: (gradient: (key: string, query: string) => string, together: "key" | "query"): string =>
        ownDistances
          .map((at) => {
            // Numbers below zero are large ones, so that one comparison is enough.
            const other = together === "key" ? `i + ${queries - 1}u - ${at}` : `i + ${at} - ${queries - 1}u`;
            const inTile = `(${other}) % ${queries}u`;
            const own = together === "key" ? gradient("i", inTile) : gradient(inTile, "i");
            return wgsl`if (${at} < ${distances}u) {
      var total = 0.0;
      for (var i = 0u; i < ${queries}u; i++) { total += select(0.0, ${own}, ${other} < ${queries}u); }
      ${memory.write(at, "total")}
    }`;
          })
          .join(" "),
      /** Adds a tile's sums by distance to the bucket's. */
      add: (query: string, key: string) => wgsl`{ let nearest = ${relative(key, `(${query} + ${queries - 1}u)`)};
    for (var distance = max(bucketDistances.x, nearest); distance <= min(bucketDistances.y, nearest + ${distances - 1}); distance++) {
      bucketSum += ${memory.read("u32(distance - nearest)")};
    } }`,
      /** Writes the sum of the thread's bucket, times a factor, or zero, to the row `row` of `sums` [rows, buckets, heads]. */
      store: (row: string, factor: number) => storeSum(row, `bucketSum * ${factor}`),
      storeZero: (row: string) => storeSum(row, "0.0"),
    },
  };
}
