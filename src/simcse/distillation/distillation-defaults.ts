/** The settings of a distillation where they differ from SimCSE's. */
import type { TrainingSettings } from "../training/training-options.ts";

/** Without dropout, because the targets are given; a higher rate and larger batches than for the contrastive loss. */
export const distillationDefaults = {
  epochs: 1,
  batchSize: 128,
  learningRate: 5e-4,
  warmupSteps: 0.1,
  maxLength: 64,
  dropout: 0,
  loggingSteps: 50,
} as const satisfies Partial<TrainingSettings>;
