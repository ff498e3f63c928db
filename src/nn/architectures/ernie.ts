/** ERNIE 1.0 to 3.0 (Sun et al. 2019, 2021): a BERT, with a table of types of tasks among its embeddings if `use_task_id` says so. */
import type { Architecture } from "./architecture.ts";
import { Bert, type BertConfig, bert, bertToOnnx } from "./bert.ts";
import { size } from "./config-rules.ts";

interface ErnieConfig extends BertConfig {
  readonly use_task_id: boolean;
  readonly task_type_vocab_size: number;
}

export const ernie: Architecture<ErnieConfig> = {
  ...bert,
  className: "ErnieModel",
  encoder: "ernie",
  fields: {
    ...bert.fields,
    defaults: { ...bert.fields.defaults, use_task_id: false, task_type_vocab_size: 3 },
    rules: {
      ...bert.fields.rules,
      use_task_id: { fits: (value) => typeof value === "boolean", wanted: "true or false" },
      task_type_vocab_size: size(2 ** 16),
    },
  },
  // As in transformers, every text has the first task.
  create: (config, loraOf) => new Bert(config, loraOf, config.use_task_id ? { taskTypes: config.task_type_vocab_size } : {}),
  addToOnnx: (batch, config) => bertToOnnx(batch, config, { encoder: "ernie", firstPosition: 0, hasTasks: config.use_task_id }),
};
