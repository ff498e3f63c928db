/** What `simcse train` makes of its options where one follows from another. */
import { Command } from "commander";
import { expect, it } from "vitest";
import { OptionError } from "../../../src/errors.ts";
import { trainingDefaults } from "../../../src/simcse/training/training-arguments.ts";
import { withOptions } from "../../../tools/cli/options.ts";
import { grantedNotes, type TrainOptions, trainingArguments, trainOptions } from "../../../tools/training/train-options.ts";

const args = (given: Partial<TrainOptions>) =>
  trainingArguments({ model_name_or_path: "m", train_file: ["t"], output_dir: "o", data_dir: "d", ...given });

it("evaluates where anything asks for it, as often as it logs where nothing says how often", () => {
  expect(args({}).eval_steps).toBe(0);
  expect(args({ evaluation_strategy: "no" }).eval_steps).toBe(0);
  for (const asked of [{ do_eval: true }, { eval_transfer: true }, { load_best_model_at_end: true }, { early_stopping_patience: 2 }]) {
    expect(args({ ...asked, logging_steps: 7 }).eval_steps).toBe(7);
  }
  expect(args({ eval_steps: 125 }).eval_steps).toBe(125);
  expect(args({ evaluation_strategy: "epoch", eval_steps: 125 }).eval_steps).toBe(0);
  expect(() => args({ do_eval: true, evaluation_strategy: "no" })).toThrow(OptionError);
});

it("saves every 500 steps, or where the best model is kept only when told to", () => {
  expect(args({}).save_steps).toBe(500);
  expect(args({ load_best_model_at_end: true }).save_steps).toBe(0);
  expect(args({ load_best_model_at_end: true, save_steps: 50 }).save_steps).toBe(50);
});

/** Parses a command line as `simcse train` does. */
function parse(words: string): TrainOptions {
  const command = withOptions(new Command("train").exitOverride().configureOutput({ writeErr: () => {} }), trainOptions);
  return command.parse(words.trim().split(/\s+/), { from: "user" }).opts<TrainOptions>();
}

it("takes the original's example runs as they stand", () => {
  const shared = `--model_name_or_path bert-base-uncased --output_dir result --max_seq_length 32 --evaluation_strategy steps
    --metric_for_best_model stsb_spearman --load_best_model_at_end --eval_steps 125 --pooler_type cls --overwrite_output_dir
    --temp 0.05 --do_train --do_eval --fp16`;
  const both = { eval_steps: 125, save_steps: 0, load_best_model_at_end: true, fp16: true };
  const unsupervised =
    "--train_file wiki1m_for_simcse.txt --num_train_epochs 1 --per_device_train_batch_size 64 --learning_rate 3e-5 --mlp_only_train";
  expect(trainingArguments(parse(`${shared} ${unsupervised}`))).toEqual({
    ...trainingDefaults,
    ...both,
    num_train_epochs: 1,
    per_device_train_batch_size: 64,
    learning_rate: 3e-5,
    mlp_only_train: true,
  });
  const supervised = "--train_file nli_for_simcse.csv --num_train_epochs 3 --per_device_train_batch_size 128 --learning_rate 5e-5";
  expect(trainingArguments(parse(`${shared} ${supervised}`))).toEqual({ ...trainingDefaults, ...both, per_device_train_batch_size: 128 });
});

it("takes every option of the original, and says where one asks for what is done anyway", () => {
  const given =
    parse(`--model_name_or_path m --config_name c --tokenizer_name t --cache_dir d --model_revision main --temp .1 --pooler_type avg
    --hard_negative_weight -0.5 --do_mlm --mlm_weight .2 --mlp_only_train False --train_file f --max_seq_length 64 --pad_to_max_length
    --mlm_probability .2 --output_dir o --overwrite_output_dir True --do_train --do_eval --eval_transfer --fp16 false --load_best_model_at_end
    --dataloader_drop_last --logging_first_step --evaluation_strategy epoch --per_device_train_batch_size 16 --per_device_eval_batch_size 8
    --gradient_accumulation_steps 2 --learning_rate 1e-5 --weight_decay .01 --adam_beta1 .8 --adam_beta2 .99 --adam_epsilon 1e-6
    --max_grad_norm 2 --num_train_epochs 2 --max_steps -1 --lr_scheduler_type cosine_with_restarts --warmup_steps 10 --logging_dir l
    --logging_steps 5 --save_steps 50 --save_total_limit 2 --seed 1 --eval_steps 7 --run_name r --disable_tqdm
    --metric_for_best_model avg_sts --greater_is_better true --label_smoothing_factor .1`);
  expect(grantedNotes(given).map((note) => note.split(":")[0])).toEqual(["--pad_to_max_length", "--per_device_eval_batch_size"]);
  expect(trainingArguments(given)).toMatchObject({
    ...{ temp: 0.1, hard_negative_weight: -0.5, mlp_only_train: false, evaluation_strategy: "epoch", max_steps: -1 },
    ...{ gradient_accumulation_steps: 2, adam_beta1: 0.8, lr_scheduler_type: "cosine_with_restarts", label_smoothing_factor: 0.1 },
  });
});

it("takes false for what it is", () => {
  const given = parse(`--model_name_or_path m --train_file t --output_dir o --pad_to_max_length false --resume_from_checkpoint false
    --profile true --do_eval False`);
  expect(grantedNotes(given)).toEqual([]);
  expect([given.pad_to_max_length, given.resume_from_checkpoint, given.profile, given.do_eval]).toEqual([false, false, true, false]);
});

it.each([
  ["--sharded_ddp simple", "one device trains"],
  ["--temp 0", "greater than 0"],
  ["--mlm_probability 2", "at most 1"],
  ["--lr_scheduler_type cosin", "cosine_with_restarts"],
  ["--per_device_train_batch_size 1", "at least 2"],
  ["--fp16 maybe", "true or false"],
  ["--seeds 1,,3", "whole number"],
  ["--warmup-steps 3", "--warmup_steps"],
])("refuses %s", (words, message) => {
  expect(() => parse(`--model_name_or_path m --train_file t --output_dir o ${words}`)).toThrow(message);
});
