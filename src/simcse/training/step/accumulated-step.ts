/**
 * Accumulation as in the original: each batch has its own loss, and the update uses the mean of their gradients. Several devices share the
 * batches.
 */
import { gradient } from "../../../autograd/gradient.ts";
import { addInto } from "../../../kernels/optimizer/accumulate.ts";
import { scale } from "../../../kernels/pointwise/operation.ts";
import { adamWDefaults, adamWUpdate } from "../../../nn/adamw.ts";
import { ArenaTensor } from "../../../nn/parameters/arena-tensor.ts";
import { stepPacker } from "./step-packer.ts";
import { dealt, type StepPrograms } from "./step-programs.ts";
import {
  clearSums,
  gradientsOf,
  hasTwoLosses,
  type Losses,
  type Recorded,
  recordLosses,
  recordMetrics,
  type TrainingStepOptions,
} from "./step-recording.ts";

export function accumulatedStep(recorded: Recorded, options: TrainingStepOptions, batches: number): StepPrograms {
  const { layout } = recorded;
  const { batchSize, seed, optimizer = adamWDefaults } = options;
  const packer = stepPacker(recorded, options);
  const sums = ["loss", ...(hasTwoLosses(options) ? ["mlmLoss"] : [])].map((name) => new ArenaTensor(`sum of ${name}`, "f32", [1]));
  return {
    tensors: sums,
    gathered: [],
    added: [...gradientsOf(recorded), ...sums],
    completing: "batch",
    records: {
      batch(tape) {
        const { loss, mlmLoss } = recordLosses(tape, recorded, options);
        const share = scale(loss, 1 / batches);
        addInto(share, sums[0]!);
        if (mlmLoss) addInto(scale(mlmLoss, 1 / batches), sums[1]!);
        gradient(tape, share, layout.trained, { scaledBy: layout.keepsHalves ? layout.optimizer : null, accumulate: true });
        return { loss: share };
      },
      update(tape) {
        const [loss, mlmLoss] = sums.map((sum) => tape.use(sum));
        recordMetrics({ loss: loss!, ...(mlmLoss && { mlmLoss }) } satisfies Losses, adamWUpdate(tape, layout, optimizer), recorded);
        return {};
      },
    },
    *sequence(device, examples, { update, learningRate }, share) {
      clearSums(device, recorded, sums);
      const own = dealt(Math.ceil(examples.length / batchSize), share);
      for (const index of own) {
        const first = index * batchSize;
        const batch = packer.packBatch(examples.slice(first, first + batchSize), first, update);
        yield { program: "batch", input: { ...batch, seed, step: update }, completes: index === own.at(-1) };
      }
      yield "add";
      yield { program: "update", input: { scalars: { learningRate }, seed, step: update } };
    },
  };
}
