import { describe, expect, it } from "vitest";
import type { Choose } from "../../src/autograd/plan.ts";
import { ShapeError } from "../../src/errors.ts";
import type { Capabilities } from "../../src/gpu/capabilities.ts";
import { attention } from "../../src/kernels/attention.ts";
import { f32 } from "../../src/kernels/language/operation.ts";
import { openTestDevice, profile } from "../device.ts";
import * as reference from "../reference/attention.ts";
import { expectAdjoint, expectClose, expectSame } from "./close.ts";
import { normals } from "./data.ts";
import { batchInputs, batchStep, type PackedBatch, packedBatch, rowsOf } from "./packed-batch.ts";
import { adjoint, build, execute } from "./run.ts";
import { chooseNamed, rowVariants } from "./variants.ts";

const device = await openTestDevice();

const capacity = { tokens: 801, sentences: 11 };
/** Sentences of one block, ones that a workgroup handles whole, and ones that are split into tiles. */
const lengthsUpTo = { 32: [1, 2, 7, 31, 32], 128: [1, 2, 7, 31, 57, 128], 512: [1, 2, 7, 31, 57, 128, 512] } as const;
type Longest = keyof typeof lengthsUpTo;
const random = { seed: 13, step: 4 };

/** exp's 3 + 2|x| ulp at scores a few units apart, twice (the online softmax shrinks as it goes), and log's 2⁻²¹ in the backward pass. */
const c = 32;

/** Where the buckets of a bias by relative position begin; the last one within the window below. */
const starts = [0, 1, 2, 3, 6, 11, 18];

interface Heads {
  readonly heads: number;
  readonly headSize: number;
  readonly probability: number;
  readonly longest: Longest;
  readonly window?: number;
  /** Where the buckets of a bias by relative position begin. */
  readonly starts?: readonly number[];
}

/** With all that attention can have, and with none of it: no more, because GPUs' kernels compile for seconds here. */
const shapes = {
  "with dropout, a window and a bias": { heads: 3, headSize: 8, probability: 0.5, window: 20, starts },
  plain: { heads: 1, headSize: 4, probability: 0 },
} as const;
const named = Object.entries(shapes);

interface Way {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly longest: Longest;
  readonly choose?: Choose;
}

/** SwiftShader compiles blocks for ten seconds each: there they are left to the kernel suite of the page. */
const compilesBlocks = profile === "full" && !device.name.startsWith("SwiftShader");
const walkLengths = [128, 512] as const;
const blockLengths = compilesBlocks ? ([32, 128] as const) : [];

/**
 * The ways to lower it: for software adapters, a walk in blocks if the device has subgroups; for all others blocks of scores, or a walk
 * token by token and unrolled. A core device has the latter two in common with all others; its own is the walk on software adapters.
 */
const variants: Way[] = rowVariants(device).flatMap(({ capabilities }) => {
  const ways = (name: string, lengths: readonly Longest[], choose?: Choose) =>
    lengths.map((longest): Way => ({ name: `${name}, of at most ${longest} tokens`, capabilities, longest, ...(choose && { choose }) }));
  const walks = (name: string) => ways(name, walkLengths, chooseNamed("walk"));
  if (capabilities.software) return walks("a walk on software adapters");
  return profile === "core" ? [] : [...ways("blocks", blockLengths), ...walks("a walk on GPUs")];
});

/** The way that the device runs it by itself. */
const own: Pick<Way, "capabilities" | "choose"> = { capabilities: device.capabilities };

async function record({ heads, headSize, probability, longest, window, starts }: Heads, { capabilities, choose } = own) {
  const hidden = heads * headSize;
  const program = await build(
    device,
    (tape) => {
      const batch = batchInputs(tape, { ...capacity, longest });
      const qkv = tape.input("qkv", f32(tape.extent("tokens", capacity.tokens), 3 * hidden));
      const bias = starts && { table: tape.input("table", f32(2 * starts.length, heads)), starts };
      const y = attention(qkv, batch, { heads, dropout: probability, ...(window ? { window } : {}), ...(bias ? { bias } : {}) });
      const [dQkv, , , dTable] = adjoint(y, tape.input("dy", y));
      return { y, dQkv: dQkv!, ...(dTable ? { dTable } : {}) };
    },
    capabilities,
    choose,
  );
  const run = async (batch: PackedBatch, qkv: Float32Array, dy: Float32Array, table?: Float32Array) => {
    const step = batchStep(batch);
    const outputs = await execute(program, { ...step, inputs: { ...step.inputs, qkv, dy, ...(table ? { table } : {}) }, ...random });
    return { y: outputs.y!, dQkv: outputs.dQkv!, dTable: outputs.dTable! };
  };
  return { run, hidden, close: () => program.close() };
}

