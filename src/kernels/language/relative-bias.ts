/**
 * A bias of attention scores by the distance from query to key, as in T5 and MPNet (Raffel et al. 2020): WGSL for the attention kernels.
 *
 * Distances fall into buckets: near ones have one each, far ones share. A table has a bias for each bucket and head. A workgroup first
 * copies the biases of its head, by distance, into its own memory. In the backward pass every thread adds up its gradients by bucket there;
 * at the end they are summed in the order of the threads.
 */
import { wgsl } from "../../gpu/shader.ts";

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

/** Module-scope WGSL: `bucketOf(relative)`, and the biases of the workgroup's head by distance. */
export function relativeBiasDeclarations({ starts }: RelativeBias): string {
  const far = starts.filter((start, bucket) => start !== bucket);
  const near = starts.length - far.length - 1;
  const steps = far.map((start) => ` + u32(n >= ${start}u)`).join("");
  return wgsl`
var<workgroup> biases: array<f32, ${2 * farthest(starts) + 1}>;
fn bucketOf(relative: i32) -> u32 {
  let n = u32(abs(relative));
  return min(n, ${near}u)${steps} + select(0u, ${starts.length}u, relative > 0);
}
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

/** WGSL that writes the workgroup's sums, the row `row` of `sums` [rows, buckets, heads]. */
export function storeBucketSums({ starts, heads, threads }: RelativeBias, row: string): string {
  return wgsl`workgroupBarrier();
  for (var bucket = thread; bucket < ${bucketCount(starts)}u; bucket += ${threads}u) {
    var total = 0.0;
    for (var i = 0u; i < ${threads}u; i++) { total += bucketSums[bucket * ${threads}u + i]; }
    setSums(((${row}) * ${bucketCount(starts)}u + bucket) * ${heads}u + head, total);
  }`;
}
