/**
 * The page's toy model and how it is trained, the same in Node and in the browser: a BERT of two layers from scratch, on the corpus of this
 * folder, with a vocabulary learned from it.
 */

import { learnVocabulary } from "../../../src/io/tokenizer/vocabulary.ts";
import { wordPieceTokenizer } from "../../../src/io/tokenizer.ts";
import { parseConfig } from "../../../src/nn/architectures/architectures.ts";
import { type TrainingSettings, trainingDefaults } from "../../../src/simcse/training/training-options.ts";
import { heldOutPairs, trainingSentences } from "./corpus.ts";

const vocabularySize = 2000;

export const toySettings: TrainingSettings = {
  ...trainingDefaults,
  maxSteps: 60,
  batchSize: 64,
  learningRate: 3e-3,
  pooler: "avg",
  loggingSteps: 10,
  evalSteps: 20,
  temperature: 0.1,
  metric: "demo_spearman",
};

/** The data, model and settings of the toy model's training. */
export function toySetup() {
  const sentences = trainingSentences();
  const vocabulary = learnVocabulary(sentences, vocabularySize);
  const config = parseConfig("the toy model", {
    vocab_size: vocabulary.length,
    hidden_size: 128,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    intermediate_size: 512,
    max_position_embeddings: 64,
  });
  return {
    sentences,
    pairs: heldOutPairs(),
    tokenizer: wordPieceTokenizer(vocabulary, { lowerCase: true }),
    config,
    settings: toySettings,
  };
}
