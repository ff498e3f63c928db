/** What `simcse train` trains on, files or a data set of the hub: read by its columns, weighted, and described before the first step. */
import { Option } from "commander";
import { DataError, OptionError } from "../../src/errors.ts";
import { type Example, type ExampleKind, type ExampleTable, MISSING } from "../../src/io/examples.ts";
import { openExampleFile } from "../../src/io/examples-node.ts";
import { openHubExamples } from "../../src/io/hub-examples-node.ts";
import type { Tokenizer } from "../../src/io/tokenizer.ts";
import { stream } from "../../src/nn/random.ts";
import { formatCount, plural, quoted } from "../../src/show.ts";
import { collected } from "../../src/simcse/embedding/chunks.ts";
import type { EvaluationSet } from "../../src/simcse/evaluation/sets/evaluation-set.ts";
import { holdOut } from "../../src/simcse/evaluation/sets/hold-out.ts";
import { setOfExamples } from "../../src/simcse/evaluation/sets/read-set.ts";
import { type ColumnFlags, columnOptions, columnsOf } from "../cli/column-options.ts";
import { type CacheFlags, hubAccess } from "../cli/find-model.ts";
import { numberBetween } from "../cli/options.ts";
import { say } from "../cli/say.ts";

export interface TrainingFileOptions extends ColumnFlags, CacheFlags {
  readonly train_file?: readonly string[];
  readonly dataset_name?: string;
  readonly dataset_config_name?: string;
  readonly dataset_split?: string;
  readonly dataset_revision?: string;
  readonly eval_split?: number;
  readonly target_vectors?: string;
}

/** Options for the training data, shared by the commands that train. */
export const trainingFileOptions: readonly Option[] = [
  new Option(
    "--train_file <files...>",
    "examples: .txt (one sentence per line), .csv, .tsv, .jsonl, .json (also FlagEmbedding's lists of pos and neg), .parquet, also .gz; `b.csv:0.5` takes half of a file's examples, `:2` takes each twice",
  ),
  new Option("--dataset_name <owner/name>", "a data set on the hub, in place of --train_file; its Parquet files are cached as models are"),
  new Option("--dataset_config_name <name>", "its configuration (subset), if it has several"),
  new Option("--dataset_split <name>", "its split (default: train)"),
  new Option("--dataset_revision <revision>", "its branch, tag or commit (default: main)"),
  ...columnOptions,
];

/** Options of `train` that belong to its examples. */
export const exampleOptions: readonly Option[] = [
  new Option(
    "--eval_split <part>",
    "hold out this fraction of the examples, chosen by a hash of their first text, and evaluate on it during training",
  ).argParser(numberBetween(0, 1, { open: true })),
  new Option("--target_vectors <file.npy>", "distill: the target vectors, one row for each text of --train_file"),
];

/** Every text of the files, whatever kind of examples they hold; a table's columns one after another. */
export async function* trainingTexts(given: TrainingFileOptions): AsyncGenerator<string> {
  for (const { open } of unweightedSources(given)) yield* (await open()).texts;
}

/** The training data. */
export interface TrainingExamples {
  readonly kind: ExampleKind;
  /** At least one. */
  readonly examples: readonly Example[];
  /** The part that `eval_split` holds out. */
  readonly held: EvaluationSet | null;
}

/**
 * The examples of all files, or of the data set; reports on standard error what was understood. Throws the errors of `openExamples` and
 * `openHubExamples`, OptionError for a weight that cannot be used, and DataError if the files hold different kinds of examples, a kind without a loss, or
 * no text at all.
 */
export async function readTrainingFiles(given: TrainingFileOptions, tokenizer: Tokenizer, maxLength: number): Promise<TrainingExamples> {
  const examples: Example[] = [];
  let first: ExampleTable | null = null;
  let missing = 0;
  const sources = sourcesOf(given);
  const origin = sources.map(({ name }) => name).join(", ");
  for (const { name, weight, open } of sources) {
    const table = await open();
    checkKind(table, first);
    first ??= table;
    const read = await collected(table.examples);
    const taken = byWeight(read, weight, name);
    if (taken.length === 0 && read.length > 0)
      throw new OptionError(
        `--train_file ${name}:${weight} takes none of its ${formatCount(read.length)} ${table.kind}.`,
        "Give a greater weight.",
      );
    say(
      `${table.name}: ${table.understood}; ${formatCount(read.length)} ${table.kind}${weight === 1 ? "" : `, ${formatCount(taken.length)} taken`}`,
    );
    if (table.kind === "sentences" && read.every(({ texts }) => texts[0]!.includes("\t")))
      say(`hint: every line of ${table.name} has a tab; if it separates the texts of a pair, give the file a name that ends in .tsv`);
    // Not push(...taken), which fails with a million arguments.
    for (const example of taken) examples.push(example);
    missing += table.missing();
  }
  const texts = examples.map((example) => example.texts);
  if (texts.every((example) => example.every((text) => text.trim() === "")))
    throw new DataError(`${origin} holds no sentence.`, "Give a text file with one sentence per line, or a table of pairs.");
  for (const line of description(texts, missing, tokenizer, maxLength)) say(line);
  const { kind } = first!;
  const { eval_split } = given;
  if (eval_split === undefined) return { kind, examples, held: null };
  const { training, held, overlapping } = holdOut(examples, eval_split);
  say(
    `${plural(held.length, "of them is", "of them are")} held out${overlapping > 0 ? `; ${plural(overlapping, "of these shares", "of these share")} a text with the training examples` : ""}`,
  );
  return { kind, examples: training, held: setOfExamples({ name: "held_out", kind, origin }, held) };
}

