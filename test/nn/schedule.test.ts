import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { linear, type SchedulerType, schedulerTypes, schedules } from "../../src/nn/schedule.ts";

interface Golden {
  readonly name: SchedulerType;
  readonly total: number;
  readonly warmup: number;
  readonly peak: number;
  readonly values: readonly (readonly [step: number, multiple: number])[];
}

const goldens = JSON.parse(readFileSync(new URL("../golden/schedules.json", import.meta.url), "utf8")) as Golden[];

describe("a schedule is that of transformers", () => {
  it.each(goldens)("$name, $total steps of which $warmup warm up", ({ name, total, warmup, peak, values }) => {
    for (const [step, expected] of values) {
      // Both sides are float64 and differ by a few roundings.
      expect(schedules[name](step, total, warmup, peak), `step ${step}`).toBeCloseTo(expected, 14);
    }
  });

  it("by every name, and without warm-up where none is given", () => {
    expect([...new Set(goldens.map(({ name }) => name))]).toEqual(schedulerTypes);
    expect([0, 5, 10, 11].map((step) => linear(step, 10))).toEqual([1, 0.5, 0, 0]);
  });
});
