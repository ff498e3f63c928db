/**
 * Encoding from texts to vectors: Wikipedia sentences through `SimCSE.encode`, which tokenises in threads while the device computes, beside
 * sentence-transformers with the same model folder, a BERT with random weights. The device's own rate is in encode.ts; PyTorch's is added to it.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import { writeFilesInto } from "../src/io/folder-node.ts";
import type { FloatType } from "../src/kernels/language/operation.ts";
import { savedModelFiles } from "../src/simcse/checkpoint/saved-model.ts";
import { unprepared } from "../src/simcse/embedding/prompts.ts";
import { SimCseModel } from "../src/simcse/model/model.ts";
import { SimCSE } from "../src/simcse/simcse-node.ts";
import { timingOf } from "../src/tuning/measure.ts";
import { encodeTable, equalSentences, rateCells } from "./encode.ts";
import { type BenchTable, short } from "./measure.ts";
import { type BenchModel, benchDtypes, benchModels, bertConfig } from "./models.ts";
import type { Bench } from "./open-bench.ts";
import { findPyTorch } from "./pytorch.ts";
import { type Encoded, type PyTorchWork, pytorchEncodings } from "./pytorch-encode.ts";
import { bertTokenizer, wikipedia, wikipediaTexts } from "./wikipedia.ts";

/** The library's own limit of a model that states none. */
const maxLength = 128;

/** Rounds of a measurement, which end after so many seconds. */
const rounds = 3;
const seconds = 4;

/** Sentences that start the threads of a tokenizer, which pay only for much text. */
const manySentences = 20_000;

/** Sentences whose vectors are compared. */
const compared = 32;

const head = ["from texts to vectors", "sentences", "tokens", "s", "rounds", "sentences/s"];

type Result = Encoded | { readonly reason: string };

/** The works in PyTorch: the texts in the batches that sentence-transformers has by default, and in larger ones. */
const pytorchWorks = (dtypes: readonly FloatType[]): PyTorchWork[] => [
  { work: "tokenize", dtype: "f32", batch_size: 0 },
  ...dtypes.flatMap((dtype) => [
    { work: "ids" as const, dtype, batch_size: 0 },
    ...[32, 256].map((batch_size) => ({ work: "texts" as const, dtype, batch_size })),
  ]),
];

