/** The texts of a distillation: every text of every text column of the training files, each once. */
import { DataError } from "../../src/errors.ts";
import { diskSource } from "../../src/io/examples-node.ts";
import { openTexts } from "../../src/io/texts.ts";
import { formatCount, plural } from "../../src/show.ts";
import { say } from "../cli/say.ts";
import { type TrainingFileOptions, unweightedSources } from "./training-files.ts";

/**
 * The texts in their order, without blank ones and repetitions; says how many there are of each. Throws the errors of `openTexts` and
 * `openHubExamples`, OptionError for a weight, and DataError if there are fewer than two.
 */
export async function readDistinctTexts(given: TrainingFileOptions): Promise<string[]> {
  const distinct = new Set<string>();
  let all = 0;
  let blank = 0;
  for (const { name, open } of unweightedSources(given)) {
    const table = given.dataset_name === undefined ? await openTexts(await diskSource(name), given) : await open();
    const before = all;
    for await (const text of table.texts) {
      all++;
      if (text.trim() === "") blank++;
      else distinct.add(text);
    }
    say(`${table.name}: ${table.understood}; ${formatCount(all - before)} texts`);
  }
  const repeated = all - blank - distinct.size;
  const left = [
    ...(blank > 0 ? [plural(blank, "is blank", "are blank")] : []),
    ...(repeated > 0 ? [plural(repeated, "occurs before", "occur before")] : []),
  ];
  say(`${formatCount(distinct.size)} different texts${left.length > 0 ? `; of the others ${left.join(", ")}` : ""}`);
  if (distinct.size >= 2) return [...distinct];
  throw new DataError(`There ${distinct.size === 1 ? "is one text" : "are no texts"} to learn from.`, "Give files with more texts.");
}
