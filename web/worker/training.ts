/** Training: a run that can be paused, survives the tab and a lost device, and tells the page what is going on. */
import { collapseText, type HistoryEntry, OptionError, readTrainingState, SimCSE, writableFolder } from "simcse-webgpu/browser";
import { loadModel } from "./model.ts";
import { resolvedPlan } from "./plan.ts";
import type { CallContext, Evaluation, Handlers, RunEvent, RunRequest, RunSummary, StepPoint } from "./protocol.ts";
import { reportedArguments } from "./reported-arguments.ts";
import {
  beginRun,
  checkpointsHandle,
  discardRun,
  lastCheckpoint,
  type RunRecord,
  readRecord,
  readRunExamples,
  removeCheckpoints,
  trainedHandle,
  writeRecord,
} from "./run-store.ts";
import type { Session } from "./session.ts";
import { trainingExample } from "./training-example.ts";

type Context = CallContext<RunEvent>;

/** Points that a loss curve has at most: more than a screen has pixels for. */
const CURVE_POINTS = 300;
/** Seconds of work that a closed tab may cost, if that is more than a few steps. */
const SECONDS_BETWEEN_CHECKPOINTS = 45;
/** Devices lost without a step between them, after which a run gives up. */
const MOST_LOSSES = 3;

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

