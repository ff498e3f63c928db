/**
 * The form of a training step that its options ask for: the whole batch at once, several batches per update with accumulated gradients, or
 * one batch embedded in chunks. The last two can be shared by several devices.
 */
import type { Tape } from "../../../autograd/tape.ts";
import { OptionError } from "../../../errors.ts";
import { accumulatedStep } from "./accumulated-step.ts";
import { chunkedStep } from "./chunked-step.ts";
import type { StepPrograms } from "./step-programs.ts";
import type { Recorded, TrainingStepOptions } from "./step-recording.ts";
import { wholeStep } from "./whole-step.ts";

/** The programs of a step, in the form that the options ask for. */
export function stepPrograms(recorded: Recorded, options: TrainingStepOptions): StepPrograms {
  return withHalves(recorded, chooseForm(recorded, options));
}

/**
 * Begins a step by converting the parameters to their f16 copies if they were written from outside: before the first step, or after
 * weights were restored. Otherwise the optimizer has written the copies.
 */
function withHalves({ layout }: Recorded, step: StepPrograms): StepPrograms {
  if (!layout.hasCopies) return step;
  const halves = (tape: Tape) => {
    layout.updateHalves(tape);
    return {};
  };
  return {
    ...step,
    records: { ...step.records, halves },
    *sequence(device, examples, place, share) {
      if (layout.halvesAreStale) yield { program: "halves" };
      layout.halvesAreStale = false;
      yield* step.sequence(device, examples, place, share);
    },
  };
}

function chooseForm(recorded: Recorded, options: TrainingStepOptions): StepPrograms {
  const { loss, batchSize, cacheChunk, accumulation = 1, devices = 1 } = options;
  if (cacheChunk !== undefined && loss === null) {
    throw new OptionError(
      "Only a loss of embeddings is computed in chunks (GradCache); masked language modelling alone is not.",
      "Use gradient accumulation, or a smaller batch.",
    );
  }
  if (accumulation > 1) return accumulatedStep(recorded, options, accumulation);
  if (cacheChunk === undefined && devices === 1) return wholeStep(recorded, options);
  return chunkedStep(recorded, options, Math.min(cacheChunk ?? batchSize, Math.ceil(batchSize / devices)));
}
