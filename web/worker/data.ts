/** Reading the visitor's text: a preview with proposed roles, then all of it, with what is wrong line by line. */
import {
  type ColumnAssignment,
  type ColumnRole,
  DataError,
  type Example,
  type ExampleKind,
  holdOut,
  OptionError,
  openExamples,
  openTable,
  roleOf,
  type Table,
} from "simcse-webgpu/browser";
import { type DataFile, dataFile } from "./data-files.ts";
import { lengthsOf } from "./lengths.ts";
import type { LoadedData } from "./loaded-data.ts";
import type { DataChoice, DataFacts, DataProblem, DataSource, Handlers, TablePreview } from "./protocol.ts";
import type { Session } from "./session.ts";

/** Rows that the preview shows. */
const PREVIEW_ROWS = 6;
/** Problems that are listed; all are counted. */
const MOST_PROBLEMS = 100;
/** Examples between two reports of progress. */
const REPORT_EVERY = 2000;

/** The files that were opened last. */
interface OpenData {
  readonly name: string;
  readonly files: readonly DataFile[];
  readonly columns: readonly string[];
  readonly header: boolean | undefined;
}

export function dataHandlers(session: Session): Handlers<"openData" | "readData" | "readScoredPairs"> {
  let open: OpenData | null = null;
  return {
    async openData(source) {
      const { data, preview } = await openFiles(source);
      open = data;
      return preview;
    },

    async readData(choice, { signal, emit }) {
      if (open === null) throw new OptionError("There is no text yet.", "Give your text first.");
      const onProgress = (done: number) => {
        signal.throwIfAborted();
        emit({ done, total: 0 });
      };
      const read = await readAll(open, choice, onProgress, session.model.simcse.encoder.tokenizer);
      session.setData(read);
      return read.facts;
    },

    async readScoredPairs(source) {
      if (source === null) {
        session.setScoredPairs(null);
        return null;
      }
      const { data, preview } = await openFiles(source);
      const { examples, problems } = await readExamples(data, preview.roles, () => {});
      if (examples.length === 0 || examples[0]!.texts.length !== 2 || examples[0]!.score === undefined) {
        throw (
          problems[0] ??
          new DataError(
            `${data.name} holds no scored pairs.`,
            "Give a table with two texts and a score in each row, such as sentence1, sentence2, score.",
          )
        );
      }
      session.setScoredPairs({ name: data.name, examples });
      return { name: data.name, pairs: examples.length };
    },
  };
}

/** Opens files and reads the first rows of the first one. */
async function openFiles({ files, header }: DataSource): Promise<{ readonly data: OpenData; readonly preview: TablePreview }> {
  if (files.length === 0) throw new OptionError("Nothing was chosen.", "Choose a file with your text.");
  const opened = await Promise.all(files.map(dataFile));
  const [first] = opened;
  const name = files.length === 1 ? first!.name : `${files.length} files`;
  const table = await openEither(first!, header);
  const rows: (readonly string[])[] = [];
  const firstFields: Record<string, unknown>[] = [];
  for await (const { fields } of table.rows) {
    rows.push(table.columns.map((column) => shown(fields[column])));
    firstFields.push(fields);
    if (rows.length === PREVIEW_ROWS) break;
  }
  if (rows.length === 0) throw new DataError(`${name} is empty.`, "Give a file with at least one row below its header.");
  return {
    data: { name, files: opened, columns: table.columns, header: table.named },
    preview: {
      name,
      columns: table.columns,
      named: table.named,
      hasHeaderChoice: table.format === "csv" || table.format === "tsv",
      rows,
      roles: proposedRoles(table, firstFields),
    },
  };
}

/** Opens a table. Where it is not clear whether its first row names the columns, it is taken to do so; the visitor may say otherwise. */
async function openEither({ open, reading }: DataFile, header: boolean | undefined): Promise<Table> {
  // Rows with problems are told when all of the file is read.
  const options = { ...reading, onProblem: () => {} };
  if (header !== undefined) return openTable(open(), { ...options, header });
  try {
    return await openTable(open(), options);
  } catch (error) {
    if (error instanceof DataError && error.option === "header") return openTable(open(), { ...options, header: true });
    throw error;
  }
}

