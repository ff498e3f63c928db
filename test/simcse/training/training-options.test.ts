/** Impossible or contradictory settings are refused by name. */
import { describe, expect, it } from "vitest";
import { OptionError } from "../../../src/errors.ts";
import { parseConfig } from "../../../src/nn/architectures/architectures.ts";
import { hasEqualViews } from "../../../src/simcse/training/prepare-model.ts";
import { stepOptions } from "../../../src/simcse/training/trainer.ts";
import { checkSettings, type TrainingSettings, trainingDefaults } from "../../../src/simcse/training/training-options.ts";
import { tinyConfig } from "../../tiny-model.ts";

describe("checkSettings", () => {
  it("takes the defaults", () => {
    expect(() => checkSettings(trainingDefaults)).not.toThrow();
    expect(() => checkSettings({ ...trainingDefaults, metric: "uniformity", greaterIsBetter: false })).not.toThrow();
  });

  it.each<[object, RegExp]>([
    [{ gradientCacheChunk: 2, gradientAccumulationSteps: 2 }, /`gradientCacheChunk` and `gradientAccumulationSteps` exclude each other/],
    [{ evaluationStrategy: "no", keepBest: true }, /`evaluationStrategy` no .*best model/],
    [{ evaluationStrategy: "no", earlyStoppingPatience: 1 }, /`evaluationStrategy` no .*stop early/],
    [{ evaluationStrategy: "steps", keepBest: true }, /`evaluationStrategy` steps with `evalSteps` 0 .*best model/],
    [{ learningRate: Number.NaN }, /`learningRate` must be a number greater than 0, but is NaN/],
    [{ learningRate: "fast" }, /`learningRate` .* but is "fast"/],
    [{ batchSize: 2.5 }, /`batchSize` must be a whole number of at least 1, but is 2.5/],
    [{ epochs: 0 }, /`epochs`/],
    [{ pooler: "max" }, /`pooler` must be one of cls, /],
    [{ loss: "toString" }, /`loss` must be one of infonce/],
    [{ fp16: 1 }, /`fp16` must be true or false/],
    [{ metric: "eval_uniformity" }, /Of the `metric` eval_uniformity less is better/],
    [{ metric: "faq_accuracy_threshold" }, /faq_accuracy_threshold is a threshold/],
    [{ learning_rate: 1 }, /train has no option "learning_rate"/],
  ])("refuses %j", (changes, message) => {
    expect(() => checkSettings({ ...trainingDefaults, ...changes } as TrainingSettings)).toThrow(message);
    expect(() => checkSettings({ ...trainingDefaults, ...changes } as TrainingSettings)).toThrow(OptionError);
  });
});

it("the vectors of a sentence that is its own pair are equal without dropout", () => {
  const { json } = tinyConfig();
  const without = { hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 };
  const equal = (set: object, settings: object, config: object) =>
    hasEqualViews(
      { columns: 1, views: 2, target: null, ...set },
      { ...trainingDefaults, ...settings },
      parseConfig("config.json", { ...json, ...config }),
    );
  expect(equal({}, {}, without)).toBe(true);
  expect(equal({}, { dropout: 0 }, {})).toBe(true);
  expect(equal({}, {}, { hidden_dropout_prob: 0 })).toBe(false);
  for (const settings of [{ dropout: 0.1 }, { loraRank: 8, loraDropout: 0.1 }]) expect(equal({}, settings, without)).toBe(false);
  for (const set of [{ columns: 2 }, { target: "vector" }, { views: 1 }]) expect(equal(set, {}, without)).toBe(false);
});

it("a step that masks nothing is refused before anything is compiled, in train and in pretrain", () => {
  const stepOf = (views: 1 | 2, mlm: boolean, mlmProbability: number) =>
    stepOptions(
      { length: 8, views, target: null },
      { ...trainingDefaults, batchSize: 4, mlm, mlmProbability },
      { tokenizer: tinyConfig().tokenizer, dimension: 32 },
    ).mlm?.probability;
  expect(() => stepOf(2, true, 0)).toThrow("`mlmProbability` 0 masks nothing");
  expect(() => stepOf(1, false, 0)).toThrow("`mlmProbability` 0 masks nothing");
  expect([stepOf(2, true, 0.2), stepOf(2, false, 0)]).toEqual([0.2, undefined]);
});
