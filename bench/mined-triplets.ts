/**
 * Mined hard negatives against plain pairs: `npx tsx bench/mined-triplets.ts --model DIR --captions FILE.tsv`.
 *
 * A line of the file holds several captions of one picture. The first two of some pictures are pairs to train on. They are trained on plain, and
 * with a hard negative that the untrained model finds for each; both for the same number of steps from the same weights. Each held-out picture's
 * first caption then looks for the others of its picture among all of theirs.
 */
import { basename, dirname } from "node:path";
import { Command } from "commander";
import { DataError } from "../src/errors.ts";
import type { Device } from "../src/gpu/device.ts";
import { openDevice } from "../src/gpu/node.ts";
import { readText } from "../src/io/folder.ts";
import { openFolder } from "../src/io/folder-node.ts";
import { evaluateSet } from "../src/simcse/evaluation/sets/evaluate-set.ts";
import type { EvaluationSet } from "../src/simcse/evaluation/sets/evaluation-set.ts";
import { mineHardNegatives } from "../src/simcse/search/hard-negatives.ts";
import { SimCSE } from "../src/simcse/simcse-node.ts";
import type { TrainingExample } from "../src/simcse/training/training-set.ts";
import { reportFailure } from "../tools/cli/failure.ts";
import { numberBetween, wholeNumber, wholeNumbers } from "../tools/cli/options.ts";
import { markdown } from "./measure.ts";

const metrics = ["accuracy@1", "mrr@10", "ndcg@10"] as const;

/** Candidates of rank 1 to 5 are often captions that fit as well. */
const skipped = 5;

interface Options {
  readonly model: string;
  readonly pairs: readonly (readonly [string, string])[];
  readonly test: EvaluationSet;
  readonly steps: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly seeds: readonly number[];
}

/** The options as the command line has them. */
interface Given {
  readonly model: string;
  readonly captions: string;
  readonly train: number;
  readonly held: number;
  readonly steps: number;
  readonly batch: number;
  readonly rate: number;
  readonly seeds: readonly number[];
}

const command = new Command("mined-triplets")
  .description("Trains on pairs plain and with mined hard negatives, and scores both. Prints Markdown.")
  .requiredOption("--model <dir>", "the model that is trained")
  .requiredOption("--captions <file.tsv>", "captions of one picture a line")
  .option("--train <n>", "pictures to train on", wholeNumber(2), 1200)
  .option("--held <n>", "pictures held out", wholeNumber(2), 400)
  .option("--steps <n>", "training steps", wholeNumber(1), 60)
  .option("--batch <n>", "examples of a step", wholeNumber(2), 32)
  .option("--rate <number>", "the learning rate", numberBetween(0, 1), 3e-5)
  .option("--seeds <n,…>", "one run for each", wholeNumbers(0), [42]);

async function readOptions(): Promise<Options> {
  const { model, captions, train, held, steps, batch, rate, seeds } = command.parse().opts<Given>();
  const lines = (await readText(await openFolder(dirname(captions)), basename(captions))).split("\n").filter(Boolean);
  const pictures = lines.map((line) => line.split("\t"));
  if (pictures.length < train + held)
    throw new DataError(`There are only ${pictures.length} pictures.`, "Give smaller --train and --held.");
  return {
    model,
    pairs: pictures.slice(0, train).map(([a, b]) => [a!, b!]),
    test: captionSet(pictures.slice(-held)),
    steps,
    batchSize: batch,
    learningRate: rate,
    seeds,
  };
}

/** Each picture's first caption looks for the others among those of all pictures. */
function captionSet(pictures: readonly (readonly string[])[]): EvaluationSet {
  const others = pictures.map(([, ...rest]) => rest);
  const own = (texts: readonly string[]) => new Map(texts.map((text) => [text, text]));
  return {
    kind: "retrieval",
    name: "captions",
    data: {
      queries: own(pictures.map(([first]) => first!)),
      corpus: own(others.flat()),
      relevant: new Map(pictures.map(([first], i) => [first!, new Map(others[i]!.map((text) => [text, 1]))])),
    },
  };
}

/** The scores of a model: as it is, or after training on examples. */
async function scores(device: Device, options: Options, examples: readonly TrainingExample[], seed: number): Promise<number[]> {
  const { model, test, steps, batchSize, learningRate } = options;
  await using simcse = await SimCSE.load(model, { device, training: examples.length > 0 });
  if (examples.length > 0)
    await simcse.train(examples, { maxSteps: steps, batchSize, learningRate, warmupSteps: 0.1, noDuplicates: true, seed });
  const { metrics: found } = await evaluateSet(test, { encode: async (texts) => (await simcse.encode(texts)).data, device });
  return metrics.map((name) => found[name]!);
}

async function mined(device: Device, { model, pairs }: Options): Promise<TrainingExample[]> {
  await using simcse = await SimCSE.load(model, { device });
  const encode = async (texts: string[]) => (await simcse.encode(texts)).data;
  const { triplets, without } = await mineHardNegatives(pairs, { encode, device, skip: skipped });
  console.error(`${triplets.length} triplets; ${without} pairs have no negative`);
  return triplets.map(({ anchor, positive, negative }) => [anchor, positive, negative]);
}

async function run(): Promise<void> {
  const options = await readOptions();
  await using device = await openDevice();
  const triplets = await mined(device, options);
  const kinds: readonly (readonly [string, readonly TrainingExample[]])[] = [
    ["not trained", []],
    [`${options.pairs.length} pairs`, options.pairs],
    [`${triplets.length} triplets, mined`, triplets],
  ];
  const rows: string[][] = [];
  for (const [name, examples] of kinds) {
    for (const seed of examples.length === 0 ? options.seeds.slice(0, 1) : options.seeds) {
      const began = performance.now();
      const found = await scores(device, options, examples, seed);
      rows.push([
        name,
        String(seed),
        ...found.map((score) => (100 * score).toFixed(2)),
        `${Math.round((performance.now() - began) / 1000)} s`,
      ]);
      console.error(rows.at(-1)!.join("  "));
    }
  }
  console.log(`${device.name}; ${options.steps} steps of ${options.batchSize}, rate ${options.learningRate}\n`);
  console.log(markdown(["trained on", "seed", ...metrics, "time with evaluation"], rows));
}

await run().catch((error: unknown) => reportFailure(error, { debug: true }));
