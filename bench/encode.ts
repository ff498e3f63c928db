/** Encoding: full batches, and real sentences packed beside the same sentences padded to the longest of their batch. */
import type { DispatchProfile } from "../src/autograd/program.ts";
import { usualBatch } from "../src/simcse/embedding/batch-size.ts";
import { EncoderProgram } from "../src/simcse/embedding/encoder-program.ts";
import { BatchPacker } from "../src/simcse/model/batch.ts";
import { SimCseModel } from "../src/simcse/model/model.ts";
import { type BenchTable, measure, percent, timeCells, workOf } from "./measure.ts";
import { type BenchModel, benchModels, bertConfig, syntheticSentences } from "./models.ts";
import type { Bench } from "./open-bench.ts";

const batchSize = 64;
const tokens = 32;
/** The most tokens of a sentence. */
export const longest = 64;

type Batch = readonly (readonly number[])[];

interface Work {
  readonly name: string;
  readonly batches: readonly Batch[];
}

/** Pads every sentence of a batch to the longest, to measure the cost of padding: its tokens are computed like all others. */
function padded(batch: Batch): Batch {
  const length = Math.max(...batch.map((ids) => ids.length));
  return batch.map((ids) => [...ids, ...Array<number>(length - ids.length).fill(0)]);
}

async function modelRows({ device, ceilings, rounds }: Bench, model: BenchModel, works: readonly Work[]): Promise<string[][]> {
  const simcse = await SimCseModel.allocate(device, bertConfig(model), { training: false, mlp: false });
  simcse.store.initialize(42);
  const encoder = await EncoderProgram.compile(simcse, "avg", { normalize: true, longest, ...usualBatch(batchSize, longest) });
  const { program, capacity } = encoder;
  const packer = new BatchPacker(capacity);
  const pack = (batch: Batch) =>
    packer.pack(
      batch.map((ids) => ({ ids, key: 0 })),
      { indices: false },
    );
  const times = await measure(
    device,
    works.map(({ batches }) => ({
      run: async () => {
        for (const batch of batches) program.run(pack(batch));
        await device.finish();
      },
    })),
    rounds,
  );
  const rows: string[][] = [];
  for (const [i, { name, batches }] of works.entries()) {
    const dispatches: DispatchProfile[] = [];
    for (const batch of batches) dispatches.push(...(await program.profile(pack(batch))));
    const sentences = batches.length * batchSize;
    const perSecond = (sentences * 1000) / times[i]!.milliseconds;
    const tokens = batches.flat().reduce((sum, ids) => sum + ids.length, 0);
    rows.push([
      `${name} (${model.name})`,
      String(sentences),
      String(tokens),
      ...timeCells(times[i]!),
      perSecond.toFixed(0),
      percent(workOf(dispatches, ceilings).roofline / times[i]!.milliseconds),
    ]);
  }
  encoder.close();
  simcse.close();
  return rows;
}

/** Real sentences as token ids, in their order; their number. Null where there are none. */
export type RealSentences = (count: number) => Promise<readonly (readonly number[])[] | null>;

/** The table of all models. */
export async function encodeTable(bench: Bench, sentences: RealSentences = async () => null): Promise<BenchTable> {
  const ids = await sentences(bench.quick ? 2 * batchSize : bench.device.capabilities.software ? 4 * batchSize : 32 * batchSize);
  const real = ids && Array.from({ length: Math.floor(ids.length / batchSize) }, (_, i) => ids.slice(i * batchSize, (i + 1) * batchSize));
  const works: Work[] = [
    { name: `${batchSize} × ${tokens} tokens`, batches: [syntheticSentences(batchSize, tokens)] },
    ...(real
      ? [
          { name: "Wikipedia, packed", batches: real },
          { name: "Wikipedia, padded", batches: real.map(padded) },
        ]
      : []),
  ];
  const rows: string[][] = [];
  for (const model of benchModels(bench)) rows.push(...(await modelRows(bench, model, works)));
  const head = ["encode", "sentences", "tokens", "ms", "spread", "sentences/s", "of ceiling"];
  if (real === null) return { head, rows };
  const counted = real.flat().reduce((sum, ids) => sum + ids.length, 0);
  const withPadding = real.flatMap(padded).reduce((sum, ids) => sum + ids.length, 0);
  return {
    head,
    rows,
    note: `Packed: ${counted.toLocaleString("en-US")} tokens; padded to the longest of each batch of ${batchSize}: ${withPadding.toLocaleString("en-US")}, ${(withPadding / counted).toFixed(2)} times as many.`,
  };
}
