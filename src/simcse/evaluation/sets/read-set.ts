/** Evaluation sets from files: tables of examples by their kind, and folders in BEIR's layout. */
import { DataError, FileError } from "../../../errors.ts";
import { checkExample, type Example, type ExampleKind, type ExampleTable } from "../../../io/examples.ts";
import { checkFolder, type Folder, pathIn } from "../../../io/folder.ts";
import { fileSource } from "../../../io/text/source.ts";
import { openTable, placeOf, type Table } from "../../../io/text/table.ts";
import { checkChoice } from "../../../options.ts";
import { show } from "../../../show.ts";
import { collected } from "../../embedding/chunks.ts";
import type { EvaluationSet, Retrieval } from "./evaluation-set.ts";

/** How a table is evaluated, by the kind of its examples. */
const setsOf: Readonly<
  Record<ExampleKind, ((name: string, examples: readonly Example[], corpus: readonly string[]) => EvaluationSet) | null>
> = {
  sentences: null,
  pairs: (name, examples, corpus) => ({ kind: "retrieval", name, data: retrievalOf(examples, corpus) }),
  triplets: (name, examples) => ({
    kind: "triplets",
    name,
    data: examples.map(({ texts: [anchor, positive, negative] }) => ({ anchor: anchor!, positive: positive!, negative: negative! })),
  }),
  "scored pairs": (name, examples) => ({
    kind: "scored pairs",
    name,
    data: examples.map(({ texts: [a, b], score }) => ({ a: a!, b: b!, score: score! })),
  }),
  "labelled pairs": (name, examples) => ({
    kind: "labelled pairs",
    name,
    data: examples.map(({ texts: [a, b], score }) => ({ a: a!, b: b!, label: score! })),
  }),
  "labelled texts": (name, examples) => ({
    kind: "labelled texts",
    name,
    data: examples.map(({ texts: [text], label }) => ({ text: text!, label: label! })),
  }),
};

/**
 * A table of examples as an evaluation set: scored pairs, labelled pairs, triplets or labelled texts. Unlabelled pairs become a retrieval
 * of each second text for its first one, among all second texts and those of `corpus`. `name` prefixes the metrics.
 *
 * Throws DataError for single sentences, which say nothing about similarity, and the errors of reading the examples.
 */
export async function evaluationSet(table: ExampleTable, name: string, corpus: readonly string[] = []): Promise<EvaluationSet> {
  return setOfExamples({ name, kind: table.kind, origin: table.name }, await collected(table.examples), corpus);
}

/** A set's name in metrics, its examples, and their source in messages. */
export interface SetSource {
  readonly name: string;
  readonly kind: ExampleKind;
  readonly origin: string;
}

/** Throws DataError if a set's scores or labels are all the same: a correlation is then undefined, and a single class is always found. */
export function checkDiffering(set: EvaluationSet): void {
  const values = set.kind === "scored pairs" ? set.data.map(({ score }) => score) : labelsOf(set);
  if (values.length === 0 || values.some((value) => value !== values[0])) return;
  const what = set.kind === "scored pairs" ? "score" : "label";
  throw new DataError(
    `All ${values.length} ${set.kind} of the evaluation set ${set.name} have the ${what} ${show(values[0])}.`,
    `Give some with another ${what}; nothing can be told apart otherwise.`,
  );
}

const labelsOf = (set: EvaluationSet): readonly (number | string)[] =>
  set.kind === "labelled pairs" || set.kind === "labelled texts" ? set.data.map(({ label }) => label) : [];

/** The texts of an example of each kind. */
const textsIn: Readonly<Record<ExampleKind, number>> = {
  sentences: 1,
  pairs: 2,
  triplets: 3,
  "scored pairs": 2,
  "labelled pairs": 2,
  "labelled texts": 1,
};

/**
 * Examples as an evaluation set; see `evaluationSet`. Throws OptionError for an unknown kind, and DataError, naming the example by its number
 * from 1, for one that is of another kind.
 */
export function setOfExamples(
  { name, kind, origin }: SetSource,
  examples: readonly Example[],
  corpus: readonly string[] = [],
): EvaluationSet {
  checkChoice("kind of examples", kind, Object.keys(setsOf));
  const build = setsOf[kind];
  if (build === null) {
    throw new DataError(
      `${origin} holds ${kind} alone: there is nothing to evaluate on.`,
      "Give pairs with a score or a label, pairs of a query and a relevant text, triplets, or texts with a label; --columns says which column is what. A .txt has none: name a table .csv, or .tsv.",
    );
  }
  if (corpus.length > 0 && kind !== "pairs") {
    throw new DataError(
      `${origin} holds ${kind}, which are not searched for.`,
      "Leave out the corpus, or give pairs of a query and a relevant text.",
    );
  }
  for (const [at, example] of examples.entries()) {
    checkExample(example, at + 1, textsIn[kind]);
    if ((kind === "scored pairs" || kind === "labelled pairs") && !Number.isFinite(example.score))
      throw new DataError(
        `Example ${at + 1} has the score ${show(example.score)}.`,
        "Give each pair a number as its score, or 1 or 0 for a label.",
      );
  }
  return build(name, examples, corpus);
}

