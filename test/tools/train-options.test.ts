/** What `simcse train` makes of its options where one follows from another. */
import { expect, it } from "vitest";
import { OptionError } from "../../src/errors.ts";
import { type TrainOptions, trainingArguments } from "../../tools/train-options.ts";

const args = (given: Partial<TrainOptions>) =>
  trainingArguments({ model_name_or_path: "m", train_file: "t", output_dir: "o", data_dir: "d", ...given });

it("evaluates where anything asks for it, as often as it logs where nothing says how often", () => {
  expect(args({}).eval_steps).toBe(0);
  expect(args({ evaluation_strategy: "no" }).eval_steps).toBe(0);
  for (const asked of [{ do_eval: true }, { eval_transfer: true }, { load_best_model_at_end: true }, { early_stopping_patience: 2 }]) {
    expect(args({ ...asked, logging_steps: 7 }).eval_steps).toBe(7);
  }
  expect(args({ eval_steps: 125 }).eval_steps).toBe(125);
  expect(args({ evaluation_strategy: "epoch", eval_steps: 125 }).eval_steps).toBe(0);
  expect(() => args({ do_eval: true, evaluation_strategy: "no" })).toThrow(OptionError);
});

it("saves every 500 steps, or where the best model is kept only when told to", () => {
  expect(args({}).save_steps).toBe(500);
  expect(args({ load_best_model_at_end: true }).save_steps).toBe(0);
  expect(args({ load_best_model_at_end: true, save_steps: 50 }).save_steps).toBe(50);
});