/** A description of the examples, printed before training. */
function description(examples: readonly (readonly string[])[], missing: number, tokenizer: Tokenizer, maxLength: number): string[] {
  const duplicates = examples.length - new Set(examples.map((texts) => (texts.length === 1 ? texts[0] : texts.join("\0")))).size;
  const cut = partCut(examples, tokenizer, maxLength);
  const notes = [
    ...(duplicates > 0 ? [plural(duplicates, "duplicate")] : []),
    ...(missing > 0
      ? [`${plural(missing, "missing text is", "missing texts are")} taken as ${JSON.stringify(MISSING)}, as in the original`]
      : []),
    ...(cut > 0 ? [`about ${(100 * cut).toFixed(1)}% of the texts are cut at ${maxLength} tokens`] : []),
  ];
  const first = `first example: ${examples[0]!.map((text) => quoted(text, 60)).join(" | ")}`;
  return notes.length > 0 ? [first, notes.join("; ")] : [first];
}

/** Number of texts that are tokenised to estimate how many are truncated. For large files this sample takes a moment instead of a minute. */
const SAMPLED_TEXTS = 1000;

/** The fraction of the texts with more than `maxLength` tokens. */
function partCut(examples: readonly (readonly string[])[], tokenizer: Tokenizer, maxLength: number): number {
  const stride = Math.max(1, Math.floor((examples.length * examples[0]!.length) / SAMPLED_TEXTS));
  let seen = 0;
  let cut = 0;
  for (let at = 0; at < examples.length; at += stride) {
    for (const text of examples[at]!) {
      seen++;
      if (tokenizer.encode(text, maxLength + 1).length > maxLength) cut++;
    }
  }
  return cut / seen;
}

function checkKind({ name, kind, columns }: ExampleTable, first: ExampleTable | null): void {
  if (kind === "labelled texts") {
    throw new DataError(
      `${name} holds labelled texts (${Object.values(columns).join(", ")}), and there is no loss for classes.`,
      `Train on the texts: --columns sent0=${columns.sent0}.`,
    );
  }
  if (first === null || first.kind === kind) return;
  throw new DataError(
    `${name} holds ${kind}, and ${first.name} ${first.kind}.`,
    "Give files of one kind, or choose their columns with --columns.",
  );
}

/** Something to train on. */
interface Source {
  readonly name: string;
  /** How often each of its examples is taken. */
  readonly weight: number;
  readonly open: () => Promise<ExampleTable>;
}

/** Throws OptionError unless the options name files or a data set, and not both. */
export function sourcesOf(given: TrainingFileOptions): readonly Source[] {
  const { train_file, dataset_name, dataset_config_name: config, dataset_split: split, dataset_revision, ...flags } = given;
  if ((train_file === undefined) === (dataset_name === undefined)) {
    throw new OptionError(
      train_file === undefined ? "Nothing is named to train on." : "--train_file and --dataset_name name two things to train on.",
      "Give files with --train_file, or a data set of the hub with --dataset_name.",
    );
  }
  const columns = columnsOf(flags);
  if (dataset_name === undefined) {
    const stray = (["dataset_config_name", "dataset_split", "dataset_revision"] as const).find((name) => given[name] !== undefined);
    if (stray !== undefined)
      throw new OptionError(`--${stray} is of a data set, and --train_file names files.`, "Give --dataset_name too, or leave it out.");
    return train_file!.map(weighted).map(({ path, weight }) => ({ name: path, weight, open: () => openExampleFile(path, columns) }));
  }
  const open = () =>
    openHubExamples(dataset_name, {
      ...hubAccess(dataset_revision, flags),
      config,
      split,
      columns: columns.columns,
    });
  return [{ name: dataset_name, weight: 1, open }];
}

/** The same for texts, each of which is learned from once. Throws OptionError for a weight. */
export function unweightedSources(given: TrainingFileOptions): readonly Source[] {
  const sources = sourcesOf(given);
  const found = sources.find(({ weight }) => weight !== 1);
  if (found === undefined) return sources;
  throw new OptionError(`--train_file ${found.name}:${found.weight}: a text is learned from once.`, "Leave the weight out.");
}

/** `b.jsonl:0.5`. */
function weighted(word: string): { readonly path: string; readonly weight: number } {
  const [, path, number] = /^(.+):([\d.]+)$/.exec(word) ?? [];
  if (path === undefined) return { path: word, weight: 1 };
  const weight = Number(number);
  if (weight > 0) return { path, weight };
  throw new OptionError(`--train_file ${word}: the weight is ${number}.`, "Give a number greater than 0 behind the colon, such as 0.5.");
}

/** Takes each example as often as the weight's whole part, and a fixed fraction of them once more. */
function byWeight(examples: readonly Example[], weight: number, path: string): readonly Example[] {
  if (weight === 1) return examples;
  const whole = Math.floor(weight);
  const draw = stream(0, path);
  return examples.flatMap((example, at) => Array<Example>(whole + (draw(at) / 2 ** 32 < weight - whole ? 1 : 0)).fill(example));
}
