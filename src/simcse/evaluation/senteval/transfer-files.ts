/**
 * The file formats of the transfer tasks in SentEval's layout, parsed into labelled sentences and pairs.
 *
 * Which task has which files is defined in `transfer.ts`.
 */
import { show } from "../../../show.ts";
import { malformed, normaliseSpace, parseEach, requireSome, type TextLines, tabColumns } from "./text-lines.ts";

/** A sentence, or for paraphrases two, and its class. */
export interface LabelledExample {
  readonly a: string;
  readonly b?: string;
  readonly label: number;
}

/** What a row is called in messages. */
const row = "labelled sentence";

/** Every line of a file that contains one class. An empty line is an empty sentence. */
export function parseLines(text: TextLines, label: number): LabelledExample[] {
  return requireSome(
    text.file,
    "sentence",
    text.lines.map((line) => ({ a: normaliseSpace(line), label })),
  );
}

/** "text\tlabel" with a label below `classes`. Blank lines are skipped; the text may be empty. */
export function parseLabelColumn(text: TextLines, classes: number): LabelledExample[] {
  return parseEach(text, 0, row, (line, at) => {
    const tab = line.lastIndexOf("\t");
    if (tab < 0) throw malformed(text.file, at, "a sentence and a label separated by a tab", show(line));
    return { a: normaliseSpace(line.slice(0, tab)), label: parseLabel(text.file, at, line.slice(tab + 1), classes) };
  });
}

/** "COARSE:fine question"; the class is the index of COARSE in `classes`. */
export function parseQuestions(text: TextLines, classes: readonly string[]): LabelledExample[] {
  return parseEach(text, 0, row, (line, at) => {
    const [, coarse, question] = /^([A-Z]+):\S+(?:\s+(.*))?$/.exec(line.trim()) ?? [];
    const label = classes.indexOf(coarse ?? "");
    if (label < 0) throw malformed(text.file, at, `a class of ${classes.join(", ")} as in "HUM:ind Who …"`, show(line));
    return { a: normaliseSpace(question ?? ""), label };
  });
}

/** MSR's paraphrases: a header, then tab-separated columns; 0 is the label, 3 and 4 are the sentences. Nothing is quoted. */
export function parseParaphrases(text: TextLines): LabelledExample[] {
  return parseEach(text, 1, row, (line, at) => {
    const columns = tabColumns(text.file, at, line, 5);
    return { a: normaliseSpace(columns[3]!), b: normaliseSpace(columns[4]!), label: parseLabel(text.file, at, columns[0]!, 2) };
  });
}

function parseLabel(file: string, line: number, text: string, classes: number): number {
  const label = Number(text);
  if (text.trim() !== "" && Number.isInteger(label) && label >= 0 && label < classes) return label;
  throw malformed(file, line, `a label from 0 to ${classes - 1}`, show(text));
}
