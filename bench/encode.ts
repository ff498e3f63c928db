/**
 * The device's own rate of encoding, without tokenising or reading: full batches, usual ones and those that a call with many sentences uses, and
 * real sentences packed beside the same sentences padded to the longest of their batch.
 */
import type { DispatchProfile } from "../src/autograd/program.ts";
import { largeBatch, usualBatch } from "../src/simcse/embedding/batch-size.ts";
import { EncoderProgram } from "../src/simcse/embedding/encoder-program.ts";
import { BatchPacker } from "../src/simcse/model/batch.ts";
import { SimCseModel } from "../src/simcse/model/model.ts";
import { type BenchTable, measure, percent, timeCells, workOf } from "./measure.ts";
import { type BenchModel, benchDtypes, benchModels, bertConfig, syntheticSentences } from "./models.ts";
import { type Bench, sayRow } from "./open-bench.ts";

const batchSize = 64;
const tokens = 32;
/** The most tokens of a sentence. */
export const longest = 64;

/** A run of a work takes up to half a second, so fewer rounds than of a kernel give a median. */
const mostRounds = 9;

/** Sentences of equal length for large batches, which PyTorch gets too; a software adapter has only usual batches. */
export const equalSentences = ({ device }: Bench): readonly (readonly number[])[] =>
  syntheticSentences(device.capabilities.software ? batchSize : 16 * batchSize, tokens);

type Batch = readonly (readonly number[])[];

/** Batches, and the program that they are for. */
interface Work {
  readonly name: string;
  readonly encoder: EncoderProgram;
  readonly batches: readonly Batch[];
}

/** Pads every sentence of a batch to the longest, to measure the cost of padding: its tokens are computed like all others. */
function padded(batch: Batch): Batch {
  const length = Math.max(...batch.map((ids) => ids.length));
  return batch.map((ids) => [...ids, ...Array<number>(length - ids.length).fill(0)]);
}

/** Sentences in as few batches as a program has room for, the longest first, like the batches of a call. */
function filled(encoder: EncoderProgram, sentences: Batch): Batch[] {
  const batches: number[][][] = [];
  let size = 0;
  for (const ids of sentences.toSorted((a, b) => b.length - a.length)) {
    const last = batches.at(-1);
    const hasRoom = last !== undefined && encoder.hasRoom(last.length, size, ids.length);
    if (hasRoom) last.push([...ids]);
    else batches.push([[...ids]]);
    size = (hasRoom ? size : 0) + ids.length;
  }
  return batches;
}

/** The works of a model: in usual batches, and in large ones where the device has a use for them. */
async function worksOf(bench: Bench, model: SimCseModel, real: readonly Batch[]): Promise<Work[]> {
  const compile = (size: { sentences: number; tokens: number }) =>
    EncoderProgram.compile(model, "avg", { normalize: true, longest, ...size });
  const usual = await compile(usualBatch(batchSize, longest));
  const works: Work[] = [{ name: `${batchSize} × ${tokens} tokens`, encoder: usual, batches: [syntheticSentences(batchSize, tokens)] }];
  if (real.length > 0)
    works.push(
      { name: "Wikipedia, packed", encoder: usual, batches: real },
      { name: "Wikipedia, padded", encoder: usual, batches: real.map(padded) },
    );
  const size = largeBatch(usual.program.plan, usual.capacity.tokens, bench.device.capabilities);
  if (size === null) return works;
  const large = await compile(size);
  const of = `in batches of ${size.tokens.toLocaleString("en-US")} tokens`;
  const equal = equalSentences(bench);
  works.push({ name: `${equal.length} × ${tokens} tokens, ${of}`, encoder: large, batches: filled(large, equal) });
  if (real.length > 0) works.push({ name: `Wikipedia, ${of}`, encoder: large, batches: filled(large, real.flat()) });
  return works;
}

