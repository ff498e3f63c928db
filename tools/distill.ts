/** `simcse distill`: a small model that learns to give the vectors of a large one. */
import { Command, InvalidArgumentError, Option } from "commander";
import { distillationDefaults } from "../src/simcse/distillation/distillation-defaults.ts";
import { trainingDefaults } from "../src/simcse/training/training-options.ts";
import { flag, wholeNumber, wholeNumbers, withOptions } from "./cli/options.ts";
import { type DistillOptions, distillation, hasBegun } from "./training/distillation.ts";
import { trainOptions } from "./training/train-options.ts";
import { argumentsOf } from "./training/training-arguments.ts";
import { runTraining } from "./training/training-run.ts";

/** Options of other losses, and those that this command describes otherwise. */
const leftOut = new Set([
  ...["temp", "hard_negative_weight", "label_smoothing_factor", "mlp_only_train", "no_duplicates", "loss", "symmetric"],
  ...["do_mlm", "mlm_weight", "mlm_probability", "eval_split", "tokenizer_name"],
]);

const meanings: Readonly<Record<string, string>> = {
  model_name_or_path: "the teacher: a model folder, or a name on the hub; also --model",
  config_name: "folder or name of a config.json with another shape for the student, whose weights are then fresh",
  train_file: "texts: .txt (one a line), or every column of texts of .csv, .tsv, .jsonl, .json, .parquet, also .gz; each text counts once",
  columns: "the columns to take, by names or numbers, separated by commas (default: all columns of texts)",
  target_vectors: "vectors of any teacher, one row for each different text, in place of those of --model_name_or_path",
};

/** The command's own defaults under Hugging Face's names. */
const defaults = Object.fromEntries(
  Object.entries(argumentsOf({ ...trainingDefaults, ...distillationDefaults })).filter(
    ([name, value]) => value !== argumentsOf(trainingDefaults)[name as keyof DistillOptions & keyof ReturnType<typeof argumentsOf>],
  ),
);

/** An option of `train` as this command describes it. */
function described(option: Option): Option {
  const name = option.attributeName();
  if (option.hidden || (meanings[name] === undefined && defaults[name] === undefined)) return option;
  const meaning = (meanings[name] ?? option.description).replace(/ \(default: [^()]*\)$/, "");
  const copy = new Option(option.flags, defaults[name] === undefined ? meaning : `${meaning} (default: ${defaults[name]})`);
  if (option.parseArg) copy.argParser(option.parseArg);
  return copy.makeOptionMandatory(option.mandatory);
}

function layerList(text: string): number[] {
  const layers = wholeNumbers(0)(text);
  if (new Set(layers).size === layers.length) return layers;
  throw new InvalidArgumentError("Name each layer once.");
}

const options: readonly Option[] = [
  ...trainOptions.filter((option) => !leftOut.has(option.attributeName())).map(described),
  new Option(
    "--layers <list>",
    "the teacher's layers that the student begins with, numbered from 0, such as 0,2,5 (default: all)",
  ).argParser(layerList),
  new Option("--vocab_size <n>", "keep the tokens that the texts use most, in all this many (default: all)").argParser(wholeNumber(1)),
  new Option(
    "--embedding_size <n>",
    "narrower embeddings of tokens, projected to the width of the layers: the teacher, a BERT, becomes an ELECTRA (default: as wide as the layers)",
  ).argParser(wholeNumber(2)),
  new Option(
    "--vocab_file <files...>",
    "the texts that --vocab_size and --embedding_size count tokens in; more of them than to learn from are better (default: --train_file)",
  ),
  flag("drop_unused_characters", "--vocab_size also gives up single characters that those texts do not use"),
];

export const distillCommand = withOptions(
  new Command("distill").description("make a small model that gives the vectors of a large one; the same command resumes a run"),
  options,
).action((given: DistillOptions) => {
  const resumes = given.resume_from_checkpoint === undefined && !given.overwrite_output_dir && hasBegun(given.output_dir);
  return runTraining({ ...defaults, ...given, ...(resumes && { resume_from_checkpoint: true }) }, distillation(given));
});
