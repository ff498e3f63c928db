/**
 * GradCache (Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup"): the exact loss and gradients of a
 * large batch, with the memory of a small one; and the form in which several devices share a batch.
 *
 * `chunk` embeds a chunk of the batch up to its pause. `loss` computes the loss over all embeddings, and its gradient with respect to them.
 * The rest of `chunk` propagates the gradient of its embeddings to the parameters. Only the chunk embedded last still has its activations,
 * so the others are embedded again, with the same dropout masks. For masked language modelling, each chunk adds its part of the mean over
 * the whole batch's masked tokens. `update` is AdamW's step.
 */
import { gradient } from "../../../autograd/gradient.ts";
import type { StepInput } from "../../../autograd/step-input.ts";
import type { Tape } from "../../../autograd/tape.ts";
import { addInto } from "../../../kernels/optimizer/accumulate.ts";
import { scale } from "../../../kernels/pointwise/operation.ts";
import { readRows, writeRows } from "../../../kernels/row-window.ts";
import { adamWDefaults, adamWUpdate } from "../../../nn/adamw.ts";
import { ArenaTensor } from "../../../nn/parameters/arena-tensor.ts";
import { declareBatch } from "../../model/batch.ts";
import { maskedTokens, stepPacker } from "./step-packer.ts";
import { dealt, type StepPrograms } from "./step-programs.ts";
import {
  batchCapacity,
  clearSums,
  gradientsOf,
  type Losses,
  lossInputs,
  type Recorded,
  recordEmbeddings,
  recordLoss,
  recordMasked,
  recordMetrics,
  sumOfLosses,
  type TrainingStepOptions,
  trainsEmbeddings,
  viewsOf,
} from "./step-recording.ts";

export function chunkedStep(recorded: Recorded, options: TrainingStepOptions, chunk: number): StepPrograms {
  const { config, layout } = recorded;
  const { batchSize, seed, mlm, loss: batchLoss, optimizer = adamWDefaults } = options;
  const views = viewsOf(options);
  const capacity = batchCapacity(config, options, chunk);
  const packer = stepPacker(recorded, options, chunk);
  const shape = [views * batchSize, config.hidden_size];
  const embeddings = new ArenaTensor("embeddings", "f32", shape, new ArenaTensor("gradient of embeddings", "f32", shape));
  const lossSum = new ArenaTensor("loss", "f32", [1]);
  const mlmSum = new ArenaTensor("sum of mlmLoss", "f32", [1]);
  const sums = [...(batchLoss ? [lossSum] : []), ...(mlm ? [mlmSum] : [])];
  const scaledBy = layout.keepsHalves ? layout.optimizer : null;
  const backward = (tape: Tape) => {
    const batch = declareBatch(tape, capacity, { indices: trainsEmbeddings(recorded) });
    const own = recordEmbeddings(recorded, options, batch);
    const first = tape.scalar("first");
    writeRows(own, embeddings, first);
    tape.pause();
    gradient(tape, own, layout.trained, { seed: readRows(tape, embeddings.gradient!, first, own.shape[0]!), accumulate: true });
  };
  return {
    tensors: [...(batchLoss ? [embeddings, embeddings.gradient!] : []), ...sums],
    gathered: batchLoss ? [embeddings] : [],
    // Each device computes the loss of the whole batch by itself.
    added: [...gradientsOf(recorded), ...(mlm ? [mlmSum] : [])],
    completing: "chunk",
    records: {
      chunk(tape) {
        if (batchLoss) backward(tape);
        if (mlm === undefined) return {};
        const part = scale(recordMasked(tape, recorded, options, capacity), tape.scalar("masked share"));
        addInto(part, mlmSum);
        gradient(tape, batchLoss ? scale(part, mlm.weight) : part, layout.trained, { scaledBy, accumulate: true });
        return {};
      },
      ...(batchLoss && {
        loss(tape: Tape) {
          const loss = recordLoss(tape, tape.use(embeddings), batchLoss, options);
          addInto(loss, lossSum);
          gradient(tape, loss, [embeddings], { scaledBy });
          return { loss };
        },
      }),
      update(tape) {
        const [first, second] = sums.map((sum) => tape.use(sum));
        const losses: Losses = second ? sumOfLosses(first!, second, options) : { loss: first! };
        recordMetrics(losses, adamWUpdate(tape, layout, optimizer), recorded);
        return {};
      },
    },
    *sequence(device, examples, { update, learningRate }, share) {
      const step = { seed, step: update };
      const sentences = packer.sentences(examples, 0, update);
      const masked = maskedTokens(sentences);
      const own = dealt(Math.ceil(examples.length / chunk), share).map((index) => index * chunk * views);
      const input = (first: number): StepInput => {
        const chunkOf = sentences.slice(first, first + chunk * views);
        const maskedShare = mlm && { "masked share": masked === 0 ? 0 : maskedTokens(chunkOf) / masked };
        return { ...packer.pack(chunkOf), scalars: { ...(batchLoss && { first }), ...maskedShare }, ...step };
      };
      clearSums(device, recorded, sums);
      if (batchLoss) {
        for (const first of own.toReversed()) yield { program: "chunk", part: "before pause", input: input(first) };
        yield { gather: embeddings, rows: own.length === 0 ? [0, 0] : [own[0]!, Math.min(own.at(-1)! + chunk * views, sentences.length)] };
        yield { program: "loss", input: { ...lossInputs(examples, options), ...step } };
      }
      for (const [i, first] of own.entries()) {
        const completes = i === own.length - 1;
        yield batchLoss && i === 0
          ? { program: "chunk", part: "after pause", completes }
          : { program: "chunk", input: input(first), completes };
      }
      yield "add";
      yield { program: "update", input: { scalars: { learningRate }, ...step } };
    },
  };
}
