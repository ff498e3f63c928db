/** The page's benchmarks, in the order in which they run. */
export const benchmarkNames = ["products", "kernels", "encoding", "training"] as const;

export type BenchmarkName = (typeof benchmarkNames)[number];
