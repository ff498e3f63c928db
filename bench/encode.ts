/** Encoding: full batches, and real sentences packed beside the same sentences padded to the longest of their batch. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { DispatchProfile } from "../src/autograd/program.ts";
import { openFolder } from "../src/io/folder-node.ts";
import { readSentences } from "../src/io/text.ts";
import { loadTokenizer } from "../src/io/tokenizer.ts";
import { EncoderProgram } from "../src/simcse/embedding/encoder-program.ts";
import { BatchPacker } from "../src/simcse/model/batch.ts";
import { SimCseModel } from "../src/simcse/model/model.ts";
import type { Bench } from "./machine.ts";
import { markdown, measure, percent, short, workOf } from "./measure.ts";
import { type BenchModel, benchModels, bertConfig, syntheticSentences } from "./models.ts";

const batchSize = 64;
const tokens = 32;
/** Sentences are truncated to the length of those in a full batch. */
const longest = 64;

/** The folder of the Wikipedia sentences and BERT's tokenizer, which are not part of the project. */
const data = resolve(process.env.SIMCSE_DATA ?? "../shared/data");

type Batch = readonly (readonly number[])[];

interface Work {
  readonly name: string;
  readonly batches: readonly Batch[];
}

/** Real sentences in the order of the file, in batches; null if the data is missing. */
async function wikipedia(count: number): Promise<Batch[] | null> {
  if (!existsSync(data)) return null;
  const tokenizer = await loadTokenizer(await openFolder(resolve(data, "tokenizers/bert-base-uncased")));
  const ids: number[][] = [];
  for await (const sentence of readSentences(await openFolder(resolve(data, "train")), "wiki100k_sentences.txt")) {
    ids.push(tokenizer.encode(sentence, longest));
    if (ids.length === count) break;
  }
  return Array.from({ length: Math.floor(ids.length / batchSize) }, (_, i) => ids.slice(i * batchSize, (i + 1) * batchSize));
}

/** Pads every sentence of a batch to the longest, to measure the cost of padding: its tokens are computed like all others. */
function padded(batch: Batch): Batch {
  const length = Math.max(...batch.map((ids) => ids.length));
  return batch.map((ids) => [...ids, ...Array<number>(length - ids.length).fill(0)]);
}

async function modelRows({ device, ceilings, rounds }: Bench, model: BenchModel, works: readonly Work[]): Promise<string[][]> {
  const simcse = await SimCseModel.allocate(device, bertConfig(model), { training: false, mlp: false });
  simcse.store.initialize(42);
  const encoder = await EncoderProgram.compile(simcse, "avg", { normalize: true, sentences: batchSize, longest });
  const { program, capacity } = encoder;
  const packer = new BatchPacker(capacity);
  const pack = (batch: Batch) =>
    packer.pack(
      batch.map((ids) => ({ ids, key: 0 })),
      { training: false },
    );
  const times = await measure(
    works.map(({ batches }) => ({
      run: async () => {
        for (const batch of batches) program.run(pack(batch));
        await device.finish();
        return undefined;
      },
    })),
    rounds,
  );
  const rows: string[][] = [];
  for (const [i, { name, batches }] of works.entries()) {
    const dispatches: DispatchProfile[] = [];
    for (const batch of batches) dispatches.push(...(await program.profile(pack(batch))));
    const sentences = batches.length * batchSize;
    const ms = times[i]!;
    const perSecond = (sentences * 1000) / ms;
    rows.push([
      `${name} (${model.name})`,
      String(sentences),
      short(ms),
      perSecond.toFixed(0),
      percent(workOf(dispatches, ceilings).roofline / ms),
    ]);
  }
  encoder.close();
  simcse.close();
  return rows;
}

/** The table of all models. */
export async function encodeTable(bench: Bench): Promise<string> {
  const real = await wikipedia(bench.quick ? 2 * batchSize : bench.device.capabilities.software ? 4 * batchSize : 32 * batchSize);
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
  const counted = real?.flat().reduce((sum, ids) => sum + ids.length, 0) ?? 0;
  const withPadding = real?.flatMap(padded).reduce((sum, ids) => sum + ids.length, 0) ?? 0;
  const note = real
    ? `Packed: ${counted.toLocaleString("en-US")} tokens; padded to the longest of each batch of ${batchSize}: ${withPadding.toLocaleString("en-US")}, ${(withPadding / counted).toFixed(2)} times as many.`
    : `No Wikipedia sentences: ${data} is not there (set SIMCSE_DATA).`;
  return `${markdown(["encode", "sentences", "ms", "sentences/s", "of ceiling"], rows)}\n\n${note}`;
}