/** The table of encode.ts with PyTorch's rows, and the table of texts. */
export async function encodeTables(bench: Bench): Promise<readonly BenchTable[]> {
  const own = await encodeTable(bench, wikipedia);
  const texts = await wikipediaTexts(manySentences);
  if (texts === null)
    return [own, { head, rows: [], note: "From texts to vectors: needs Wikipedia sentences and BERT's tokenizer, see SIMCSE_DATA." }];
  const { software } = bench.device.capabilities;
  const sentences = texts.slice(0, software ? 512 : bench.quick ? 2000 : manySentences);
  // The largest model that the adapter has time for.
  const model = benchModels(bench).at(-1)!;
  const folder = await mkdtemp(join(tmpdir(), "simcse-encode-"));
  try {
    await writeModel(bench, model, folder);
    const rows: string[][] = [];
    let vectors: readonly Float32Array[] = [];
    for (const dtype of benchDtypes(bench)) {
      const measured = await measureTexts(bench, folder, dtype, { texts, sentences });
      if (dtype === "f32") {
        rows.push(
          textRow(
            `tokenising alone, in ${measured.threads === 0 ? "the calling thread" : `${measured.threads} threads`}`,
            measured.tokenizing,
          ),
        );
        vectors = measured.vectors;
      }
      rows.push(textRow(`${model.name}, ${dtype}`, measured.encoding));
    }
    const pytorch = await pytorchRows(bench, model, folder, { sentences, vectors });
    return [
      { ...own, rows: [...own.rows, ...pytorch.ids] },
      {
        head,
        rows: [...rows, ...pytorch.texts],
        note: `Wikipedia sentences of at most ${maxLength} tokens, their number without padding; ${model.name} with random weights, the mean of the tokens. Each row was warmed up; the median of rounds, at most ${rounds}, which ended after ${seconds} s.${pytorch.note}`,
      },
    ];
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Writes a model with random weights, so that transformers and sentence-transformers open it too. */
async function writeModel({ device }: Bench, model: BenchModel, folder: string): Promise<void> {
  const simcse = await SimCseModel.allocate(device, bertConfig(model), { training: false, mlp: false });
  simcse.store.initialize(42);
  const settings = { pooler_type: "avg", max_seq_length: maxLength };
  await writeFilesInto(folder, savedModelFiles(simcse, await bertTokenizer(), settings, unprepared));
  simcse.close();
}

/** Milliseconds of each round. */
async function timesOf(run: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  const began = performance.now();
  while (times.length < rounds && performance.now() - began < seconds * 1000) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
  return times;
}

interface Texts {
  /** Enough to start the threads of a tokenizer. */
  readonly texts: readonly string[];
  /** Those that are timed. */
  readonly sentences: readonly string[];
}

async function measureTexts({ device }: Bench, folder: string, dtype: FloatType, { texts, sentences }: Texts) {
  // Threads that could not start, or failed, have ended again.
  const threads = new Set<Worker>();
  const count = (worker: Worker) => {
    threads.add(worker);
    worker.on("exit", () => threads.delete(worker));
  };
  process.on("worker", count);
  await using simcse = await SimCSE.load(folder, { device, dtype });
  await simcse.encoder.tokenizeAll(texts);
  const tokenized = await simcse.encoder.tokenizeAll(sentences);
  const counted = { sentences: sentences.length, tokens: tokenized.reduce((sum, { ids }) => sum + ids.length, 0) };
  const tokenizing: Encoded = { times: await timesOf(() => simcse.encoder.tokenizeAll(sentences)), ...counted };
  const { data } = await simcse.encode(sentences);
  const encoding: Encoded = { times: await timesOf(() => simcse.encode(sentences)), ...counted };
  process.off("worker", count);
  const vectors = Array.from({ length: compared }, (_, i) => data.subarray(i * simcse.dimension, (i + 1) * simcse.dimension));
  return { tokenizing, encoding, threads: threads.size, vectors };
}

function textRow(name: string, result: Result): string[] {
  if ("reason" in result) return [name, "", "", result.reason, "", ""];
  const { milliseconds } = timingOf(result.times);
  return [
    name,
    String(result.sentences),
    String(result.tokens),
    short(milliseconds / 1000),
    String(result.times.length),
    ((result.sentences * 1000) / milliseconds).toFixed(0),
  ];
}

interface PyTorchRows {
  /** For the table of encode.ts. */
  readonly ids: readonly string[][];
  readonly texts: readonly string[][];
  /** What the rows are of, and how far vectors agree. */
  readonly note: string;
}

/** The same sentences and ids in PyTorch: on the machine's GPU if we use one, else on its CPU. */
async function pytorchRows(
  bench: Bench,
  model: BenchModel,
  folder: string,
  { sentences, vectors }: { readonly sentences: readonly string[]; readonly vectors: readonly Float32Array[] },
): Promise<PyTorchRows> {
  const without = (reason: string): PyTorchRows => ({ ids: [], texts: [], note: ` ${reason}` });
  const torch = findPyTorch();
  if (torch === null) return without("PyTorch is not installed.");
  const { software } = bench.device.capabilities;
  if (!software && torch.cuda === null) return without(`PyTorch ${torch.version} has no CUDA.`);
  const device = software ? "cpu" : "cuda";
  const measurements = pytorchWorks(software ? ["f32"] : ["f32", "f16"]);
  const ids = equalSentences(bench);
  const options = { device, folder, sentences, ids, rounds, seconds, vectors: compared, measurements } as const;
  const { versions, results } = await pytorchEncodings(torch, options);
  if (versions === null) return without(`sentence-transformers did not load: ${"reason" in results[0]! ? results[0].reason : ""}.`);
  const rows = { ids: [] as string[][], texts: [] as string[][] };
  const on = device.toUpperCase();
  for (const [i, { work, dtype, batch_size }] of measurements.entries()) {
    const result = results[i]!;
    if (work === "tokenize") rows.texts.push(textRow("sentence-transformers, tokenising alone", result));
    if (work === "texts")
      rows.texts.push(textRow(`${model.name}, sentence-transformers, ${on}, ${dtype}, batches of ${batch_size}`, result));
    if (work === "ids") {
      const name = `${ids.length} × ${ids[0]!.length} tokens (${model.name}, ${dtype}, transformers, ${on})`;
      rows.ids.push("reason" in result ? [name, "", "", result.reason, "", "", ""] : [name, ...rateCells(ids, timingOf(result.times)), ""]);
    }
  }
  const theirs = results.find((result): result is Encoded => "vectors" in result);
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const agreement = theirs
    ? ` Our vectors in f32 differ from sentence-transformers' by ${largestDifference(vectors, theirs.vectors!).toExponential(1)} at most.`
    : "";
  return { ...rows, note: ` ${named.join(", ")}; products in f32 without TF32, PyTorch's default.${agreement}` };
}

/** The largest difference of an element. */
function largestDifference(ours: readonly Float32Array[], theirs: readonly (readonly number[])[]): number {
  return Math.max(...theirs.flatMap((vector, i) => vector.map((value, j) => Math.abs(value - ours[i]![j]!))));
}
