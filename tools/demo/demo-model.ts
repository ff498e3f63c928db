/**
 * The demo's model and how it is trained, the same in Node and in the browser page: a BERT of two layers from scratch, on the corpus of this
 * folder, with a vocabulary learned from it.
 */

import { learnVocabulary } from "../../src/io/tokenizer/vocabulary.ts";
import { wordPieceTokenizer } from "../../src/io/tokenizer.ts";
import { parseBertConfig } from "../../src/nn/architectures/bert-config.ts";
import { type TrainingArguments, trainingDefaults } from "../../src/simcse/training/trainer.ts";
import { heldOutPairs, trainingSentences } from "./corpus.ts";

const vocabularySize = 2000;

export const demoArguments: TrainingArguments = {
  ...trainingDefaults,
  max_steps: 60,
  per_device_train_batch_size: 64,
  learning_rate: 3e-3,
  pooler_type: "avg",
  logging_steps: 10,
  eval_steps: 20,
  temp: 0.1,
  metric_for_best_model: "demo_spearman",
};

/** Everything the demo trains on and with. */
export function demoSetup() {
  const sentences = trainingSentences();
  const vocabulary = learnVocabulary(sentences, vocabularySize);
  const config = parseBertConfig("the demo's model", {
    vocab_size: vocabulary.length,
    hidden_size: 128,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    intermediate_size: 512,
    max_position_embeddings: 64,
  });
  return { sentences, pairs: heldOutPairs(), tokenizer: wordPieceTokenizer(vocabulary, { lowerCase: true }), config, args: demoArguments };
}
