/** `simcse encode`: sentences in, one vector a line (or a NumPy matrix) out. Results alone go to stdout. */
import { Command, Option } from "commander";
import { type Precision, precisions } from "../src/simcse/precision.ts";
import type { SimCSE } from "../src/simcse/simcse.ts";
import { windows } from "../src/simcse/windows.ts";
import { interruptSignal } from "./failure.ts";
import { type ModelOptions, modelName, modelOptions, openModel } from "./open-model.ts";
import { wholeNumber, withOptions } from "./options.ts";
import { startCounter } from "./progress.ts";
import { type RecordOptions, readRecords, recordOptions, type TextRecord } from "./records.ts";
import { type VectorWindow, vectorWriter } from "./vector-output.ts";

interface EncodeOptions extends ModelOptions, RecordOptions {
  readonly output: string;
  readonly normalize: boolean;
  readonly precision: Precision;
  readonly truncate_dim?: number;
}

const options: readonly Option[] = [
  ...modelOptions,
  ...recordOptions,
  new Option("--output <file>", ".npy for a matrix, .jsonl for JSON lines; - is JSON lines on standard output").default("-"),
  new Option("--no-normalize", "leave vectors as they are instead of scaling them to unit length"),
  new Option("--precision <precision>", "numbers of a vector; int8 and binary are packed").choices([...precisions]).default("f32"),
  new Option("--truncate_dim <n>", "keep the first n numbers of each vector").argParser(wholeNumber(1)),
];

export const encodeCommand = withOptions(new Command("encode").description("turn sentences into vectors"), options).action(runEncoding);

async function runEncoding(given: EncodeOptions): Promise<void> {
  const write = vectorWriter(given.output);
  modelName(given);
  const signal = interruptSignal();
  await using open = await openModel(given, { normalize: given.normalize });
  const { simcse } = open;
  const counter = startCounter("sentences");
  try {
    const dimension = given.truncate_dim ?? simcse.dimension;
    await write(encodeRecords(simcse, given, { signal, onProgress: counter.update }), given.precision, dimension);
  } finally {
    counter.stop();
  }
}

interface Hooks {
  readonly signal: AbortSignal;
  readonly onProgress: (done: number) => void;
}

async function* encodeRecords(simcse: SimCSE, given: EncodeOptions, { signal, onProgress }: Hooks): AsyncGenerator<VectorWindow> {
  const { precision, truncate_dim } = given;
  let done = 0;
  for await (const records of windows<TextRecord>(readRecords(given))) {
    const before = done;
    const sentences = records.map(({ sentence }) => sentence);
    const embeddings = await simcse.encode(sentences, {
      precision,
      ...(truncate_dim && { truncateDim: truncate_dim }),
      signal,
      onProgress: (count) => onProgress(before + count),
    });
    yield { records, ...embeddings };
    done += records.length;
  }
}
