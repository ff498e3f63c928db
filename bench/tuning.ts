/**
 * How long a training step takes to create on first use, with nothing remembered and all kernels compiled anew: with variants only checked, as
 * without a tuner, and with variants measured.
 */
import { SimCseModel } from "../src/simcse/model/model.ts";
import { TrainingStep } from "../src/simcse/training/step/training-step.ts";
import { Autotuner } from "../src/tuning/autotuner.ts";
import { openAdapter } from "../tools/setup/open-adapter.ts";
import type { BenchTable } from "./measure.ts";
import { type BenchModel, benchDtypes, benchModels, bertConfig, stepOptions } from "./models.ts";
import type { Bench } from "./open-bench.ts";

export async function tuningTable(bench: Bench): Promise<BenchTable> {
  const rows: string[][] = [];
  // A software adapter is trusted, so nothing is checked there.
  const ways = bench.device.capabilities.software ? [true] : [false, true];
  for (const model of benchModels(bench)) {
    for (const dtype of benchDtypes(bench)) {
      for (const measure of ways) rows.push([`${model.name}, ${dtype}`, ...(await firstUse(model, dtype === "f16", measure))]);
    }
  }
  return {
    head: ["a step's first use", "variants", "s", "pipelines", "submits", "of it"],
    rows,
    note: "A driver's own cache of compiled kernels may make it faster than it is on a new machine.",
  };
}

async function firstUse(model: BenchModel, halves: boolean, measure: boolean): Promise<string[]> {
  // A device of its own, which has compiled nothing yet.
  await using device = await openAdapter();
  const notes: string[] = [];
  const tuning = await Autotuner.open(device, { version: "bench", measure, check: true, onNote: (note) => notes.push(note) });
  using simcse = await SimCseModel.allocate(device, bertConfig(model), { training: true, mlp: true, halves, tuning });
  const { pipelines, submits } = device.counters;
  const start = performance.now();
  using _ = await TrainingStep.create(simcse, stepOptions(64));
  const seconds = (performance.now() - start) / 1000;
  const { counters } = device;
  return [
    measure ? "measured" : "checked",
    seconds.toFixed(1),
    String(counters.pipelines - pipelines),
    String(counters.submits - submits),
    notes.at(-1) ?? "",
  ];
}
