/**
 * Writes the training and development files of the small model into a folder (README.md says how they are used):
 *
 *     SIMCSE_DATA=… npx tsx bench/small-model/data.ts FOLDER
 *
 * - distill.txt: the texts that the student learns the teacher's vectors of;
 * - triplets.jsonl: pairs with a hard negative, of natural language inference and of captions;
 * - search-dev.jsonl, search.jsonl: captions of pictures that are in none of the others. A caption looks for the others of its picture.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Command } from "commander";
import { readExamples } from "../../src/io/examples-node.ts";

/** How much is taken of each source, from its beginning. */
const sizes = { wikipedia: 30_000, captionTexts: 40_000, captionPairs: 5_000 };
/** Pictures at the end of the captions' file that are kept back. */
const heldOut = { search: 1_000, searchDev: 200 };

const source = resolve(process.env.SIMCSE_DATA ?? "../shared/data");
const [folder] = new Command("data").argument("<folder>", "where the files are written").parse().args as [string];

const lines = async (path: string, encoding: BufferEncoding = "utf8") =>
  (await readFile(join(source, path), encoding))
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);

const wikipedia = (await lines("train/wiki100k_sentences.txt")).slice(0, sizes.wikipedia);
const pictures = (await lines("train/flickr30k_captions_train.clean.tsv")).map((line) => line.split("\t"));
const trained = pictures.slice(0, -heldOut.search);
const kept = pictures.slice(-heldOut.search);
const inference: (readonly string[])[] = [];
for await (const texts of readExamples(join(source, "train/nli_triplets.clean.csv"))) inference.push(texts);
const questions = (await lines("senteval/TREC/train_5500.label", "latin1")).map((line) => line.slice(line.indexOf(" ") + 1).trim());

// Two captions of one picture, and a caption of the next picture as a negative.
const captionTriplets = trained
  .slice(0, sizes.captionPairs)
  .map(([first, second], picture) => [first!, second!, trained[picture + 1]![2]!]);

const searches = (group: readonly string[][]) => group.flatMap(([query, ...others]) => others.map((positive) => ({ query, positive })));
const asLines = (rows: readonly unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join("");
const triplets = [...inference, ...captionTriplets].map(([sent0, sent1, hard_neg]) => ({ sent0, sent1, hard_neg }));
const texts = new Set([...wikipedia, ...trained.flat().slice(0, sizes.captionTexts), ...inference.flat(), ...questions]);

await mkdir(folder, { recursive: true });
await writeFile(join(folder, "distill.txt"), `${[...texts].join("\n")}\n`);
await writeFile(join(folder, "triplets.jsonl"), asLines(triplets));
await writeFile(join(folder, "search-dev.jsonl"), asLines(searches(kept.slice(0, heldOut.searchDev))));
await writeFile(join(folder, "search.jsonl"), asLines(searches(kept)));
console.log(`${texts.size} texts to distil, ${triplets.length} triplets, ${kept.length} pictures kept back`);
