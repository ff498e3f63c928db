/** `simcse encode`: sentences in, one vector per line (or a NumPy matrix) out. Only results go to stdout. */
import { Command, Option } from "commander";
import type { Profiler } from "../src/autograd/profiler.ts";
import { OptionError } from "../src/errors.ts";
import { type Precision, precisions } from "../src/kernels/search/precision.ts";
import type { Embeddings } from "../src/simcse/embedding/embeddings.ts";
import { checkRanges, type Int8Ranges, int8Ranges, quantizeInt8 } from "../src/simcse/embedding/int8-ranges.ts";
import type { SimCSE } from "../src/simcse/simcse.ts";
import { interruptSignal } from "./cli/interrupt.ts";
import { type ModelOptions, modelOptions, openModel } from "./cli/open-model.ts";
import { wholeNumber, withOptions } from "./cli/options.ts";
import { checkOutputs } from "./cli/output-files.ts";
import { startProfiler } from "./cli/profile.ts";
import { noProgress, startCounter } from "./cli/progress.ts";
import { type RecordOptions, readRecords, recordOptions } from "./cli/records.ts";
import { companionsOf, readVectors } from "./cli/vector-input.ts";
import { type VectorChunk, vectorWriter } from "./cli/vector-output.ts";

interface EncodeOptions extends ModelOptions, RecordOptions {
  readonly output: string;
  readonly normalize: boolean;
  readonly precision: Precision;
  readonly truncate_dim?: number;
  readonly calibration?: string;
  readonly profile?: string | true;
}

const options: readonly Option[] = [
  ...modelOptions,
  ...recordOptions,
  new Option("--output <file>", ".npy for a matrix, .jsonl for JSON lines; - is JSON lines on standard output").default("-"),
  new Option("--no-normalize", "do not scale vectors to unit length"),
  new Option("--precision <precision>", "number format of the vectors; int8 and binary are packed").choices([...precisions]).default("f32"),
  new Option("--truncate_dim <n>", "keep the first n numbers of each vector").argParser(wholeNumber(1)),
  new Option(
    "--calibration <file>",
    "with int8: .npy of f32 vectors like these; the range of each number is measured on them, so rows need no scales (x.ranges.npy of an earlier matrix keeps its ranges)",
  ),
  new Option("--profile [file]", "time a few batches kernel by kernel, and write a trace for Perfetto (default: profile.json)"),
];

export const encodeCommand = withOptions(new Command("encode").description("turn sentences into vectors"), options).action(runEncoding);

async function runEncoding(given: EncodeOptions): Promise<void> {
  const write = vectorWriter(given.output);
  const { input, output, calibration } = given;
  await checkOutputs({ "--output": output, ...companionsOf(output) }, { "--input": input, "--calibration": calibration });
  const ranges = await rangesOf(given);
  await using open = await openModel(given, { normalize: given.normalize });
  const signal = interruptSignal();
  const { simcse } = open;
  const trace = given.profile === true ? "profile.json" : given.profile;
  const profiler = trace ? startProfiler(open.device, trace, noProgress.note) : null;
  const counter = startCounter("sentences", { shown: given.output === "-" && process.stdout.isTTY });
  try {
    const dimension = given.truncate_dim ?? simcse.dimension;
    if (ranges !== null) checkRanges(dimension, ranges);
    const chunks = encodeRecords(simcse, given, { signal, onProgress: counter.update, profiler, ranges });
    await write(chunks, { precision: given.precision, dimension, ...(ranges && { ranges }) });
    await profiler?.finish();
  } finally {
    counter.stop();
  }
}

interface Hooks {
  readonly signal: AbortSignal;
  readonly onProgress: (done: number) => void;
  readonly profiler: Profiler | null;
  /** Those of static int8, or null. */
  readonly ranges: Int8Ranges | null;
}

/** The ranges of static int8. */
async function rangesOf({ calibration, precision }: EncodeOptions): Promise<Int8Ranges | null> {
  if (calibration === undefined) return null;
  if (precision !== "int8") throw new OptionError("--calibration belongs to --precision int8.", "Give --precision int8, or leave it out.");
  return int8Ranges(await readVectors(calibration));
}

async function* encodeRecords(
  simcse: SimCSE,
  given: EncodeOptions,
  { signal, onProgress, profiler, ranges }: Hooks,
): AsyncGenerator<VectorChunk> {
  const { precision, truncate_dim } = given;
  const options = {
    precision: ranges === null ? precision : "f32",
    truncateDim: truncate_dim,
    signal,
    profiler,
    onProgress,
  };
  const encoded = simcse.encoder.streamItems(readRecords(given), ({ sentence }) => sentence, options);
  for await (const { items: records, ...embeddings } of encoded)
    yield { records, ...embeddings, ...(ranges && { data: quantizeInt8(embeddings as Embeddings, ranges) }) };
}
