/**
 * The model that is used if none is named: a small English one, made with this package. It is a package of its own, so that apps with their own
 * model do not install it.
 */
export const defaultModel = {
  name: "simcse-small-en",
  package: "simcse-webgpu-model",
  /** The files of its folder. */
  files: [
    "config.json",
    "model.int8.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "modules.json",
    "1_Pooling/config.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
  ],
} as const;
