/**
 * The server under 64 clients at once, all on this machine, beside the library encoding as many sentences directly. The clients are another
 * process and share the same cores.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Device } from "../src/gpu/device.ts";
import { MemoryFolder } from "../src/io/folder.ts";
import { learnVocabulary } from "../src/io/tokenizer/vocabulary.ts";
import { wordPieceTokenizer } from "../src/io/tokenizer.ts";
import { parseConfig } from "../src/nn/architectures/architectures.ts";
import { modelFiles } from "../src/simcse/checkpoint/checkpoint.ts";
import { SimCseModel } from "../src/simcse/model/model.ts";
import { SimCSE } from "../src/simcse/simcse.ts";
import { createApp } from "../tools/server/app.ts";
import { serveHttp } from "../tools/server/serve-http.ts";
import type { BenchTable } from "./measure.ts";
import { small } from "./models.ts";
import type { Bench } from "./open-bench.ts";
import { programArguments } from "./own-program.ts";
import { median } from "./quantile.ts";
import { benchSentence } from "./sentences.ts";

const clients = 64;
const sentencesPerRequest = [1, 16];
const seconds = 8;
const rounds = 3;

interface Served {
  readonly rate: number;
  readonly answered: number;
  readonly lost: number;
  readonly p50: number;
  readonly p99: number;
}

/** The BERT of bench/training-step.ts with random weights and a small vocabulary, as a folder. */
async function modelFolder(device: Device): Promise<MemoryFolder> {
  const tokenizer = wordPieceTokenizer(
    learnVocabulary(
      Array.from({ length: 500 }, (_, number) => benchSentence(number)),
      2000,
    ),
    { lowerCase: true },
  );
  const config = parseConfig("bench", {
    model_type: "bert",
    max_position_embeddings: 512,
    ...small.config,
    vocab_size: tokenizer.vocabSize,
  });
  const model = await SimCseModel.allocate(device, config, { training: false, mlp: false });
  model.store.initialize(42);
  const folder = new MemoryFolder("bench");
  for await (const { name, content } of modelFiles(model, tokenizer, { pooler_type: "avg", max_seq_length: 128 }))
    await folder.write(name, content);
  model.close();
  return folder;
}

async function runClients(url: string, sentences: number): Promise<Served> {
  const args = [...programArguments("serve-clients", import.meta.url), url, ...[clients, sentences, seconds].map(String)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as Served;
}

/** Sentences per second of the library without the server, on texts of the lengths that the clients send. */
async function libraryRate(simcse: SimCSE): Promise<number> {
  const sentences = Array.from({ length: 2048 }, (_, number) => benchSentence(number));
  await simcse.encode(sentences.slice(0, 256));
  const began = performance.now();
  let done = 0;
  while (performance.now() - began < seconds * 500) {
    await simcse.encode(sentences);
    done += sentences.length;
  }
  return (done / (performance.now() - began)) * 1000;
}

export async function serveTable({ device }: Bench): Promise<BenchTable> {
  const simcse = await SimCSE.loadFrom(device, await modelFolder(device));
  const limits = { inputs: 2048, characters: 50_000, bodyBytes: 2 ** 21, waiting: 8192 };
  const app = createApp({ model: simcse, names: ["bench"], searchable: false, examples: [], limits, log: console.error });
  const server = await serveHttp(app, "127.0.0.1", 0);
  const library: number[] = [];
  const served = sentencesPerRequest.map(() => [] as Served[]);
  const ratios = sentencesPerRequest.map(() => [] as number[]);
  let memory = 0;
  for (let round = 0; round < rounds; round++) {
    for (const [i, sentences] of sentencesPerRequest.entries()) {
      const alone = await libraryRate(simcse);
      const result = await runClients(server.url, sentences);
      library.push(alone);
      served[i]!.push(result);
      ratios[i]!.push(result.rate / alone);
      memory = Math.max(memory, process.memoryUsage().rss);
    }
  }
  await server.stop({ grace: 1000, drain: 0 });
  simcse.close();
  const rows = sentencesPerRequest.map((sentences, i) => [
    `${clients} clients, ${sentences} ${sentences === 1 ? "sentence" : "sentences"} a request`,
    median(served[i]!.map(({ rate }) => rate)).toFixed(0),
    median(ratios[i]!).toFixed(2),
    median(served[i]!.map(({ p50 }) => p50)).toFixed(0),
    median(served[i]!.map(({ p99 }) => p99)).toFixed(0),
    String(served[i]!.reduce((sum, { lost }) => sum + lost, 0)),
  ]);
  return {
    head: ["BERT of 2 layers, hidden 128", "sentences/s", "of the library's own", "ms, median", "ms, 99th of 100", "lost"],
    rows: [["the library by itself", median(library).toFixed(0), "1", "", "", ""], ...rows],
    note: `Medians of ${rounds} rounds of ${seconds} s, each beside a round of the library by itself; the process, device included, took at most ${(memory / 1e6).toFixed(0)} MB.`,
  };
}
