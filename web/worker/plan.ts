/** What a run would take: memory, time, and the settings that suit the data. */
import { hasDropout, SimCSE, SimcseError, type TrainingSettings, trainingDefaults } from "simcse-webgpu/browser";
import type { LoadedData } from "./loaded-data.ts";
import type { Handlers, PlanFacts, RunSettings } from "./protocol.ts";
import { failureOf } from "./serve.ts";
import { poolerOf, type Session } from "./session.ts";
import { trainingExample } from "./training-example.ts";

/** Steps that are timed, after one that is not: it may be slower. */
const TIMED_STEPS = 3;

export function planHandlers(session: Session): Handlers<"plan" | "measure"> {
  return {
    async plan(given) {
      const resolved = resolvedPlan(session, given);
      try {
        const { modelBytes, stepBytes } = session.model.simcse.plan(resolved.settings, { sentences: sentencesOf(session.text) });
        return { fits: true, modelBytes, stepBytes, failure: null, ...resolved };
      } catch (error) {
        if (error instanceof SimcseError) return { fits: false, modelBytes: 0, stepBytes: 0, failure: failureOf(error), ...resolved };
        throw error;
      }
    },

    async measure(given, { signal }) {
      const { settings, steps } = resolvedPlan(session, given);
      const { folder, simcse } = session.model;
      const began = performance.now();
      // A copy, so that nothing of the measurement stays in the model.
      await using copy = await SimCSE.loadFrom(simcse.model.device, folder, { pooler: settings.pooler });
      const marks: number[] = [];
      // An evaluation after each step waits until the step is done.
      await copy.train(session.text.training.slice(0, settings.batchSize * (TIMED_STEPS + 1)).map(trainingExample), {
        ...settings,
        maxSteps: TIMED_STEPS + 1,
        evalOnStart: true,
        evalSteps: 1,
        evaluationStrategy: "steps",
        signal,
        evaluate: async () => marks.push(performance.now()),
      });
      signal.throwIfAborted();
      const secondsPerStep = (marks.at(-1)! - marks[1]!) / 1000 / (marks.length - 2);
      session.secondsPerStep = secondsPerStep;
      return { secondsPerStep, secondsToStart: (marks[1]! - began) / 1000, secondsForAll: secondsPerStep * steps };
    },
  };
}

/** All settings of a run, and how many steps they make. */
export function resolvedPlan(session: Session, given: RunSettings): Pick<PlanFacts, "settings" | "steps"> {
  const pooler = poolerOf(session.model.simcse);
  const settings: TrainingSettings = { ...trainingDefaults, pooler, ...recommendedSettings(session, given), ...given };
  const { training } = session.text;
  const perEpoch = Math.max(1, Math.ceil(training.length / Math.min(settings.batchSize, training.length)));
  return { settings, steps: settings.maxSteps > 0 ? settings.maxSteps : Math.ceil(settings.epochs * perEpoch) };
}

/**
 * The settings for this data: those of the paper (Gao et al. 2021, appendix A) where it has them, with a batch that the data can fill and
 * room for most texts.
 */
function recommendedSettings(session: Session, { loraRank = 0 }: RunSettings): RunSettings {
  const { facts, kind, training } = session.text;
  const { config, device } = session.model.simcse.model;
  const largest = device.capabilities.software ? 32 : 64;
  // At least eight batches, or hardly anything is learned.
  const batchSize = Math.min(largest, Math.max(2, 2 ** Math.floor(Math.log2(Math.max(2, training.length / 8)))));
  const isPlain = kind === "sentences";
  return {
    batchSize,
    // Adapters start from nothing and have little to move: they take ten times the rate (Hu et al. 2021, appendix D).
    learningRate: (isPlain ? 3e-5 : 5e-5) * (loraRank > 0 ? 10 : 1),
    epochs: isPlain ? 1 : 3,
    warmupSteps: isPlain ? 0 : 0.1,
    maxLength: lengthFor(facts.lengths.p95, session.model.facts.longest),
    // Only dropout tells the two vectors of a plain sentence apart, and some models are published without any.
    ...(isPlain && !hasDropout(config) && { dropout: 0.1 }),
    noDuplicates: kind === "pairs" || kind === "triplets",
  };
}

const sentencesOf = ({ kind }: LoadedData) => (kind === "triplets" ? 3 : 2);

/** Room for 95 of 100 texts, in steps of eight tokens. */
function lengthFor(p95: number, longest: number): number {
  return Math.min(longest, Math.max(16, Math.ceil(p95 / 8) * 8));
}