/** Expects the kernels' result for each sentence of each batch to equal the reference's for that sentence on its own. */
async function compare(shape: Heads, batches: readonly PackedBatch[], way = own) {
  const { heads, headSize, probability, window, starts } = shape;
  const { run, hidden, close } = await record(shape, way);
  const table = starts && normals(2 * starts.length * heads, 69);
  const biasFrom = (values?: ArrayLike<number>) =>
    values && starts && ((head: number, relative: number) => values[reference.bucketOf(starts, relative) * heads + head]!);
  for (const batch of batches) {
    const qkv = normals(batch.rows * 3 * hidden, 67);
    const dy = normals(batch.rows * hidden, 68);
    const { y, dQkv, dTable } = await run(batch, qkv, dy, table);
    const options = batch.lengths.map((_, sentence) => ({
      heads,
      headSize,
      window,
      mask: reference.attentionMask({ ...random, site: 0, probability }, rowsOf(batch.keys, batch, sentence, 1), heads),
    }));
    if (table) {
      const f = (values: Float64Array) =>
        batch.lengths.flatMap((_, sentence) => {
          const own = Float64Array.from(rowsOf(qkv, batch, sentence, 3 * hidden));
          return [...reference.attention(own, { ...options[sentence]!, bias: biasFrom(values) })];
        });
      expectAdjoint(dTable, table, dy, f, { c, terms: batch.rows, scale: 1, samples: batch.rows > 300 ? 4 : 12 });
    }
    batch.lengths.forEach((length, sentence) => {
      const own = rowsOf(qkv, batch, sentence, 3 * hidden);
      const f = (at: Float64Array) => reference.attention(at, { ...options[sentence]!, bias: biasFrom(table) });
      expectClose(rowsOf(y, batch, sentence, hidden), f(Float64Array.from(own)), { c, terms: 4 });
      const samples = length > 100 ? 2 : 12;
      const weights = rowsOf(dy, batch, sentence, hidden);
      expectAdjoint(rowsOf(dQkv, batch, sentence, 3 * hidden), own, weights, f, { c, terms: 4, scale: 1, samples });
    });
  }
  close();
}

describe.each(variants)("attention, $name", ({ longest, ...way }) => {
  it.each(named)("equals the float64 reference: %s", async (_, shape) => {
    const long = packedBatch(lengthsUpTo[longest].map((length, i) => ({ length, logical: i + 3 })));
    await compare({ ...shape, longest }, [long, packedBatch([{ length: 7 }, { length: 1 }])], way);
  });

  it.each(named)("gives a sentence the same bits wherever it stands: %s", async (_, shape) => {
    const { run, hidden, close } = await record({ ...shape, longest }, way);
    const table = "starts" in shape ? normals(2 * starts.length * shape.heads, 69) : undefined;
    const sentenceLengths = [Math.min(57, longest), 1, 31, 7];
    const seen = new Map<number, { y: Float32Array; dQkv: Float32Array }>();
    for (const order of [[0, 1, 2, 3], [3, 1, 0, 2], [2], [0]]) {
      const batch = packedBatch(order.map((logical) => ({ length: sentenceLengths[logical]!, logical })));
      const content = (width: number, seed: number) =>
        Float32Array.from(order.flatMap((logical) => [...normals(sentenceLengths[logical]! * width, seed + logical)]));
      const outputs = await run(batch, content(3 * hidden, 70), content(hidden, 80), table);
      order.forEach((logical, i) => {
        const y = rowsOf(outputs.y, batch, i, hidden);
        const dQkv = rowsOf(outputs.dQkv, batch, i, 3 * hidden);
        const before = seen.get(logical) ?? { y, dQkv };
        expectSame(y, before.y);
        expectSame(dQkv, before.dQkv);
        seen.set(logical, before);
      });
    }
    close();
  });

  it("neither overflows nor turns NaN for scores far from zero", async () => {
    const { run, close } = await record({ ...shapes.plain, longest }, way);
    const batch = packedBatch([{ length: 3 }]);
    // Scores ±2·10⁴ apart: each softmax is one-hot, on the key that points the query's way.
    const [big, zero] = [100, [0, 0, 0]];
    const token = (q: number, k: number, v: number) => [q * big, ...zero, k * big, ...zero, v, v, v, v];
    const qkv = Float32Array.from([token(2, 2, 5), token(-2, -2, 7), token(2, 0, 9)].flat());
    const { y, dQkv } = await run(batch, qkv, new Float32Array(12).fill(1));
    expect([...y.subarray(0, 12)]).toEqual([5, 5, 5, 5, 7, 7, 7, 7, 5, 5, 5, 5]);
    expect(dQkv.subarray(0, 36).every(Number.isFinite)).toBe(true);
    close();
  });
});

describe("attention", () => {
  // Heads of BERT's size, and one that does not divide into blocks.
  it.runIf(compilesBlocks).each([
    { heads: 2, headSize: 64, longest: 32, lengths: [31, 1, 32, 7] },
    { heads: 1, headSize: 80, longest: 128, lengths: [33, 9] },
  ] as const)("equals the float64 reference for heads of $headSize in blocks", async ({ lengths, ...shape }) => {
    const asGpu = { capabilities: { ...device.capabilities, software: false } };
    await compare({ ...shape, probability: 0.1 }, [packedBatch(lengths.map((length) => ({ length })))], asGpu);
  });

  // Unrolled, heads of BERT's size take a software adapter minutes to compile; on its own choice of variant every adapter is quick.
  it("equals the float64 reference for heads of 64, the way this device runs them", async () => {
    await compare({ heads: 2, headSize: 64, probability: 0.1, longest: 128 }, [packedBatch([31, 1, 57, 7].map((length) => ({ length })))]);
  });

  it.each([
    { name: "the way this device runs them", way: own },
    { name: "with a walk on GPUs", way: { capabilities: { ...device.capabilities, software: false } } },
  ])("equals the float64 reference for heads that four does not divide, $name", async ({ way }) => {
    for (const [headSize, longest] of [
      [10, 128],
      [6, 512],
    ] as const) {
      const lengths = longest === 128 ? [31, 1, 57, 7] : [31, 140];
      await compare({ heads: 4, headSize, probability: 0.1, longest }, [packedBatch(lengths.map((length) => ({ length })))], way);
    }
  });

  it("refuses a width that does not divide into heads of an even size", async () => {
    for (const [width, heads] of [
      [18, 2],
      [15, 1],
      [24, 3],
    ] as const) {
      const recorded = build(device, (tape) => {
        const batch = batchInputs(tape, capacity);
        return { y: attention(tape.input("qkv", f32(tape.extent("tokens", capacity.tokens), width)), batch, { heads, dropout: 0 }) };
      });
      await expect(recorded).rejects.toThrow(ShapeError);
    }
  });
});
