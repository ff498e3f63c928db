/** `simcse pretrain`: a masked language model from any text, from fresh weights or a checkpoint; a BERT from which `simcse train` can start. */
import { Command, Option } from "commander";
import { packedSet } from "../src/simcse/training/training-set.ts";
import { wholeNumber, withOptions } from "./cli/options.ts";
import { type TrainOptions, trainOptions } from "./training/train-options.ts";
import { trainingTexts } from "./training/training-files.ts";
import { openSource, type TrainingKind } from "./training/training-inputs.ts";
import { runTraining } from "./training/training-run.ts";

const maskedLanguage: TrainingKind = {
  async open(given) {
    const source = await openSource(given);
    return {
      source,
      read: async ({ maxLength }) => ({ set: await packedSet(trainingTexts(given), source.tokenizer, maxLength), held: null }),
    };
  },
  hints: () => [],
};

/** Options of contrastive training, which this command lacks. */
const contrastive = new Set([
  "temp",
  "hard_negative_weight",
  "label_smoothing_factor",
  "mlp_only_train",
  "do_mlm",
  "mlm_weight",
  "no_duplicates",
  "gradient_cache_chunk",
  "loss",
  "symmetric",
  "similarity_weight",
  "matryoshka_dims",
  "eval_split",
  "target_vectors",
]);

/** Defaults that differ from those of SimCSE. */
const defaults = { max_seq_length: 128, pooler_type: "avg" } as const;

const options: readonly Option[] = [
  ...trainOptions.filter((option) => !contrastive.has(option.attributeName()) && !(option.attributeName() in defaults)),
  new Option("--max_seq_length <n>", `tokens per sequence (default: ${defaults.max_seq_length})`).argParser(wholeNumber(8)),
];

export const pretrainCommand = withOptions(
  new Command("pretrain").description("train a masked language model on text, from scratch or from a checkpoint"),
  options,
).action((given: TrainOptions) => runTraining({ ...defaults, ...given }, maskedLanguage));
