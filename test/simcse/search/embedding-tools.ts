/** The vectors of test/golden/embedding_tools.py, and what sentence-transformers makes of them. */
import { readFileSync } from "node:fs";
import { uniform } from "../../uniform.ts";

export const golden = JSON.parse(readFileSync(new URL("../../golden/embedding_tools.json", import.meta.url), "utf8")) as {
  readonly rows: number;
  readonly dimension: number;
  readonly topics: number;
  /** The topic of each row. */
  readonly topic: readonly number[];
  readonly threshold: number;
  readonly min_size: number;
  readonly pairs: readonly (readonly [first: number, second: number, score: number])[];
  readonly communities: readonly (readonly number[])[];
  /** Rows at the start that int8 is calibrated with; the others are quantised. */
  readonly calibration_rows: number;
  /** An IndexFlatIP of the first three rows, in base64. */
  readonly faiss: string;
  /** Base64. */
  readonly int8: string;
};

const { rows, dimension, topics } = golden;
const noise = uniform(41, rows * dimension);
const centres = uniform(42, topics * dimension);

/** f32 [rows, dimension] */
export const goldenVectors = Float32Array.from(
  noise,
  (value, i) => centres[golden.topic[Math.floor(i / dimension)]! * dimension + (i % dimension)]! + 0.6 * value,
);
