/** Options that exclude each other, and the hints where they are at odds with the paper or with what is trained. */
import { describe, expect, it } from "vitest";
import { OptionError } from "../../../src/errors.ts";
import {
  checkArguments,
  type HintsOn,
  hints,
  type TrainingArguments,
  trainingDefaults,
} from "../../../src/simcse/training/training-arguments.ts";

const paper: TrainingArguments = { ...trainingDefaults, mlp_only_train: true };
const unsupervised: HintsOn = { columns: 1, fresh: false };

describe("hints", () => {
  it("are none where a run is the paper's", () => {
    expect(hints(paper, unsupervised)).toEqual([]);
    expect(hints({ ...trainingDefaults, no_duplicates: true }, { columns: 3, fresh: false })).toEqual([]);
  });

  it.each<[string, Partial<TrainingArguments>, Partial<HintsOn>, RegExp]>([
    ["sentences with the MLP kept", { mlp_only_train: false }, {}, /--mlp_only_train.*82\.5/],
    ["pairs without the MLP", { no_duplicates: true }, { columns: 2 }, /leave out --mlp_only_train/],
    ["a high temperature", { temp: 0.5 }, {}, /--temp 0\.5 .*0\.05/],
    ["a low temperature", { temp: 0.001 }, {}, /--temp 0\.001 .*0\.05/],
    ["another pooler", { pooler_type: "avg", mlp_only_train: false }, {}, /--pooler_type cls; avg has no MLP/],
    ["cls from fresh weights", {}, { fresh: true }, /from fresh weights cls collapses.*--pooler_type avg/],
    ["[CLS] from fresh weights", { pooler_type: "cls_before_pooler", mlp_only_train: false }, { fresh: true }, /collapses/],
    ["an MLP for training that is not there", { pooler_type: "avg" }, { fresh: true }, /--mlp_only_train does nothing/],
    ["a weight without hard negatives", { hard_negative_weight: 1 }, {}, /--hard_negative_weight does nothing/],
    ["smoothed labels", { label_smoothing_factor: 0.1 }, {}, /--label_smoothing_factor/],
    ["masked words beside pairs", { do_mlm: true, mlp_only_train: false, no_duplicates: true }, { columns: 2 }, /--do_mlm/],
    ["pairs that may repeat", { mlp_only_train: false }, { columns: 2 }, /--no_duplicates/],
    ["more of what should be less", { metric_for_best_model: "eval_uniformity" }, {}, /less uniformity is better/],
  ])("tell of %s", (_, changes, on, message) => {
    const found = hints({ ...paper, ...changes }, { ...unsupervised, ...on });
    expect(found).toEqual([expect.stringMatching(message)]);
  });

  it("do not send fresh weights back to cls", () => {
    expect(hints({ ...trainingDefaults, pooler_type: "avg" }, { columns: 1, fresh: true })).toEqual([]);
  });
});

describe("checkArguments", () => {
  it.each<[Partial<TrainingArguments>, RegExp]>([
    [{ gradient_cache_chunk: 2, gradient_accumulation_steps: 2 }, /exclude each other/],
    [{ do_mlm: true, mlm_probability: 0 }, /masks nothing/],
    [{ evaluation_strategy: "no", load_best_model_at_end: true }, /--evaluation_strategy no .*best model/],
    [{ evaluation_strategy: "no", early_stopping_patience: 1 }, /--evaluation_strategy no .*stop early/],
  ])("refuses %j", (changes, message) => {
    expect(() => checkArguments({ ...trainingDefaults, ...changes })).toThrow(message);
    expect(() => checkArguments({ ...trainingDefaults, ...changes })).toThrow(OptionError);
    expect(() => checkArguments(trainingDefaults)).not.toThrow();
  });
});
