/** What a run would take: memory, time, and the settings that suit the data. */
import { OptionError, SimcseError, trainingDefaults } from "simcse-webgpu/browser";
import type { Handlers, RunSettings } from "./protocol.ts";
import { failureOf } from "./serve.ts";
import type { LoadedData, Session } from "./session.ts";

export function planHandlers(session: Session): Handlers<"plan" | "measure"> {
  return {
    async plan(given) {
      const { simcse } = session.model;
      const { training, kind } = session.text;
      const recommended = recommendedSettings(session);
      const settings = { ...trainingDefaults, ...recommended, ...given };
      const perEpoch = Math.ceil(training.length / settings.batchSize);
      const steps = settings.maxSteps > 0 ? settings.maxSteps : Math.ceil(settings.epochs * perEpoch);
      const shared = { steps, epochs: steps / perEpoch, settings, recommended };
      try {
        const { modelBytes, stepBytes } = simcse.plan({ ...recommended, ...given }, { sentences: kind === "triplets" ? 3 : 2 });
        return { fits: true, modelBytes, stepBytes, failure: null, ...shared };
      } catch (error) {
        if (error instanceof SimcseError) return { fits: false, modelBytes: 0, stepBytes: 0, failure: failureOf(error), ...shared };
        throw error;
      }
    },

    async measure() {
      throw new OptionError("Measuring is not built yet.", "Start the run.");
    },
  };
}

/**
 * The settings for this data: those of the paper (Gao et al. 2021, appendix A) for sentences and for pairs, with a batch that the data can
 * fill, and a rate for models that are already trained.
 */
function recommendedSettings(session: Session): RunSettings {
  const { facts, kind } = session.text;
  return {
    ...byKind(session.text),
    maxLength: lengthFor(facts.lengths.p95, session.model.facts.longest),
    noDuplicates: kind !== "sentences",
  };
}

function byKind({ kind, training }: LoadedData): RunSettings {
  const batchSize = Math.min(64, Math.max(2, 2 ** Math.floor(Math.log2(Math.max(2, training.length / 8)))));
  return kind === "sentences" ? { batchSize, learningRate: 3e-5, epochs: 1 } : { batchSize, learningRate: 5e-5, epochs: 3 };
}

/** Room for 95 of 100 texts, in steps of eight tokens. */
function lengthFor(p95: number, longest: number): number {
  return Math.min(longest, Math.max(16, Math.ceil(p95 / 8) * 8));
}
