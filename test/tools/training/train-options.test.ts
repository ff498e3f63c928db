/** How options of `simcse train` follow from one another. */
import { Command } from "commander";
import { expect, it } from "vitest";
import { OptionError } from "../../../src/errors.ts";
import { withOptions } from "../../../tools/cli/options.ts";
import { ineffectiveNotes } from "../../../tools/training/foreign-options.ts";
import { type TrainOptions, trainingArguments, trainOptions } from "../../../tools/training/train-options.ts";
import { trainingDefaults } from "../../../tools/training/training-arguments.ts";

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
  expect(args({ save_strategy: "epoch", save_steps: 50 })).toMatchObject({ save_strategy: "epoch", save_steps: 0 });
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
  const both = { metric_for_best_model: "stsb_spearman", eval_steps: 125, save_steps: 0, load_best_model_at_end: true, fp16: true };
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
  expect(ineffectiveNotes(given).map((note) => note.split(":")[0])).toEqual(["--pad_to_max_length", "--per_device_eval_batch_size"]);
  expect(trainingArguments(given)).toMatchObject({
    ...{ temp: 0.1, hard_negative_weight: -0.5, mlp_only_train: false, evaluation_strategy: "epoch", max_steps: -1 },
    ...{ gradient_accumulation_steps: 2, adam_beta1: 0.8, lr_scheduler_type: "cosine_with_restarts", label_smoothing_factor: 0.1 },
  });
});

it("takes false for what it is", () => {
  const given = parse(`--model_name_or_path m --train_file t --output_dir o --pad_to_max_length false --resume_from_checkpoint false
    --profile true --do_eval False`);
  expect(ineffectiveNotes(given)).toEqual([]);
  expect([given.pad_to_max_length, given.resume_from_checkpoint, given.profile, given.do_eval]).toEqual([false, false, true, false]);
});

it("takes the defaults of transformers 4.2.1 and of today for what they ask for, without a word", () => {
  const given =
    parse(`--model_name_or_path m --train_file t --output_dir o --local_rank -1 --past_index -1 --fp16_backend auto --fp16_opt_level O1
    --no_cuda False --sharded_ddp False --adafactor False --group_by_length False --do_predict False --tpu_metrics_debug False
    --eval_accumulation_steps None --report_to tensorboard all --label_names [] --optim adamw_torch --bf16 false --push_to_hub false
    --logging_strategy steps --save_safetensors --hub_strategy every_save --half_precision_backend auto --warmup_ratio 0 --use_cpu False
    --torch_compile False --eval_delay 0 --data_seed None --fsdp none --hub_token <HUB_TOKEN> --ray_scope last
    --include_tokens_per_second False`);
  expect(ineffectiveNotes(given)).toEqual([]);
});

it("takes today's names, and other names, for the same", () => {
  const given = parse(
    "--model m --train_file a.csv b.csv --output_dir o --eval_strategy epoch --save_strategy no --per_gpu_train_batch_size 4",
  );
  expect(given).toMatchObject({ model_name_or_path: "m", train_file: ["a.csv", "b.csv"] });
  expect(trainingArguments(given)).toMatchObject({ evaluation_strategy: "epoch", save_steps: 0, per_device_train_batch_size: 4 });
});

it("takes a part of the steps for the warm-up", () => {
  const needed = "--model m --train_file t --output_dir o";
  const warmup = (words: string) => trainingArguments(parse(`${needed} ${words}`)).warmup_steps;
  expect(["--warmup_ratio 0.1", "--warmup_steps 0.1", "--warmup_steps 100", "--warmup_ratio 0", ""].map(warmup)).toEqual([
    0.1, 0.1, 100, 0, 0,
  ]);
});

it("takes a number of warm-up steps before a ratio, in any order, and a ratio before 0 steps, as transformers does", () => {
  const warmup = (words: string) => trainingArguments(parse(`--model m --train_file t --output_dir o ${words}`)).warmup_steps;
  expect(
    [
      "--warmup_ratio 0.1 --warmup_steps 0",
      "--warmup_steps 0 --warmup_ratio 0.1",
      "--warmup_ratio 0.1 --warmup_steps 5",
      "--warmup_steps 5 --warmup_ratio 0.1",
    ].map(warmup),
  ).toEqual([0.1, 0.1, 5, 5]);
});

