/** `simcse train`: a model from files, with the original's option names. */
import { Command } from "commander";
import type { Example } from "../src/io/examples.ts";
import { hasEqualViews } from "../src/simcse/training/prepare-model.ts";
import { TrainingOrder } from "../src/simcse/training/training-order.ts";
import { exampleSet, repeatsSentences, type TrainingExample } from "../src/simcse/training/training-set.ts";
import { withOptions } from "./cli/options.ts";
import { withVectors } from "./training/target-vectors.ts";
import { hints } from "./training/train-hints.ts";
import { type TrainOptions, trainOptions } from "./training/train-options.ts";
import { readTrainingFiles } from "./training/training-files.ts";
import { openSource, type TrainingKind } from "./training/training-inputs.ts";
import { runTraining } from "./training/training-run.ts";

const trainingExample = ({ texts, score }: Example): TrainingExample => (score === undefined ? texts : [...texts, score]);

const embeddings: TrainingKind = {
  async open(given) {
    const source = await openSource(given);
    const { tokenizer } = source;
    return {
      source,
      async read({ maxLength }) {
        const data = await readTrainingFiles(given, tokenizer, maxLength);
        const rows =
          given.target_vectors === undefined ? data.examples.map(trainingExample) : await withVectors(data, given.target_vectors);
        return { set: exampleSet(rows, tokenizer, maxLength), held: data.held };
      },
    };
  },
  hints: (settings, set, { fresh, pooler, prompts, config }) =>
    hints(settings, {
      columns: set.columns,
      fresh,
      modelPooler: pooler,
      prompts,
      equalViews: hasEqualViews(set, settings, config),
      repeats: set.target === null && set.columns > 1 && repeatsSentences(set),
      batches: set.target === null && settings.noDuplicates ? new TrainingOrder(set, settings).batches : null,
    }),
};

export const trainCommand = withOptions(
  new Command("train").description("train on sentences, pairs, pairs with hard negatives, or pairs with scores or labels"),
  trainOptions,
).action((given: TrainOptions) => runTraining(given, embeddings));
