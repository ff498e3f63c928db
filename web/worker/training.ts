/** Training: a run is begun, paused, restored in a later visit, finished and forgotten, and questions are asked of it. */
import { OptionError, SimCSE, writableFolder } from "simcse-webgpu/browser";
import { loadModel } from "./model.ts";
import { resolvedPlan } from "./plan.ts";
import type { Handlers, RunRequest } from "./protocol.ts";
import {
  beginRun,
  discardRun,
  lastCheckpoint,
  lastStep,
  pastLog,
  readRecord,
  readRunExamples,
  requireRecord,
  trainedHandle,
} from "./run-store.ts";
import type { Session } from "./session.ts";
import { complete, followThrough, pointsOf, reportOf } from "./training-run.ts";

type Names = "train" | "restoreRun" | "resume" | "finish" | "savedRun" | "discardRun" | "compare";

export function trainingHandlers(session: Session): Handlers<Names> {
  return {
    async train({ settings, queries }, context) {
      return alone(async () => {
        await begin(session, { settings, queries });
        return followThrough(session, context);
      });
    },

    async restoreRun(_, { signal, emit }) {
      const record = await requireRecord();
      const model = await loadModel(session, { kind: "kept", name: record.modelName }, { signal, emit });
      const { kind, training, held, scoredPairs } = (await readRunExamples())!;
      const texts = [...new Set([...training, ...held].flatMap(({ texts }) => texts))];
      session.setData({ facts: record.facts, kind, training, held, texts });
      session.setScoredPairs(scoredPairs);
      session.queries = record.queries;
      const { facts: data, settings, queries, steps, evaluations } = record;
      const summary = record.summary?.paused ? null : record.summary;
      if (summary !== null) {
        session.trained = await SimCSE.loadFrom(session.model.simcse.model.device, writableFolder(await trainedHandle()));
        session.record = reportOf(session, record);
      }
      const points = pointsOf(summary === null ? await pastLog() : record.history);
      const step = summary?.steps ?? (await lastStep());
      const own = scoredPairs && { name: scoredPairs.name, pairs: scoredPairs.examples.length };
      return { model, data, scoredPairs: own, settings, queries, step, steps, points, evaluations, summary };
    },

    async resume(_, context) {
      await requireRecord();
      return alone(() => followThrough(session, context));
    },

    async finish() {
      const { summary, settings } = await requireRecord();
      if (session.trained === null) {
        const checkpoint = await lastCheckpoint();
        if (checkpoint === null) throw new OptionError("Nothing has been trained yet.", "Let the run make a few steps first.");
        session.trained = await SimCSE.loadFrom(session.model.simcse.model.device, checkpoint, { pooler: settings.pooler });
      }
      const soFar = summary ?? { steps: await lastStep(), seconds: 0 };
      return complete(session, { ...soFar, paused: false }, await pastLog());
    },

    async savedRun() {
      const record = await readRecord();
      if (record === null) return null;
      const { modelName, facts, steps, summary, savedAt } = record;
      const finished = summary !== null && !summary.paused;
      const step = finished ? summary.steps : await lastStep();
      return { modelName, dataName: facts.name, step, steps, finished, savedAt };
    },

    async discardRun() {
      await alone(discardRun);
      session.dropTrained();
      return null;
    },

    async compare({ queries }) {
      session.queries = queries;
      // A run looks after the device itself.
      if (!session.isTraining) await session.usable("before");
      const evaluation = await session.evaluation();
      if (session.trained !== null && !session.isTraining) await evaluation.catchUp(session.trained);
      return evaluation.compare(queries, session.model.simcse, session.trained);
    },
  };
}

/** Does the work if no other tab is doing it: the run in the browser's storage is one for all tabs. */
function alone<T>(work: () => Promise<T>): Promise<T> {
  return navigator.locks.request("run", { ifAvailable: true }, (lock) => {
    if (lock !== null) return work();
    throw new OptionError("A run goes on in another tab.", "Wait for its end, or pause it there.");
  });
}

/** Writes down what the run begins with, so that it can go on in another visit. */
async function begin(session: Session, { settings: given, queries }: RunRequest): Promise<void> {
  const { facts, kind, training, held } = session.text;
  const { settings, steps } = resolvedPlan(session, given);
  const modelName = session.model.facts.name;
  session.dropTrained();
  session.queries = queries;
  // As a number of steps, so that the run has exactly those of the plan.
  const record = {
    modelName,
    facts,
    settings: { ...settings, maxSteps: steps },
    steps,
    queries,
    evaluations: [],
    summary: null,
    history: [],
    savedAt: Date.now(),
  };
  await beginRun(record, { kind, training, held, scoredPairs: session.scoredPairs });
}
