/**
 * Settings of a sentence-transformers folder that change its vectors and that this package does not apply. They are refused by name, as a
 * model would otherwise give other vectors than in Python.
 */
import { FormatError } from "../../errors.ts";
import { isJsonObject } from "../../io/formats/json.ts";
import { show } from "../../show.ts";

type Settings = Readonly<Record<string, unknown>>;

/** Whether a setting's value changes no vector. */
type Harmless = (value: unknown) => boolean;

const only =
  (...values: readonly unknown[]): Harmless =>
  (value) =>
    values.includes(value);

/** An object with no other keys than these. */
const onlyKeys =
  (...keys: readonly string[]): Harmless =>
  (value) =>
    isJsonObject(value) && Object.entries(value).every(([key, found]) => keys.includes(key) || found === null);

/** Where and how files are loaded. */
const LOADING = ["trust_remote_code", "revision", "token", "cache_dir", "local_files_only", "subfolder"];

/** Arguments of the model, the tokenizer and the config, under their newer and older names. */
const modelArguments = onlyKeys(
  ...LOADING,
  ...["torch_dtype", "dtype", "attn_implementation", "device_map", "low_cpu_mem_usage", "use_safetensors", "add_pooling_layer"],
  ...["backend", "provider", "file_name", "export", "unpad_inputs", "use_memory_efficient_attention"],
);
const tokenizerArguments = onlyKeys(
  ...LOADING,
  "model_max_length",
  "max_length",
  "use_fast",
  "padding_side",
  "clean_up_tokenization_spaces",
);
const configArguments = onlyKeys(...LOADING, "use_cache", "output_hidden_states", "output_attentions", "return_dict");

/** The fields of `sentence_bert_config.json`. */
const TRANSFORMER_SETTINGS: Readonly<Record<string, Harmless>> = {
  transformer_task: only("feature-extraction"),
  module_output_name: only("token_embeddings"),
  modality_config: (value) =>
    isJsonObject(value) && (!isJsonObject(value.text) || (value.text.method_output_name ?? LAST_LAYER) === LAST_LAYER),
  processing_kwargs: (value) => isJsonObject(value) && Object.values(value).every(onlyKeys("padding", "pad_to_multiple_of", "truncation")),
  // Another length for queries or documents, queries filled up with masks, and another folder's tokenizer.
  query_length: only(),
  document_length: only(),
  query_expansion: only(),
  tokenizer_name_or_path: only(),
  model_kwargs: modelArguments,
  model_args: modelArguments,
  processor_kwargs: tokenizerArguments,
  tokenizer_args: tokenizerArguments,
  config_kwargs: configArguments,
  config_args: configArguments,
};

const LAST_LAYER = "last_hidden_state";

/** Throws FormatError, naming the setting, for one that changes the vectors. `path` names the file in messages. */
export function checkTransformerSettings(path: string, settings: Settings): void {
  for (const [name, isHarmless] of Object.entries(TRANSFORMER_SETTINGS)) {
    const value = settings[name] ?? null;
    if (value === null || isHarmless(value)) continue;
    throw new FormatError(
      `${path}: ${name} is ${show(value)}, which changes the vectors and is not supported`,
      "Save the model with these settings in its own files (config.json, tokenizer_config.json) and without the field, or remove the field.",
    );
  }
}
