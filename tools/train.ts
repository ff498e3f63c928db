/** `simcse train`: SimCSE from files, with the original's option names. */
import { Command } from "commander";
import { DataError } from "../src/errors.ts";
import { readExamples } from "../src/io/examples-node.ts";
import { hints } from "../src/simcse/training/training-arguments.ts";
import { exampleSet } from "../src/simcse/training/training-set.ts";
import { withOptions } from "./cli/options.ts";
import { type TrainOptions, trainOptions } from "./training/train-options.ts";
import { runTraining, type TrainingKind } from "./training/training-run.ts";

const contrastive: TrainingKind = {
  async read(path, tokenizer, { max_seq_length }) {
    const examples: (readonly string[])[] = [];
    for await (const example of readExamples(path)) examples.push(example);
    if (examples.every((texts) => texts.every((text) => text.trim() === "")))
      throw new DataError(`${path} holds no sentence.`, "Give a text file with one sentence a line, or a table of pairs.");
    return exampleSet(examples, tokenizer, max_seq_length);
  },
  heads: ({ pooler_type, do_mlm }) => ({ mlp: pooler_type === "cls", mlm: do_mlm }),
  hints: (args, { columns }, fresh) => hints(args, { columns, fresh }),
};

export const trainCommand = withOptions(
  new Command("train").description("train SimCSE on sentences, on pairs, or on pairs with hard negatives"),
  trainOptions,
).action((given: TrainOptions) => runTraining(given, contrastive));
