/**
 * Options of Hugging Face's scripts that this command line does not need: those of the original (transformers 4.2.1, and SimCSE's own) and today's
 * (transformers 5). A command that runs there should run here, or say what to write instead.
 *
 * `ineffective` options ask for what happens anyway, or for something that no result depends on; they are accepted with a note. `fixed` options are accepted with
 * values that ask for what happens anyway, including their defaults there, and refused with the reason otherwise.
 */
import { Option } from "commander";
import { OptionError } from "../../src/errors.ts";
import { flagOrValue } from "../cli/options.ts";

const oneDevice = "one process trains, on the devices of --devices";
const asNeeded = "texts are tokenised as they are needed";
const log = "messages go to standard error, and log.jsonl has every entry";

const ineffective: Readonly<Record<string, string>> = {
  pad_to_max_length: "batches have no padding, so padding affects nothing",
  overwrite_cache: asNeeded,
  preprocessing_num_workers: asNeeded,
  dataloader_num_workers: asNeeded,
  dataloader_persistent_workers: asNeeded,
  dataloader_prefetch_factor: asNeeded,
  dataloader_multiprocessing_context: asNeeded,
  dataloader_in_order: asNeeded,
  dataloader_pin_memory: "inputs are written to the device as they are packed",
  remove_unused_columns: "--columns says what is used",
  length_column_name: "batches have no padding",
  use_fast_tokenizer: "there is one tokenizer",
  ignore_data_skip: "the order is a function of seed and step, so nothing has to be skipped",
  full_determinism: "a rerun gives the same bits anyway",
  per_device_eval_batch_size: "evaluation packs as many sentences as a batch of 4,096 tokens holds",
  per_gpu_eval_batch_size: "evaluation packs as many sentences as a batch of 4,096 tokens holds",
  prediction_loss_only: "evaluation gives correlations",
  eval_do_concat_batches: "evaluation gives correlations",
  use_legacy_prediction_loop: "evaluation gives correlations",
  eval_use_gather_object: oneDevice,
  average_tokens_across_devices: oneDevice,
  accelerator_config: oneDevice,
  fsdp_config: oneDevice,
  ddp_find_unused_parameters: oneDevice,
  ddp_bucket_cap_mb: oneDevice,
  ddp_broadcast_buffers: oneDevice,
  ddp_static_graph: oneDevice,
  ddp_backend: oneDevice,
  ddp_timeout: oneDevice,
  save_on_each_node: oneDevice,
  log_on_each_node: oneDevice,
  log_level: log,
  log_level_replica: log,
  logging_nan_inf_filter: log,
  skip_memory_metrics: "memory is planned before the run: --print_plan",
  torch_empty_cache_steps: "a step allocates nothing",
};

/** Values that ask for nothing. */
const off = ["false", "no", "0", "none", "null", ""];

interface Fixed {
  /** Values that ask for what happens anyway, in lower case. */
  readonly taken: readonly string[];
  readonly reason: string;
  readonly remedy: string;
}

const leaveOut = "Leave the option out.";

const fixed = (reason: string, remedy = leaveOut, taken: readonly string[] = []): Fixed => ({ taken: [...off, ...taken], reason, remedy });

const deviceGiven = fixed("the device is the one that WebGPU gives", "Choose it by name with --adapter, or several with --devices.");
const memory = fixed(oneDevice, "Save memory with --fp16, --gradient_checkpointing or --gradient_cache_chunk.");
const halves = fixed("WebGPU has halves in f16", "Give --fp16.");
const fullEvaluation = fixed("evaluation during training uses f32, as in the original");
// In place of a token, transformers writes its option's name.
const hub = fixed("nothing is uploaded", "Upload the output folder with `hf upload`.", [
  "every_save",
  "<hub_token>",
  "<push_to_hub_token>",
]);
const torch = fixed("PyTorch does not run here: kernels are compiled and tuned anyway (--autotune)");
const adamW = fixed("the optimiser is AdamW");
const trackio = fixed("nothing is sent to Trackio", "TensorBoard reads runs in the output folder.", ["huggingface"]);

