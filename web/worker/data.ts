/** Reading all of the visitor's text, with what is wrong line by line. */
import {
  type ColumnAssignment,
  DataError,
  type Example,
  type ExampleKind,
  holdOut,
  OptionError,
  openExamples,
} from "simcse-webgpu/browser";
import { lengthsOf } from "./lengths.ts";
import type { LoadedData } from "./loaded-data.ts";
import type { DataChoice, DataFacts, DataProblem, Handlers } from "./protocol.ts";
import type { Session } from "./session.ts";
import { type OpenData, openFiles } from "./table-preview.ts";

/** Problems that are listed; all are counted. */
const MOST_PROBLEMS = 100;
/** Examples between two reports of progress. */
const REPORT_EVERY = 2000;

/** The part that is held out if the visitor does not say: of a small table more, because a score of a few examples says little. */
const suggestedShare = (examples: number): number => (examples < 200 ? 0.25 : 0.1);

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
  { roles, ...choice }: DataChoice,
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
  const heldOut = choice.heldOut ?? suggestedShare(examples.length);
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
    heldOut,
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