/** A cell's value as the preview shows it. */
function shown(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** A role per column: what its name says, or else by the places of the columns that hold texts. */
function proposedRoles({ columns, named }: Table, rows: readonly Record<string, unknown>[]): (ColumnRole | null)[] {
  const byName = columns.map((column) => (named ? roleOf(column) : null));
  const once = byName.map((role, at) => (byName.indexOf(role) === at ? role : null));
  if (once.includes("sent0")) return sensible(once);
  const isNumber = (column: string) =>
    rows.every(({ [column]: value }) => value === null || value === undefined || (value !== "" && Number.isFinite(Number(value))));
  const isText = (column: string) => !isNumber(column) && rows.some(({ [column]: value }) => typeof value === "string");
  const free = (["sent0", "sent1", "hard_neg"] as const).filter((role) => !once.includes(role));
  return sensible(columns.map((column, at) => once[at] ?? (isText(column) ? (free.shift() ?? null) : null)));
}

/** Without what makes no kind of example: a label of a single text, or a score beside a hard negative. */
function sensible(roles: readonly (ColumnRole | null)[]): (ColumnRole | null)[] {
  const has = (role: ColumnRole) => roles.includes(role);
  const isNoTarget = !has("sent1") || has("hard_neg");
  return roles.map((role) => {
    if (role === "label" && (isNoTarget || has("score"))) return null;
    return role === "score" && isNoTarget ? null : role;
  });
}

interface ReadExamples {
  readonly kind: ExampleKind;
  readonly examples: readonly Example[];
  readonly missing: number;
  readonly problems: readonly DataError[];
  readonly problemCount: number;
}

async function readExamples(
  { files, columns, header, name }: OpenData,
  roles: DataChoice["roles"],
  onProgress: (done: number) => void,
): Promise<ReadExamples> {
  const assignment: ColumnAssignment = Object.fromEntries(roles.flatMap((role, at) => (role === null ? [] : [[role, columns[at]!]])));
  const examples: Example[] = [];
  const problems: DataError[] = [];
  let problemCount = 0;
  let missing = 0;
  let kind: ExampleKind | null = null;
  for (const { open, reading } of files) {
    const table = await openExamples(open(), {
      ...reading,
      columns: assignment,
      header,
      onProblem: (problem) => {
        problemCount++;
        if (problems.length < MOST_PROBLEMS) problems.push(problem);
      },
    });
    kind ??= table.kind;
    for await (const example of table.examples) {
      if (example.texts.some((text) => text.trim() === "")) missing++;
      else examples.push(example);
      if (examples.length % REPORT_EVERY === 0) onProgress(examples.length);
    }
  }
  if (kind === null) throw new DataError(`${name} is empty.`, "Give a file with at least one row.");
  return { kind, examples, missing, problems, problemCount };
}

async function readAll(
  open: OpenData,
  { roles, heldOut }: DataChoice,
  onProgress: (done: number) => void,
  tokenizer: Parameters<typeof lengthsOf>[1],
): Promise<LoadedData> {
  const { kind, examples, missing, problems, problemCount } = await readExamples(open, roles, onProgress);
  if (examples.length < 2) {
    const [problem] = problems;
    throw new DataError(
      `${open.name} holds ${examples.length === 0 ? "nothing" : "only one example"} to learn from${problem ? `: ${problem.message}` : "."}`,
      problem?.remedy ?? "Give at least two rows; a few hundred make a difference.",
    );
  }
  const { training, held, overlapping } = split(examples, kind, heldOut);
  const texts = [...new Set(examples.flatMap(({ texts }) => texts))];
  const facts: DataFacts = {
    name: open.name,
    kind,
    training: training.length,
    held: held.length,
    overlapping,
    texts: texts.length,
    duplicates: examples.length - new Set(examples.map((example) => JSON.stringify(example.texts))).size,
    missing,
    problems: problems.map(({ message, remedy }): DataProblem => ({ message, remedy })),
    problemCount,
    lengths: lengthsOf(texts, tokenizer),
    first: examples[0]!.texts,
  };
  return { facts, kind, training, held, texts };
}

/** Holds a part out. Sentences without a partner have nothing to be scored by, and of few examples there may be none to hold out. */
function split(examples: readonly Example[], kind: ExampleKind, share: number) {
  const whole = { training: examples, held: [] as readonly Example[], overlapping: 0 };
  if (share === 0 || kind === "sentences") return whole;
  try {
    return holdOut(examples, share);
  } catch (error) {
    if (error instanceof DataError) return whole;
    throw error;
  }
}
