/** The precisions of stored vectors on the host, in files and on the device; `simcse/embedding/precision.ts` converts to and from them. */
export type Precision = "f32" | "f16" | "int8" | "binary";

/** The names of all precisions. */
export const precisions: readonly Precision[] = ["f32", "f16", "int8", "binary"];