async function modelRows(bench: Bench, name: string, model: SimCseModel, real: readonly Batch[]): Promise<string[][]> {
  const { device, ceilings, rounds } = bench;
  bench.say(`${name}: compiling`);
  const works = (await worksOf(bench, model, real)).map((work) => {
    const packer = new BatchPacker(work.encoder.capacity, { indices: false });
    const pack = (batch: Batch) => packer.pack(batch.map((ids) => ({ ids, key: 0 })));
    return { ...work, program: work.encoder.program, pack };
  });
  bench.say(`${name}: measuring`);
  const times = await measure(
    device,
    works.map(({ program, batches, pack }) => ({
      run: async () => {
        for (const batch of batches) program.run(pack(batch));
        await device.finish();
      },
    })),
    Math.min(rounds, mostRounds),
  );
  const rows: string[][] = [];
  for (const [i, work] of works.entries()) {
    const dispatches: DispatchProfile[] = [];
    for (const batch of work.batches) dispatches.push(...(await work.program.profile(work.pack(batch))));
    const all = work.batches.flat();
    const share = percent(workOf(dispatches, ceilings).roofline / times[i]!.milliseconds);
    rows.push(sayRow(bench, [`${work.name} (${name})`, ...rateCells(all, times[i]!), share]));
  }
  for (const encoder of new Set(works.map((work) => work.encoder))) encoder.close();
  return rows;
}

/** The cells of a row: sentences, tokens, the time and its spread, and sentences a second. */
export function rateCells(sentences: readonly { readonly length: number }[], timing: Parameters<typeof timeCells>[0]): string[] {
  const counted = sentences.reduce((sum, ids) => sum + ids.length, 0);
  const perSecond = (sentences.length * 1000) / timing.milliseconds;
  return [String(sentences.length), String(counted), ...timeCells(timing), perSecond.toFixed(0)];
}

/** Is given the weights of each model before they are freed, because drawing those of BERT-base again would take seconds. */
export type KeepWeights = (model: BenchModel, weights: SimCseModel) => Promise<void>;

/** A model's rows, in every dtype. */
async function rowsOf(bench: Bench, model: BenchModel, real: readonly Batch[], keep: KeepWeights): Promise<string[][]> {
  const allocate = (halves: boolean) => SimCseModel.allocate(bench.device, bertConfig(model), { training: false, mlp: false, halves });
  bench.say(`${model.name}: drawing weights`);
  const initial = await allocate(false);
  initial.store.initialize(42);
  const rows: string[][] = [];
  for (const dtype of benchDtypes(bench)) {
    const simcse = await allocate(dtype === "f16");
    await simcse.copyFrom(initial);
    rows.push(...(await modelRows(bench, `${model.name}, ${dtype}`, simcse, real)));
    simcse.close();
  }
  await keep(model, initial);
  initial.close();
  return rows;
}

/** Real sentences as token ids, in their order; their number. Null where there are none. */
export type RealSentences = (count: number) => Promise<readonly (readonly number[])[] | null>;

/** The table of all models. */
export async function encodeTable(
  bench: Bench,
  sentences: RealSentences = async () => null,
  keep: KeepWeights = async () => {},
): Promise<BenchTable> {
  const ids = await sentences((bench.quick ? 2 : bench.device.capabilities.software ? 4 : 16) * batchSize);
  const real = Array.from({ length: Math.floor((ids?.length ?? 0) / batchSize) }, (_, i) => ids!.slice(i * batchSize, (i + 1) * batchSize));
  const rows: string[][] = [];
  for (const model of benchModels(bench)) rows.push(...(await rowsOf(bench, model, real, keep)));
  const head = ["encode", "sentences", "tokens", "ms", "spread", "sentences/s", "of ceiling"];
  if (ids === null) return { head, rows };
  const counted = real.flat().reduce((sum, ids) => sum + ids.length, 0);
  const withPadding = real.flatMap(padded).reduce((sum, ids) => sum + ids.length, 0);
  return {
    head,
    rows,
    note: `Packed: ${counted.toLocaleString("en-US")} tokens; padded to the longest of each batch of ${batchSize}: ${withPadding.toLocaleString("en-US")}, ${(withPadding / counted).toFixed(2)} times as many.`,
  };
}