it("takes a part of the steps between log lines, evaluations and checkpoints", () => {
  const given = (words: string) => trainingArguments(parse(`--model m --train_file t --output_dir o ${words}`));
  expect(given("--logging_steps 0.05 --eval_steps 0.1 --save_steps .25")).toMatchObject({
    ...{ logging_steps: 0.05, eval_steps: 0.1, save_steps: 0.25 },
  });
  for (const words of ["--eval_steps 0", "--save_steps 1.5", "--logging_steps -0.1"]) expect(() => given(words)).toThrow();
});

it("has a place for every option of the original", () => {
  const known = new Set(trainOptions.map((option) => option.attributeName()).concat(trainOptions.map((option) => option.name())));
  const original = `model_name_or_path model_type config_name tokenizer_name cache_dir use_fast_tokenizer model_revision use_auth_token temp pooler_type
    hard_negative_weight do_mlm mlm_weight mlp_only_train dataset_name dataset_config_name overwrite_cache validation_split_percentage
    preprocessing_num_workers train_file max_seq_length pad_to_max_length mlm_probability eval_transfer output_dir overwrite_output_dir do_train
    do_eval do_predict evaluation_strategy prediction_loss_only per_device_train_batch_size per_device_eval_batch_size per_gpu_train_batch_size
    per_gpu_eval_batch_size gradient_accumulation_steps eval_accumulation_steps learning_rate weight_decay adam_beta1 adam_beta2 adam_epsilon
    max_grad_norm num_train_epochs max_steps lr_scheduler_type warmup_steps logging_dir logging_first_step logging_steps save_steps save_total_limit
    no_cuda seed fp16 fp16_opt_level fp16_backend local_rank tpu_num_cores tpu_metrics_debug dataloader_drop_last eval_steps
    dataloader_num_workers past_index run_name disable_tqdm remove_unused_columns label_names load_best_model_at_end metric_for_best_model
    greater_is_better ignore_data_skip sharded_ddp deepspeed label_smoothing_factor adafactor group_by_length report_to ddp_find_unused_parameters
    dataloader_pin_memory`;
  // --debug is an option of every command.
  expect(original.split(/\s+/).filter((name) => !known.has(name))).toEqual([]);
  const today = `lr_scheduler_kwargs optim optim_args optim_target_modules average_tokens_across_devices bf16 bf16_full_eval fp16_full_eval tf32
    activation_checkpointing activation_checkpointing_kwargs gradient_checkpointing gradient_checkpointing_kwargs torch_compile torch_compile_backend
    torch_compile_mode use_liger_kernel liger_kernel_config use_cache neftune_noise_alpha torch_empty_cache_steps auto_find_batch_size
    logging_strategy log_on_each_node logging_nan_inf_filter include_num_input_tokens_seen log_level log_level_replica project trackio_space_id
    trackio_bucket_id trackio_static_space_id eval_strategy eval_delay eval_on_start eval_do_concat_batches eval_use_gather_object include_for_metrics
    batch_eval_metrics save_only_model save_strategy save_on_each_node enable_jit_checkpoint push_to_hub hub_token hub_private_repo hub_model_id
    hub_strategy hub_always_push hub_revision restore_callback_states_from_checkpoint full_determinism data_seed use_cpu accelerator_config
    parallelism_config dataloader_persistent_workers dataloader_prefetch_factor dataloader_multiprocessing_context dataloader_in_order
    train_sampling_strategy length_column_name ddp_bucket_cap_mb ddp_broadcast_buffers ddp_static_graph ddp_backend ddp_timeout fsdp fsdp_config
    skip_memory_metrics resume_from_checkpoint`;
  expect(today.split(/\s+/).filter((name) => !known.has(name))).toEqual([]);
});

it.each([
  ["--sharded_ddp simple", "one process trains"],
  ["--no_cuda", "--no_cuda is not available: the device is the one that WebGPU gives"],
  ["--adafactor", "the optimiser is AdamW"],
  ["--group_by_length", "nothing to gain"],
  ["--do_predict", "nothing to predict"],
  ["--report_to wandb", "nothing is sent anywhere"],
  ["--bf16", "halves in f16"],
  ["--optim sgd", "--optim sgd is not available"],
  ["--save_strategy best", "kept by --load_best_model_at_end"],
  ["--warmup_ratio 1", "less than 1"],
  ["--warmup_steps 1.5", "whole number"],
  ["--save_steps 0", "a whole number of at least 1, or a fraction"],
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
