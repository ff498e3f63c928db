/** The hints about options that contradict the paper, the model or the training data. */
import { describe, expect, it } from "vitest";
import { type TrainingSettings, trainingDefaults } from "../../../src/simcse/training/training-options.ts";
import { type HintsOn, hints } from "../../../tools/training/train-hints.ts";

const paper: TrainingSettings = { ...trainingDefaults, mlpOnlyTrain: true };
const unsupervised: HintsOn = {
  columns: 1,
  fresh: false,
  modelPooler: null,
  prompts: [],
  equalViews: false,
  repeats: false,
  batches: null,
};

describe("hints", () => {
  it("are none where a run is the paper's", () => {
    expect(hints(paper, unsupervised)).toEqual([]);
    expect(
      hints({ ...trainingDefaults, noDuplicates: true }, { ...unsupervised, columns: 3, repeats: true, batches: { all: 9, ofOne: 1 } }),
    ).toEqual([]);
  });

  it("are none where a model is trained as it embeds", () => {
    expect(hints({ ...trainingDefaults, pooler: "avg" }, { ...unsupervised, columns: 2, modelPooler: "avg" })).toEqual([]);
  });

  it.each<[string, Partial<TrainingSettings>, Partial<HintsOn>, RegExp]>([
    ["sentences with the MLP kept", { mlpOnlyTrain: false }, {}, /--mlp_only_train.*82\.5/],
    ["pairs without the MLP", {}, { columns: 2 }, /leave out --mlp_only_train/],
    ["a high temperature", { temperature: 0.5 }, {}, /--temp 0\.5 .*0\.05/],
    ["a low temperature", { temperature: 0.001 }, {}, /--temp 0\.001 .*0\.05/],
    ["another pooler", { pooler: "avg", mlpOnlyTrain: false }, {}, /--pooler_type cls; avg has no MLP/],
    ["a pooler other than the model's", { pooler: "cls", mlpOnlyTrain: false }, { modelPooler: "avg" }, /the model embeds with avg/],
    ["cls from fresh weights", {}, { fresh: true }, /from fresh weights cls collapses.*--pooler_type avg/],
    ["[CLS] from fresh weights", { pooler: "cls_before_pooler", mlpOnlyTrain: false }, { fresh: true }, /collapses/],
    ["an MLP for training that is not there", { pooler: "avg" }, { fresh: true }, /--mlp_only_train does nothing/],
    ["a weight without hard negatives", { hardNegativeWeight: 1 }, {}, /--hard_negative_weight does nothing/],
    ["prompts that training texts lack", {}, { prompts: ["query: ", "passage: "] }, /"query: " or "passage: " before texts/],
    ["smoothed labels", { labelSmoothing: 0.1 }, {}, /--label_smoothing_factor/],
    ["a model without dropout", {}, { equalViews: true }, /without dropout .*--dropout 0\.1/],
    ["masked words beside pairs", { mlm: true, mlpOnlyTrain: false }, { columns: 2 }, /--do_mlm/],
    ["pairs that repeat", { mlpOnlyTrain: false }, { columns: 2, repeats: true }, /--no_duplicates/],
    [
      "batches without contrast",
      { noDuplicates: true, mlpOnlyTrain: false },
      { columns: 2, repeats: true, batches: { all: 20, ofOne: 9 } },
      /^9 of 20 batches have one example .*--dataloader_drop_last/,
    ],
  ])("tell of %s", (_, changes, on, message) => {
    const found = hints({ ...paper, ...changes }, { ...unsupervised, ...on });
    expect(found).toEqual([expect.stringMatching(message)]);
  });

  it("do not send fresh weights back to cls", () => {
    expect(hints({ ...trainingDefaults, pooler: "avg" }, { ...unsupervised, fresh: true })).toEqual([]);
  });
});
