/** Records with their vectors, as `cluster` collects them. */
import { expect, it } from "vitest";
import { allRecordVectors } from "../../../tools/cli/record-vectors.ts";

it("collects the rows of a matrix, which are one chunk, however many they are", async () => {
  const length = 300_000;
  async function* chunks() {
    yield { records: Array.from({ length }, () => ({})), data: new Float32Array(2 * length).fill(1) };
    yield { records: [{ sentence: "the last" }], data: Float32Array.of(2, 3) };
  }
  const unused = { device: null as never, [Symbol.asyncDispose]: async () => {} };
  const { records, vectors } = await allRecordVectors({ ...unused, dimension: 2, chunks: chunks() });
  expect(records.length).toBe(length + 1);
  expect(records.at(-1)).toEqual({ sentence: "the last" });
  expect(vectors.length).toBe(length + 1);
  expect(vectors.data.slice(-4)).toEqual(Float32Array.of(1, 1, 2, 3));
});
