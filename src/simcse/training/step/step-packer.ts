/** Makes and packs the sentences of a step's examples, and their masked forms. */
import type { StepInput } from "../../../autograd/step-input.ts";
import { type MaskedInput, MaskedPacker } from "../../losses/mlm.ts";
import { mlmMasking } from "../../losses/mlm-masking.ts";
import { BatchPacker, type PackedSentence } from "../../model/batch.ts";
import {
  batchCapacity,
  lossInputs,
  type Recorded,
  sentencesOf,
  type TokenizedExample,
  type TrainingStepOptions,
  trainsEmbeddings,
  viewsOf,
} from "./step-recording.ts";

/** A sentence of a step, and for masked language modelling its masked form. */
type StepSentence = PackedSentence & Partial<MaskedInput>;

export function maskedTokens(sentences: readonly StepSentence[]): number {
  return sentences.reduce((sum, { masked }) => sum + (masked?.positions.length ?? 0), 0);
}

type PackedInput = Required<Pick<StepInput, "inputs" | "live">>;

/** Makes and packs the sentences of `examples` examples at a time; of a whole batch if absent. */
export function stepPacker(recorded: Recorded, options: TrainingStepOptions, examples = options.batchSize) {
  const { config } = recorded;
  const capacity = batchCapacity(config, options, examples);
  const views = viewsOf(options);
  const indices = trainsEmbeddings(recorded);
  const { loss, mlm, seed } = options;
  const plain = loss === null ? null : new BatchPacker(capacity, { indices });
  const masked = mlm && new MaskedPacker(capacity, { probability: mlm.probability, indices });
  const mask = mlm && mlmMasking(seed, { ...mlm, vocabularySize: config.vocab_size });
  return {
    /** The sentences of examples; the first is number `first` of the update. */
    sentences(examples: readonly TokenizedExample[], first: number, update: number): StepSentence[] {
      const all = sentencesOf(examples, first, views);
      return mask ? all.map((sentence) => ({ ...sentence, masked: mask(sentence.ids, update, sentence.key) })) : all;
    },
    /** The inputs of the sentences' passes, plain and masked. */
    pack(sentences: readonly StepSentence[]): PackedInput {
      return joined(plain?.pack(sentences), masked?.pack(sentences as readonly MaskedInput[]));
    },
    /** The inputs of a batch's passes and of its loss. */
    packBatch(examples: readonly TokenizedExample[], first: number, update: number): PackedInput {
      return joined(this.pack(this.sentences(examples, first, update)), lossInputs(examples, options));
    },
  };
}

function joined(...parts: readonly (PackedInput | undefined)[]): PackedInput {
  return {
    inputs: Object.assign({}, ...parts.map((part) => part?.inputs)),
    live: Object.assign({}, ...parts.map((part) => part?.live)),
  };
}
