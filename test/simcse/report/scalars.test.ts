import { expect, it } from "vitest";
import { scalarsOf } from "../../../src/simcse/report/scalars.ts";

it("scalarsOf groups by train and eval, without what only says where", () => {
  expect(scalarsOf({ step: 5, epoch: 0.1, loss: 2, learning_rate: 1e-5 }, 9)).toEqual({
    wallTime: 9,
    step: 5,
    values: { "train/loss": 2, "train/learning_rate": 1e-5 },
  });
  expect(scalarsOf({ step: 5, epoch: 0.1, eval_stsb_spearman: 0.5 }, 9).values).toEqual({ "eval/stsb_spearman": 0.5 });
});
