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
import type { SimCseModel } from "../src/simcse/model/model.ts";
import { SimCSE } from "../src/simcse/simcse-node.ts";
import { timingOf } from "../src/tuning/measure.ts";
import { encodeTable, equalSentences, rateCells } from "./encode.ts";
import { type BenchTable, short, timesInTurns } from "./measure.ts";
import { type BenchModel, benchDtypes, benchModels } from "./models.ts";
import { type Bench, sayRow } from "./open-bench.ts";
import { PyTorch, type Unmeasured } from "./pytorch.ts";
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

interface Encoded {
  /** Milliseconds of each round. */
  readonly times: readonly number[];
  readonly sentences: number;
  readonly tokens: number;
  readonly vectors?: readonly (readonly number[])[];
}

type Result = Encoded | Unmeasured;

/** What PyTorch measures; `encode.py` says what each is. */
interface PyTorchWork {
  readonly work: "tokenize" | "texts" | "ids";
  readonly dtype: FloatType;
  readonly batch_size: number;
}

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
  const texts = await wikipediaTexts(manySentences);
  if (texts === null) {
    const note = "From texts to vectors: needs Wikipedia sentences and BERT's tokenizer, see SIMCSE_DATA.";
    return [await encodeTable(bench, wikipedia), { head, rows: [], note }];
  }
  bench.say("starting Python with sentence-transformers");
  using torch = new PyTorch("bench/encode.py");
  const { software } = bench.device.capabilities;
  // Its imports would take processors from what we measure.
  if (software) await torch.packages();
  const sentences = texts.slice(0, software ? 512 : bench.quick ? 2000 : manySentences);
  // The largest model that the adapter has time for.
  const model = benchModels(bench).at(-1)!;
  const folder = await mkdtemp(join(tmpdir(), "simcse-encode-"));
  try {
    const own = await encodeTable(bench, wikipedia, async (drawn, weights) => {
      if (drawn !== model) return;
      bench.say(`writing ${model.name}`);
      await writeModel(weights, folder);
    });
    const rows: string[][] = [];
    let vectors: readonly Float32Array[] = [];
    for (const dtype of benchDtypes(bench)) {
      bench.say(`${model.name}, ${dtype}: loading, and encoding ${sentences.length.toLocaleString("en-US")} texts`);
      const measured = await measureTexts(bench, folder, dtype, { texts, sentences });
      if (dtype === "f32") {
        rows.push(
          textRow(
            bench,
            `tokenising alone, in ${measured.threads === 0 ? "the calling thread" : `${measured.threads} threads`}`,
            measured.tokenizing,
          ),
        );
        vectors = measured.vectors;
      }
      rows.push(textRow(bench, `${model.name}, ${dtype}`, measured.encoding));
    }
    const pytorch = await pytorchRows(bench, torch, model, folder, { sentences, vectors });
    return [
      { ...own, rows: [...own.rows, ...pytorch.ids] },
      {
        head,
        rows: [...rows, ...pytorch.texts],
        note: `Wikipedia sentences of at most ${maxLength} tokens, their number without padding; ${model.name} with random weights, the mean of the tokens. Each row was warmed up with the same texts, whose words the tokenizer then knows; the median of rounds, at most ${rounds}, which ended after ${seconds} s.${pytorch.note}`,
      },
    ];
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Writes a model, so that transformers and sentence-transformers open it too. */
async function writeModel(simcse: SimCseModel, folder: string): Promise<void> {
  const settings = { pooler_type: "avg", max_seq_length: maxLength };
  await writeFilesInto(folder, savedModelFiles(simcse, await bertTokenizer(), settings, unprepared));
}

/** Milliseconds of each round. */
const timesOf = async (run: () => Promise<unknown>): Promise<number[]> => (await timesInTurns([{ run }], { rounds, seconds }))[0]!;

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

function textRow(bench: Bench, name: string, result: Result): string[] {
  if ("reason" in result) return sayRow(bench, [name, "", "", result.reason, "", ""]);
  const { milliseconds } = timingOf(result.times);
  return sayRow(bench, [
    name,
    String(result.sentences),
    String(result.tokens),
    short(milliseconds / 1000),
    String(result.times.length),
    ((result.sentences * 1000) / milliseconds).toFixed(0),
  ]);
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
  torch: PyTorch,
  model: BenchModel,
  folder: string,
  { sentences, vectors }: { readonly sentences: readonly string[]; readonly vectors: readonly Float32Array[] },
): Promise<PyTorchRows> {
  const without = (reason: string): PyTorchRows => ({ ids: [], texts: [], note: ` ${reason}` });
  bench.say("waiting for sentence-transformers");
  const found = await torch.packages();
  if ("reason" in found) return without(`sentence-transformers: ${found.reason}.`);
  const { software } = bench.device.capabilities;
  if (!software && found.cuda === null) return without(`PyTorch ${found.versions.PyTorch} has no CUDA.`);
  const device = software ? "cpu" : "cuda";
  const measurements = pytorchWorks(software ? ["f32"] : ["f32", "f16"]);
  const ids = equalSentences(bench);
  const options = { device, folder, sentences, ids, rounds, seconds, vectors: compared };
  let theirs: Encoded["vectors"];
  const rows = { ids: [] as string[][], texts: [] as string[][] };
  const on = device.toUpperCase();
  let i = 0;
  for await (const result of torch.results<Encoded>(measurements, options)) {
    const { work, dtype, batch_size } = measurements[i++]!;
    if ("vectors" in result) theirs ??= result.vectors;
    if (work === "tokenize") rows.texts.push(textRow(bench, "sentence-transformers, tokenising alone", result));
    if (work === "texts")
      rows.texts.push(textRow(bench, `${model.name}, sentence-transformers, ${on}, ${dtype}, batches of ${batch_size}`, result));
    if (work === "ids") {
      const name = `${ids.length} × ${ids[0]!.length} tokens (${model.name}, ${dtype}, transformers, ${on})`;
      const cells = "reason" in result ? ["", "", result.reason, "", ""] : rateCells(ids, timingOf(result.times));
      rows.ids.push(sayRow(bench, [name, ...cells, ""]));
    }
  }
  const named = Object.entries(found.versions).map(([name, version]) => `${name} ${version}`);
  const agreement = theirs
    ? ` Our vectors in f32 differ from sentence-transformers' by ${largestDifference(vectors, theirs).toExponential(1)} at most.`
    : "";
  return { ...rows, note: ` ${named.join(", ")}; products in f32 without TF32, PyTorch's default.${agreement}` };
}

/** The largest difference of an element. */
function largestDifference(ours: readonly Float32Array[], theirs: readonly (readonly number[])[]): number {
  return Math.max(...theirs.flatMap((vector, i) => vector.map((value, j) => Math.abs(value - ours[i]![j]!))));
}
