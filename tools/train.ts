/** `simcse train`: SimCSE from files, with the original's option names. */
import { Command } from "commander";
import { hints } from "../src/simcse/training/training-arguments.ts";
import { exampleSet } from "../src/simcse/training/training-set.ts";
import { withOptions } from "./cli/options.ts";
import { type TrainOptions, trainOptions } from "./training/train-options.ts";
import { readTrainingFiles } from "./training/training-files.ts";
import { runTraining, type TrainingKind } from "./training/training-run.ts";

const contrastive: TrainingKind = {
  read: async (given, tokenizer, { max_seq_length }) =>
    exampleSet(await readTrainingFiles(given, tokenizer, max_seq_length), tokenizer, max_seq_length),
  heads: ({ pooler_type, do_mlm }) => ({ mlp: pooler_type === "cls", mlm: do_mlm }),
  hints: (args, { columns }, fresh) => hints(args, { columns, fresh }),
};

export const trainCommand = withOptions(
  new Command("train").description("train SimCSE on sentences, on pairs, or on pairs with hard negatives"),
  trainOptions,
).action((given: TrainOptions) => runTraining(given, contrastive));
