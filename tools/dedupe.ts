/** `simcse dedupe`: sentences without near-duplicates of earlier ones. */
import { Command, Option } from "commander";
import { writeFileAtomically } from "../src/io/folder-node.ts";
import { chunks } from "../src/simcse/embedding/chunks.ts";
import { type Duplicate, NearDuplicates } from "../src/simcse/search/near-duplicates.ts";
import type { SimCSE } from "../src/simcse/simcse.ts";
import { interruptSignal } from "./cli/failure.ts";
import { type ModelOptions, modelOptions, openModel } from "./cli/open-model.ts";
import { numberBetween, withOptions } from "./cli/options.ts";
import { startCounter } from "./cli/progress.ts";
import { type RecordOptions, readRecords, recordOptions, type TextRecord } from "./cli/records.ts";
import { printLines } from "./cli/vector-output.ts";

interface DedupeOptions extends ModelOptions, RecordOptions {
  readonly threshold: number;
  readonly duplicates?: string;
}

const options: readonly Option[] = [
  ...modelOptions,
  ...recordOptions,
  new Option("--threshold <cosine>", "leave out sentences at least this similar to an earlier one")
    .argParser(numberBetween(-1, 1, { open: true }))
    .default(0.95),
  new Option("--duplicates <file>", "file for the sentences that are left out: JSON lines with the row that each repeats, and the cosine"),
];

export const dedupeCommand = withOptions(
  new Command("dedupe").description(
    "print sentences without near-duplicates: the first of each group, as JSON lines with their rows (from 0)",
  ),
  options,
).action(async (given: DedupeOptions) => {
  await using open = await openModel(given);
  using finder = new NearDuplicates(open.device, open.simcse.dimension, given.threshold);
  const counter = startCounter("sentences", { shown: process.stdout.isTTY });
  const leftOut: string[] = [];
  try {
    await printLines(kept());
  } finally {
    counter.stop();
  }
  if (given.duplicates !== undefined) await writeFileAtomically(given.duplicates, new TextEncoder().encode(leftOut.join("")));

  async function* kept(): AsyncGenerator<string> {
    for await (const { duplicate, ...row } of compared(open.simcse, finder, given, {
      signal: interruptSignal(),
      onProgress: counter.update,
    })) {
      if (duplicate === null) yield `${JSON.stringify(row)}\n`;
      else if (given.duplicates !== undefined)
        leftOut.push(`${JSON.stringify({ ...row, repeats: duplicate.row, score: duplicate.score })}\n`);
    }
  }
});

interface Compared extends TextRecord {
  readonly row: number;
  readonly duplicate: Duplicate | null;
}

interface Hooks {
  readonly signal: AbortSignal;
  readonly onProgress: (done: number) => void;
}

async function* compared(
  simcse: SimCSE,
  finder: NearDuplicates,
  given: DedupeOptions,
  { signal, onProgress }: Hooks,
): AsyncGenerator<Compared> {
  let row = 0;
  for await (const records of chunks<TextRecord>(readRecords(given))) {
    const before = row;
    const { data } = await simcse.encode(
      records.map(({ sentence }) => sentence),
      { signal, onProgress: (done) => onProgress(before + done) },
    );
    for (const [i, duplicate] of (await finder.add(data)).entries()) yield { row: row++, ...records[i]!, duplicate };
  }
}