async function requireRecord(): Promise<RunRecord> {
  const record = await readRecord();
  if (record !== null) return record;
  throw new OptionError("There is no run to go on with.", "Start a new one.");
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

/** Runs until the end or a pause. When the device is lost, the run goes on from its last checkpoint on a new one. */
async function followThrough(session: Session, context: Context): Promise<RunSummary> {
  for (let losses = 0; ; losses++) {
    const from = await lastStep();
    try {
      return await follow(session, await requireRecord(), context);
    } catch (error) {
      if (!(await session.isDeviceLost()) || (losses >= MOST_LOSSES && (await lastStep()) === from)) throw error;
      context.emit({ kind: "lost" });
      await session.reopen();
    }
  }
}

/** One stretch of a run, from its last checkpoint on. */
async function follow(session: Session, record: RunRecord, { signal, emit }: Context): Promise<RunSummary> {
  emit({ kind: "stage", text: "Getting ready" });
  const { simcse: base, folder } = session.model;
  const { steps, settings } = record;
  const from = await lastStep();
  const history = [...(await pastLog())];
  emitPast(record, { from, history }, emit);
  session.dropTrained();
  const trained = await SimCSE.loadFrom(base.model.device, folder, { pooler: settings.pooler });
  session.trained = trained;
  session.isTraining = true;
  try {
    const evaluation = await session.evaluation();
    const evaluations = new EvaluationLog(record, from, evalSteps(steps, base.model.device.capabilities.software));
    const saves = saveSteps(steps, session.secondsPerStep);
    const run = trained.train(session.text.training.map(trainingExample), {
      ...settings,
      evaluationStrategy: "steps",
      evalSteps: evaluations.every,
      evalOnStart: true,
      loggingSteps: Math.max(1, Math.ceil(steps / CURVE_POINTS)),
      saveSteps: saves,
      checkpoints: await checkpointsHandle(),
      keepCheckpoints: 2,
      resume: true,
      signal,
      evaluate: async (encode) => {
        const found = await evaluation.evaluate(evaluations.nextStep(), encode, emit);
        await evaluations.add(found);
        emit({ kind: "comparison", comparisons: await evaluation.compare(session.queries, base, trained) });
        return { ...found.metrics, uniformity: found.uniformity };
      },
    });
    emit({ kind: "stage", text: "Preparing the first step" });
    let saved = from;
    for await (const { step, epoch, loss, learningRate, gradientNorm, metrics } of run) {
      emit({ kind: "steps", steps: [{ step, loss, learningRate }] });
      history.push({ step, epoch, loss, learning_rate: learningRate, gradient_norm: gradientNorm });
      if (metrics) history.push({ step, epoch, ...metrics });
      // A step is reported before its checkpoint is written, so the one that is certain is that of the steps before.
      const certain = Math.floor((step - 1) / saves) * saves;
      if (certain <= saved) continue;
      saved = certain;
      emit({ kind: "saved", step: saved });
    }
    const { interrupted, steps: done, seconds, meanCosine = null } = await run;
    const ended = { steps: done, paused: interrupted, seconds, meanCosine, notice: collapseText(meanCosine) };
    if (!interrupted) return await complete(session, ended, history);
    await writeRecord({ ...evaluations.record, summary: ended });
    emit({ kind: "saved", step: done });
    return ended;
  } finally {
    session.isTraining = false;
  }
}

/** The log of the run's last checkpoint. */
async function pastLog(): Promise<readonly HistoryEntry[]> {
  const checkpoint = await lastCheckpoint();
  return checkpoint === null ? [] : ((await readTrainingState(checkpoint)).log_history as readonly HistoryEntry[]);
}

/** The loss curve in a log. */
function pointsOf(history: readonly HistoryEntry[]): StepPoint[] {
  return history.flatMap(({ step, loss, learning_rate: learningRate }) =>
    loss === undefined || learningRate === undefined ? [] : [{ step, loss, learningRate }],
  );
}

/** Tells the page what an earlier stretch of the run has shown. */
function emitPast(
  { steps, evaluations }: RunRecord,
  { from, history }: { readonly from: number; readonly history: readonly HistoryEntry[] },
  emit: Context["emit"],
): void {
  emit({ kind: "start", steps, from });
  const points = pointsOf(history);
  if (points.length > 0) emit({ kind: "steps", steps: points });
  for (const evaluation of evaluations) if (evaluation.step <= from) emit({ kind: "evaluation", evaluation });
}

/** The evaluations of a run, kept with its record as they come. */
class EvaluationLog {
  #next: number;

  constructor(
    public record: RunRecord,
    from: number,
    readonly every: number,
  ) {
    this.#next = from === 0 ? 0 : (Math.floor(from / every) + 1) * every;
  }

  /** The step that is evaluated next: those before are known from the record. */
  nextStep(): number {
    const step = Math.min(this.#next, this.record.steps);
    this.#next += this.every;
    return step;
  }

  async add(evaluation: Evaluation): Promise<void> {
    const before = this.record.evaluations.filter(({ step }) => step < evaluation.step);
    this.record = { ...this.record, evaluations: [...before, evaluation] };
    await writeRecord(this.record);
  }
}

/** Keeps the trained model and removes the checkpoints. */
async function complete(session: Session, summary: RunSummary, history: readonly HistoryEntry[]): Promise<RunSummary> {
  await session.modelOf("now").save(await trainedHandle());
  const record = { ...(await requireRecord()), summary, history };
  session.record = reportOf(session, record);
  await writeRecord(record);
  await removeCheckpoints();
  return summary;
}

/** What card and report say about a run. */
function reportOf(
  session: Session,
  { settings, summary, history, steps: totalSteps, modelName, facts }: RunRecord,
): NonNullable<Session["record"]> {
  const { model, encoder, pooler } = session.modelOf("now");
  const { steps = 0, seconds = 0, meanCosine = null } = summary ?? {};
  return {
    history,
    arguments: reportedArguments(settings, { model: modelName, data: facts.name }),
    pooler,
    maxLength: encoder.maxLength,
    adapter: model.device.name,
    steps,
    totalSteps,
    seconds,
    meanCosine,
  };
}

/** The step of the last checkpoint; 0 if there is none. */
async function lastStep(): Promise<number> {
  const checkpoint = await lastCheckpoint();
  return checkpoint === null ? 0 : (await readTrainingState(checkpoint)).global_step;
}

/** How often a run is evaluated: as often as a curve wants, and on the processor no more than it can bear. */
const evalSteps = (steps: number, software: boolean) => Math.max(1, Math.ceil(steps / (software ? 4 : 12)));

/** Steps between checkpoints: few enough that a closed tab costs little, and at least three in a run. */
function saveSteps(steps: number, secondsPerStep: number | null): number {
  const often = secondsPerStep === null ? 20 : Math.round(SECONDS_BETWEEN_CHECKPOINTS / secondsPerStep);
  return Math.max(1, Math.min(often, Math.ceil(steps / 3)));
}
