import { describe, it } from "vitest";
import { type Precision, precisions } from "../../../src/kernels/search/precision.ts";
import { layInBlocks, queryType, queryWidth, vectorScores, vectorWords } from "../../../src/kernels/search/vector-scores.ts";
import { decodeRows, encodeRows, rowElements } from "../../../src/simcse/embedding/precision.ts";
import { openTestDevice } from "../../device.ts";
import { innerProducts } from "../../reference/search.ts";
import { expectClose } from "../close.ts";
import { normals } from "../data.ts";
import { build, execute, tensor } from "../run.ts";

const device = await openTestDevice();

function held(format: Precision, data: Float32Array, width: number) {
  const rows = data.length / width;
  const encoded = encodeRows(format, data, width);
  const blocks = new Uint32Array(vectorWords(format, width, rows));
  const bytes = new Uint8Array(encoded.data.buffer, encoded.data.byteOffset, encoded.data.byteLength);
  layInBlocks(blocks, bytes, rowElements[format](width) * encoded.data.BYTES_PER_ELEMENT, 0);
  const vectors = tensor(device, [blocks.length], blocks);
  const scales = encoded.scales ? { scales: tensor(device, [rows], encoded.scales) } : {};
  return { encoded, stored: { format, width, rows, vectors, ...scales } };
}

/** The queries in the kernel's layout. */
function laidOutQueries(format: Precision, queries: Float32Array, width: number): Float32Array | Uint32Array {
  const count = queries.length / width;
  const padded = queryWidth(format, width);
  if (format !== "binary") {
    const all = new Float32Array(count * padded);
    for (let q = 0; q < count; q++) all.set(queries.subarray(q * width, (q + 1) * width), q * padded);
    return all;
  }
  const bits = encodeRows("binary", queries, width).data;
  const all = new Uint8Array(count * padded * 4);
  const rowBytes = bits.length / count;
  for (let q = 0; q < count; q++) all.set(bits.subarray(q * rowBytes, (q + 1) * rowBytes), q * padded * 4);
  return new Uint32Array(all.buffer);
}

const variants = [true, false].map((software) => ({ ...device.capabilities, software }));

describe.each(
  precisions.flatMap((format) =>
    variants.map((capabilities) => ({ format, name: capabilities.software ? "software" : "hardware", capabilities })),
  ),
)("vectorScores of $format, $name", ({ format, capabilities }) => {
  it.each([
    [1, 1],
    [7, 57],
    [57, 1001],
    [768, 7],
    [1001, 57],
  ])("equals float64 inner products at width %i with %i rows", async (width, rows) => {
    const data = normals(rows * width, 1, { deviation: 1 / Math.sqrt(width) });
    const { encoded, stored } = held(format, data, width);
    const rounded = decodeRows(format, encoded, width);
    for (const [capacity, counts] of [
      [1, [1]],
      [33, [33, 7, 1]],
    ] as const) {
      const program = await build(
        device,
        (tape) => ({ scores: vectorScores(tape.input("queries", queryType(format, width, tape.extent("queries", capacity))), stored) }),
        capabilities,
      );
      for (const count of counts) {
        const queries = normals(count * width, 2 + count);
        const signs = () => decodeRows("binary", encodeRows("binary", queries, width), width);
        const expected = innerProducts(format === "binary" ? signs() : queries, rounded, width);
        const { scores } = await execute(program, {
          inputs: { queries: laidOutQueries(format, queries, width) },
          live: { queries: count },
        });
        // Products and sums of `width` terms; int8 unpacks with a division and scales with two products.
        expectClose(scores!, expected, { c: 8, terms: width, scale: 1 });
      }
      program.close();
    }
  });
});