const fixedOptions: Readonly<Record<string, Fixed>> = {
  local_rank: fixed(oneDevice, leaveOut, ["-1"]),
  sharded_ddp: memory,
  deepspeed: memory,
  fsdp: memory,
  fsdp_min_num_params: memory,
  fsdp_transformer_layer_cls_to_wrap: memory,
  model_parallel: memory,
  mp_parameters: memory,
  parallelism_config: memory,
  tpu_num_cores: deviceGiven,
  tpu_metrics_debug: deviceGiven,
  no_cuda: deviceGiven,
  use_cpu: deviceGiven,
  use_mps_device: deviceGiven,
  use_ipex: deviceGiven,
  fp16_opt_level: fixed("Apex is not used", "Give only --fp16.", ["o1"]),
  fp16_backend: fixed("there is only one mixed-precision mode", "Give only --fp16.", ["auto", "amp"]),
  half_precision_backend: fixed("there is only one mixed-precision mode", "Give only --fp16.", ["auto", "amp", "cuda_amp", "cpu_amp"]),
  bf16: halves,
  tf32: halves,
  bf16_full_eval: fullEvaluation,
  fp16_full_eval: fullEvaluation,
  adafactor: adamW,
  optim: fixed("the optimiser is AdamW", leaveOut, ["adamw", "adamw_hf", "adamw_torch", "adamw_torch_fused"]),
  optim_args: adamW,
  optim_target_modules: adamW,
  lr_scheduler_kwargs: fixed("the schedules of --lr_scheduler_type have no further arguments", leaveOut, ["{}"]),
  group_by_length: fixed("batches have no padding, so there is nothing to gain"),
  train_sampling_strategy: fixed("each epoch has a random order", leaveOut, ["random"]),
  data_seed: fixed("--seed also decides the order"),
  do_predict: fixed("there is nothing to predict", "Make vectors with `simcse encode`."),
  validation_file: fixed("the original takes STS-B and SICK-R from --data_dir", "Give --do_eval with --data_dir."),
  test_file: fixed("the original takes STS-B and SICK-R from --data_dir", "Give --do_eval with --data_dir."),
  validation_split_percentage: fixed("--eval_split holds out a part of the training file", "Give --eval_split, such as 0.05.", ["5"]),
  model_type: fixed("the model's config.json states it", "Give a model, or a folder with config.json, with --model_name_or_path."),
  use_auth_token: fixed("the variable HF_TOKEN opens private models", "Set HF_TOKEN, and leave the option out."),
  trust_remote_code: fixed("no code of a model is run"),
  past_index: fixed("the model has no memory of past batches", leaveOut, ["-1"]),
  label_names: fixed("--columns says what the columns are", "Give --columns.", ["[]"]),
  eval_accumulation_steps: fixed("embeddings are small, so nothing is accumulated"),
  eval_delay: fixed("evaluation begins after the first --eval_steps"),
  batch_eval_metrics: fixed("a correlation needs all pairs at once"),
  include_for_metrics: fixed("evaluation gives correlations", leaveOut, ["[]"]),
  include_inputs_for_metrics: fixed("evaluation gives correlations"),
  include_num_input_tokens_seen: fixed("tokens are not counted"),
  include_tokens_per_second: fixed("tokens are not counted"),
  ray_scope: fixed("there is no search for hyper-parameters", leaveOut, ["last"]),
  report_to: fixed("log.jsonl, TensorBoard's files and report.html are written, and nothing is sent anywhere", leaveOut, [
    "all",
    "tensorboard",
    "[]",
  ]),
  project: trackio,
  trackio_space_id: trackio,
  trackio_bucket_id: trackio,
  trackio_static_space_id: trackio,
  push_to_hub: hub,
  push_to_hub_model_id: hub,
  push_to_hub_organization: hub,
  push_to_hub_token: hub,
  hub_model_id: hub,
  hub_strategy: hub,
  hub_token: hub,
  hub_private_repo: hub,
  hub_always_push: hub,
  hub_revision: hub,
  logging_strategy: fixed("steps between log lines are counted", "Give --logging_steps.", ["steps"]),
  save_safetensors: { taken: ["true", "1", "yes"], reason: "weights are saved as safetensors", remedy: leaveOut },
  save_only_model: fixed("a checkpoint holds everything needed to resume", "Keep fewer with --save_total_limit."),
  restore_callback_states_from_checkpoint: fixed("a run resumes exactly, including its counters"),
  enable_jit_checkpoint: fixed("SIGTERM saves anyway"),
  activation_checkpointing: fixed("this option has its older name here", "Give --gradient_checkpointing."),
  activation_checkpointing_kwargs: fixed("there is only one way to recompute layers", "Give only --gradient_checkpointing."),
  gradient_checkpointing_kwargs: fixed("there is only one way to recompute layers", "Give only --gradient_checkpointing."),
  torch_compile: torch,
  torch_compile_backend: torch,
  torch_compile_mode: torch,
  torchdynamo: torch,
  jit_mode_eval: torch,
  use_liger_kernel: torch,
  liger_kernel_config: torch,
  use_cache: fixed("an encoder has no cache"),
  neftune_noise_alpha: fixed("dropout is the only noise, as in the paper"),
  auto_find_batch_size: fixed(
    "memory is known before the run",
    "Look at --print_plan, and choose --per_device_train_batch_size or --gradient_cache_chunk.",
  ),
};

/** Refused unless the value asks for what happens anyway; without a value it means true. */
function fixedOption([name, { taken, reason, remedy }]: [string, Fixed]): Option {
  return new Option(`--${name} [values...]`, reason)
    .preset("true")
    .argParser((text: string) => {
      if (taken.includes(text.toLowerCase())) return text;
      throw new OptionError(`--${name}${text === "true" ? "" : ` ${text}`} is not available: ${reason}.`, remedy);
    })
    .hideHelp();
}

/** All of these options, hidden in the help. */
export const foreignOptions: readonly Option[] = [
  ...Object.entries(fixedOptions).map(fixedOption),
  ...Object.entries(ineffective).map(([name, reason]) => flagOrValue(`--${name} [value]`, reason).hideHelp()),
];

/** The given options without effect (except those set to false), each with the reason. */
export function ineffectiveNotes(given: object): string[] {
  return Object.entries(ineffective)
    .filter(([name]) => (given as Readonly<Record<string, unknown>>)[name] ?? false)
    .map(([name, reason]) => `--${name}: ${reason}`);
}
