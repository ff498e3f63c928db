/** A training step on a whole batch at once: one program. */
import { adamWStep } from "../../../nn/adamw.ts";
import { stepPacker } from "./step-packer.ts";
import type { StepPrograms } from "./step-programs.ts";
import { type Recorded, recordLosses, recordMetrics, type TrainingStepOptions } from "./step-recording.ts";

export function wholeStep(recorded: Recorded, options: TrainingStepOptions): StepPrograms {
  const packer = stepPacker(recorded, options);
  return {
    tensors: [],
    gathered: [],
    added: [],
    completing: "step",
    records: {
      step(tape) {
        const losses = recordLosses(tape, recorded, options);
        recordMetrics(losses, adamWStep(tape, losses.loss, recorded.layout, options.optimizer), recorded);
        return { loss: losses.loss };
      },
    },
    *sequence(_, examples, { update, learningRate }) {
      const input = { ...packer.packBatch(examples, 0, update), scalars: { learningRate }, seed: options.seed, step: update };
      yield { program: "step", input };
    },
  };
}
