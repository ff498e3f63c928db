/** `simcse train`: a model from files, with the original's option names. */
import { Command } from "commander";
import { exampleSet, repeatsSentences } from "../src/simcse/training/training-set.ts";
import { withOptions } from "./cli/options.ts";
import { hints } from "./training/train-hints.ts";
import { type TrainOptions, trainOptions } from "./training/train-options.ts";
import { readTrainingFiles } from "./training/training-files.ts";
import { runTraining, type TrainingKind } from "./training/training-run.ts";

const embeddings: TrainingKind = {
  async read(given, tokenizer, { maxLength }) {
    const { examples, held } = await readTrainingFiles(given, tokenizer, maxLength);
    const rows = examples.map(({ texts, score }) => (score === undefined ? texts : [...texts, score]));
    return { set: exampleSet(rows, tokenizer, maxLength), held };
  },
  hints: (settings, set, { fresh, pooler }) =>
    hints(settings, { columns: set.columns, fresh, modelPooler: pooler, repeats: set.columns > 1 && repeatsSentences(set) }),
};

export const trainCommand = withOptions(
  new Command("train").description("train on sentences, pairs, pairs with hard negatives, or pairs with scores or labels"),
  trainOptions,
).action((given: TrainOptions) => runTraining(given, embeddings));
