/** `simcse dedupe`: sentences without near-duplicates of earlier ones; the groups of near-duplicates, and all pairs of similar sentences. */
import { Command, Option } from "commander";
import { writeFileAtomically } from "../src/io/folder-node.ts";
import { encodeUtf8 } from "../src/io/text/utf8.ts";
import { type Duplicate, duplicateGroups, NearDuplicates } from "../src/simcse/search/near-duplicates.ts";
import { similarPairs } from "../src/simcse/search/similar-pairs.ts";
import { interruptSignal } from "./cli/interrupt.ts";
import { numberBetween, wholeNumber, withOptions } from "./cli/options.ts";
import { checkOutputs } from "./cli/output-files.ts";
import { startComparison, startCounter } from "./cli/progress.ts";
import {
  joined,
  type OpenRecordVectors,
  openRecordVectors,
  type RecordVectorOptions,
  type RowRecord,
  recordVectorOptions,
} from "./cli/record-vectors.ts";
import { say } from "./cli/say.ts";
import { jsonLines, printLines } from "./cli/vector-output.ts";

interface DedupeOptions extends RecordVectorOptions {
  readonly threshold: number;
  readonly duplicates?: string;
  readonly groups?: string;
  readonly pairs?: string;
  readonly max_pairs: number;
}

const options: readonly Option[] = [
  ...recordVectorOptions,
  new Option("--threshold <cosine>", "leave out sentences at least this similar to an earlier one")
    .argParser(numberBetween(-1, 1, { open: true }))
    .default(0.95),
  new Option("--duplicates <file>", "file for the sentences that are left out: JSON lines with the row that each repeats, and the cosine"),
  new Option("--groups <file>", "file for the groups: JSON lines with a kept sentence and those that repeat it"),
  new Option("--pairs <file>", "file for all pairs that reach the threshold, the most similar first: JSON lines that `simcse train` reads"),
  new Option("--max_pairs <n>", "keep at most the best n pairs").argParser(wholeNumber(1)).default(500_000),
];

export const dedupeCommand = withOptions(
  new Command("dedupe").description(
    "print sentences without near-duplicates: the first of each group, as JSON lines with their rows (from 0)",
  ),
  options,
).action(async (given: DedupeOptions) => {
  const { input: read, vectors, duplicates, groups, pairs } = given;
  await checkOutputs({ "--duplicates": duplicates, "--groups": groups, "--pairs": pairs }, { "--input": read, "--vectors": vectors });
  const signal = interruptSignal();
  const counter = startCounter("sentences", { shown: process.stdout.isTTY });
  await using input = await openRecordVectors(given, { signal, onProgress: counter.update });
  const compared = new Compared(input, given, signal);
  try {
    await printLines(compared.keptLines());
  } finally {
    counter.stop();
  }
  if (given.duplicates !== undefined) await writeLines(given.duplicates, compared.duplicates());
  if (given.groups !== undefined) await writeLines(given.groups, compared.groups());
  if (given.pairs !== undefined) await writeLines(given.pairs, await compared.pairs());
});

function writeLines(path: string, items: Iterable<object>): Promise<void> {
  return writeFileAtomically(path, encodeUtf8(jsonLines(items)));
}

/** The input, compared as it is read. What no output file needs is not kept in memory. */
class Compared {
  /** For each row, the kept row that it repeats; null for a kept row. */
  readonly found: (Duplicate | null)[] = [];
  readonly #records: (RowRecord | undefined)[] = [];
  readonly #vectors: Float32Array[] = [];

  constructor(
    readonly input: OpenRecordVectors,
    readonly given: DedupeOptions,
    readonly signal: AbortSignal,
  ) {}

  async *keptLines(): AsyncGenerator<string> {
    const { device, dimension, chunks } = this.input;
    const { groups, pairs, threshold } = this.given;
    using finder = new NearDuplicates(device, dimension, threshold);
    for await (const { records, data } of chunks) {
      if (pairs !== undefined) this.#vectors.push(data);
      for (const [i, duplicate] of (await finder.add(data, { signal: this.signal })).entries()) {
        const row = this.found.push(duplicate) - 1;
        const record = records[i]!;
        const isNeeded = groups !== undefined || pairs !== undefined || duplicate !== null;
        this.#records.push(isNeeded ? record : undefined);
        if (duplicate === null) yield `${JSON.stringify({ row, ...record })}\n`;
      }
    }
  }

  *duplicates(): Generator<object> {
    for (const [row, duplicate] of this.found.entries())
      if (duplicate !== null) yield { row, ...this.#records[row], repeats: duplicate.row, score: duplicate.score };
  }

  *groups(): Generator<object> {
    for (const { kept, duplicates } of duplicateGroups(this.found))
      yield {
        row: kept,
        ...this.#records[kept],
        duplicates: duplicates.map(({ row, score }) => ({ row, ...this.#records[row], score })),
      };
  }

  /** Under the names of columns that `simcse train` knows. */
  async pairs(): Promise<object[]> {
    const { dimension, device } = this.input;
    const { threshold, max_pairs: maxPairs } = this.given;
    const length = this.found.length;
    const vectors = { length, dimension, data: joined(this.#vectors, length * dimension) };
    const { onProgress, stop } = startComparison();
    const pairs = await similarPairs(device, vectors, { threshold, maxPairs, signal: this.signal, onProgress }).finally(stop);
    if (pairs.length === maxPairs) say(`--pairs holds the best ${maxPairs}; there may be more (--max_pairs)`);
    return pairs.map(({ first, second, score }) => {
      const [one, other] = [this.#records[first]!, this.#records[second]!];
      const sentences = one.sentence === undefined ? {} : { sentence1: one.sentence, sentence2: other.sentence };
      return { ...sentences, score, row1: first, row2: second };
    });
  }
}
