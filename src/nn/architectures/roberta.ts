/** RoBERTa (Liu et al. 2019): BERT with other sizes, positions that begin later, and its own names of the head for masked words. */
import type { Value } from "../../kernels/language/operation.ts";
import { LayerNorm } from "../layer-norm.ts";
import { Linear } from "../linear.ts";
import { Parameter } from "../parameters/parameter.ts";
import type { Architecture, MaskedHead, MaskedHeadKind } from "./architecture.ts";
import { type BertConfig, bert, bertToOnnx } from "./bert.ts";
import { isWhole } from "./config-rules.ts";
import { maskedLogits } from "./masked-logits.ts";

/** RoBERTa's head that predicts masked words. */
class RobertaHead implements MaskedHead {
  readonly bias: Parameter;
  readonly dense: Linear;
  readonly layer_norm: LayerNorm;

  constructor({ hidden_size, vocab_size, initializer_range, layer_norm_eps }: Omit<BertConfig, "type_vocab_size">) {
    this.bias = new Parameter([vocab_size], { constant: 0 });
    this.dense = new Linear(hidden_size, hidden_size, initializer_range);
    this.layer_norm = new LayerNorm(hidden_size, layer_norm_eps);
  }

  forward(hidden: Value, words: Parameter): Value {
    return maskedLogits({ dense: this.dense, norm: this.layer_norm, bias: this.bias }, hidden, words);
  }
}

/** The head in checkpoints; MPNet has it too. */
export const robertaHead: MaskedHeadKind<Omit<BertConfig, "type_vocab_size">> = {
  create: (config) => new RobertaHead(config),
  path: ["lm_head"],
  decoder: "lm_head.decoder.weight",
  byWord: ["lm_head.bias", "lm_head.decoder.bias"],
};

/** fairseq numbers positions from the one after the padding's, which takes the row of its own id. */
const firstPosition = ({ pad_token_id }: BertConfig): number => pad_token_id! + 1;

const rules: typeof bert.fields.rules = {
  ...bert.fields.rules,
  pad_token_id: {
    fits: (value, { vocab_size }) => isWhole(value, -1, Number(vocab_size) - 1),
    wanted: "the id of a token, below vocab_size, or -1: positions begin after it",
  },
};

export const roberta: Architecture<BertConfig> = {
  ...bert,
  className: "RobertaModel",
  encoder: "roberta",
  fields: { ...bert.fields, defaults: { ...bert.fields.defaults, pad_token_id: 1 }, rules },
  maskedHead: robertaHead,
  firstPosition,
  addToOnnx: (batch, config) => bertToOnnx(batch, config, { encoder: "roberta", firstPosition: firstPosition(config) }),
};

/** XLM-RoBERTa (Conneau et al. 2020): a RoBERTa of many languages, whose tokenizer is a Unigram model. */
export const xlmRoberta: Architecture<BertConfig> = { ...roberta, className: "XLMRobertaModel" };

/** CamemBERT (Martin et al. 2020): a French RoBERTa. */
export const camembert: Architecture<BertConfig> = { ...roberta, className: "CamembertModel" };
