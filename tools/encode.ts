/** `simcse encode`: one sentence a line in, one vector a line (or an .npy matrix) out. Results alone go to stdout. */
import { once } from "node:events";
import { basename, dirname, resolve } from "node:path";
import { Command, Option } from "commander";
import { OptionError } from "../src/errors.ts";
import { openFolder, writeFileAtomically } from "../src/io/folder-node.ts";
import { encodeNpy } from "../src/io/npy.ts";
import { readLines, readSentences } from "../src/io/text.ts";
import { type PoolerType, poolerTypes } from "../src/simcse/poolers.ts";
import { SimCSE } from "../src/simcse/simcse.ts";
import { findModel, type HubFlags, hubFlags } from "./find-model.ts";
import { openAdapter } from "./open-adapter.ts";
import { wholeNumber, withOptions } from "./options.ts";

interface EncodeOptions extends HubFlags {
  readonly model_name_or_path: string;
  readonly input: string;
  readonly output: string;
  readonly pooler?: PoolerType;
  readonly max_length?: number;
  readonly batch_size: number;
  readonly normalize: boolean;
  readonly adapter?: string;
}

const options: readonly Option[] = [
  new Option("--model_name_or_path <model>", "model folder, or a name on the hub").makeOptionMandatory(),
  ...hubFlags,
  new Option("--input <file>", "sentences, one a line; - is standard input").default("-"),
  new Option("--output <file>", ".npy for a matrix, .jsonl for JSON lines; - is JSON lines on standard output").default("-"),
  new Option("--pooler <type>", "how a sentence's vector is made (default: the one saved with the model)").choices([...poolerTypes]),
  new Option("--max_length <n>", "tokens a sentence is truncated to (default: as saved with the model, or 128)").argParser(wholeNumber(3)),
  new Option("--batch_size <n>", "sentences a batch").argParser(wholeNumber(1)).default(64),
  new Option("--no-normalize", "leave vectors as they are instead of scaling them to unit length"),
  new Option("--adapter <name>", "run on the adapter whose name contains this"),
];

export const encodeCommand = withOptions(new Command("encode").description("turn sentences into vectors"), options).action(runEncoding);

/** Sentences sorted by length and written together: many batches, little memory. */
const chunkSentences = 4096;

async function runEncoding(given: EncodeOptions): Promise<void> {
  const write = writers[given.output === "-" ? ".jsonl" : given.output.slice(given.output.lastIndexOf("."))];
  if (write === undefined)
    throw new OptionError(
      `--output ${given.output} has a format that is not known.`,
      "Give a file that ends in .npy or .jsonl, or - for standard output.",
    );
  const sentences =
    given.input === "-"
      ? readLines(process.stdin, "standard input")
      : readSentences(await openFolder(dirname(resolve(given.input))), basename(given.input));
  const folder = await findModel(given.model_name_or_path, given);
  await using device = await openAdapter(given.adapter ? { adapter: given.adapter } : {});
  await using simcse = await SimCSE.loadFrom(device, folder, {
    ...(given.pooler && { pooler: given.pooler }),
    ...(given.max_length && { maxLength: given.max_length }),
    batchSize: given.batch_size,
    normalize: given.normalize,
  });
  await write(given.output, encodeChunks(simcse, sentences), simcse.dimension);
}

interface Chunk {
  readonly sentences: readonly string[];
  /** f32 [sentences, dimension] */
  readonly vectors: Float32Array;
}

async function* encodeChunks(simcse: SimCSE, sentences: AsyncIterable<string>): AsyncGenerator<Chunk> {
  let chunk: string[] = [];
  const encode = async () => ({ sentences: chunk, vectors: (await simcse.encode(chunk)).data });
  for await (const sentence of sentences) {
    chunk.push(sentence);
    if (chunk.length < chunkSentences) continue;
    yield await encode();
    chunk = [];
  }
  if (chunk.length > 0) yield await encode();
}

type Writer = (path: string, chunks: AsyncIterable<Chunk>, dimension: number) => Promise<void>;

const writers: Readonly<Record<string, Writer>> = {
  ".jsonl": async (path, chunks, dimension) => {
    if (path !== "-") return writeFileAtomically(path, jsonLines(chunks, dimension));
    for await (const bytes of jsonLines(chunks, dimension)) if (!process.stdout.write(bytes)) await once(process.stdout, "drain");
  },
  ".npy": async (path, chunks, dimension) => {
    const vectors: Float32Array[] = [];
    for await (const chunk of chunks) vectors.push(chunk.vectors);
    const all = new Float32Array(vectors.reduce((sum, { length }) => sum + length, 0));
    let offset = 0;
    for (const part of vectors) {
      all.set(part, offset);
      offset += part.length;
    }
    await writeFileAtomically(path, encodeNpy([all.length / dimension, dimension], all));
  },
};

async function* jsonLines(chunks: AsyncIterable<Chunk>, dimension: number): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  for await (const { sentences, vectors } of chunks) {
    const lines = sentences.map((sentence, i) =>
      JSON.stringify({ sentence, embedding: Array.from(vectors.subarray(i * dimension, (i + 1) * dimension)) }),
    );
    yield encoder.encode(`${lines.join("\n")}\n`);
  }
}