/**
 * The second text of each pair is looked up by the first one, among all second texts and those of `corpus`. Texts are their own ids, so equal
 * queries are one query with several relevant texts, and a query does not find itself, as it would among questions that are paired both ways.
 */
export function retrievalOf(examples: readonly Example[], corpus: readonly string[]): Retrieval {
  const relevant = new Map<string, Map<string, number>>();
  for (const { texts } of examples) {
    const [query, document] = texts as readonly [string, string];
    const known = relevant.get(query) ?? new Map<string, number>();
    relevant.set(query, known.set(document, 1));
  }
  const own = (texts: Iterable<string>) => new Map([...texts].map((text) => [text, text]));
  const searched = own([...examples.map(({ texts }) => texts[1]!), ...corpus]);
  return { queries: own(relevant.keys()), corpus: searched, relevant, skipsSameId: true };
}

/** The files of a folder in BEIR's layout; the relevance comes from the test split. */
const beirFiles = { corpus: "corpus.jsonl", queries: "queries.jsonl", relevance: "qrels/test.tsv" } as const;

/** Whether a folder has BEIR's layout. */
export async function isBeirFolder(folder: Folder): Promise<boolean> {
  return folder.has(beirFiles.corpus);
}

/**
 * The retrieval set of a folder in BEIR's layout (Thakur et al. 2021): `corpus.jsonl` (`_id`, `title`, `text`), `queries.jsonl` (`_id`,
 * `text`) and `qrels/test.tsv` (query, document, grade; grades of 0 and below are not relevant). A document's title, if it has one, is put before its text.
 * As in BEIR's evaluation, a query does not find the document with its own id, unless that is relevant.
 *
 * Throws FileError for a missing file, DataError for a row that lacks a field or names an unknown query or document, an id that occurs
 * twice, or other columns of relevance.
 */
export async function beirSet(folder: Folder, name: string): Promise<EvaluationSet> {
  checkFolder(folder);
  for (const file of Object.values(beirFiles)) {
    if (!(await folder.has(file))) {
      throw new FileError(`${pathIn(folder, file)} is not there.`, `Give a folder with ${Object.values(beirFiles).join(", ")}.`);
    }
  }
  const corpus = await textsById(folder, beirFiles.corpus, ({ title, text }) => `${title ?? ""} ${text}`.trim());
  const queries = await textsById(folder, beirFiles.queries, ({ text }) => `${text}`);
  const relevant = new Map<string, Map<string, number>>();
  const table = await openTable(fileSource(folder, beirFiles.relevance), { knownColumns: relevanceColumns });
  const columns = relevanceColumnsIn(table);
  for await (const row of table.rows) {
    const [query, document, grade] = columns.map((column) => String(row.fields[column] ?? "")) as [string, string, string];
    const place = placeOf(table, row);
    if (!queries.has(query)) throw new DataError(`${place}: there is no query ${show(query)}.`, `Give it in ${beirFiles.queries}.`);
    if (!corpus.has(document)) throw new DataError(`${place}: there is no document ${show(document)}.`, `Give it in ${beirFiles.corpus}.`);
    if (grade.trim() === "" || !Number.isFinite(Number(grade)))
      throw new DataError(`${place}: expected a grade, found ${show(grade)}.`, "Give a number.");
    if (Number(grade) <= 0) continue;
    const known = relevant.get(query) ?? new Map<string, number>();
    relevant.set(query, known.set(document, Number(grade)));
  }
  return { kind: "retrieval", name, data: { queries, corpus, relevant, skipsSameId: true } };
}

/** The columns of BEIR's relevance. */
const relevanceColumns = ["query-id", "corpus-id", "score"];

/** The columns of query, document and grade: by BEIR's names, or else the three that there are. */
function relevanceColumnsIn({ name, columns }: Table): readonly string[] {
  const found = relevanceColumns.every((column) => columns.includes(column)) ? relevanceColumns : columns;
  if (found.length === relevanceColumns.length) return found;
  throw new DataError(
    `${name} has ${columns.length} columns: ${show(columns)}.`,
    `Give three, separated by tabs: ${relevanceColumns.join(", ")}.`,
  );
}

async function textsById(
  folder: Folder,
  file: string,
  textOf: (fields: Readonly<Record<string, unknown>>) => string,
): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  const table = await openTable(fileSource(folder, file));
  for await (const row of table.rows) {
    const { _id: id, text } = row.fields;
    const place = placeOf(table, row);
    if ((typeof id !== "string" && typeof id !== "number") || typeof text !== "string") {
      throw new DataError(`${place}: expected "_id" and "text".`, "Give each line an object with both.");
    }
    if (texts.has(String(id)))
      throw new DataError(`${place}: the id ${show(String(id))} occurred before.`, "Give each text an id of its own.");
    texts.set(String(id), textOf(row.fields));
  }
  return texts;
}
