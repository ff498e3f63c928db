/** What tuning takes on first use: a training step's kernels measured with nothing remembered, and compiled anew. */

import { infoNce } from "../src/simcse/losses/infonce.ts";
import { SimCseModel } from "../src/simcse/model/model.ts";
import { TrainingStep } from "../src/simcse/training/training-step.ts";
import { Autotuner } from "../src/tuning/autotuner.ts";
import { openAdapter } from "../tools/setup/open-adapter.ts";
import type { BenchTable } from "./measure.ts";
import { benchModels, bertConfig } from "./models.ts";
import type { Bench } from "./open-bench.ts";

const options = { batchSize: 64, maxLength: 32, pooler: "cls", loss: infoNce({ temperature: 0.05 }), seed: 42 } as const;

export async function tuningTable(bench: Bench): Promise<BenchTable> {
  const rows: string[][] = [];
  const hasHalves = bench.device.capabilities.features.has("shader-f16") && !bench.device.capabilities.software;
  for (const model of benchModels(bench)) {
    for (const halves of hasHalves ? [false, true] : [false]) {
      // A device of its own, which has compiled nothing yet.
      await using device = await openAdapter();
      const notes: string[] = [];
      const tuning = await Autotuner.open(device, { version: "bench", measure: true, check: true, onNote: (note) => notes.push(note) });
      using simcse = await SimCseModel.allocate(device, bertConfig(model), { training: true, mlp: true, halves, tuning });
      const { pipelines, submits } = device.counters;
      const start = performance.now();
      using _ = await TrainingStep.create(simcse, options);
      const seconds = (performance.now() - start) / 1000;
      rows.push([
        `${model.name}, ${halves ? "f16" : "f32"}`,
        seconds.toFixed(1),
        String(device.counters.pipelines - pipelines),
        String(device.counters.submits - submits),
        notes.join("; "),
      ]);
    }
  }
  return {
    head: ["a step's first use, with tuning", "s", "pipelines", "submits", "of it"],
    rows,
    note: "A driver's own cache of compiled kernels may make it faster than it is on a new machine.",
  };
}
