/** A run as it goes on: from its last checkpoint, over lost devices, to its end or a pause. */
import { collapseText, type HistoryEntry, SimCSE } from "simcse-webgpu/browser";
import { EvaluationLog } from "./evaluation-log.ts";
import type { CallContext, RunEvent, RunSummary, StepPoint } from "./protocol.ts";
import { reportedArguments } from "./reported-arguments.ts";
import {
  checkpointsHandle,
  lastStep,
  pastLog,
  type RunRecord,
  removeCheckpoints,
  requireRecord,
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

/** Runs until the end or a pause. When the device is lost, the run goes on from its last checkpoint on a new one. */
export async function followThrough(session: Session, context: Context): Promise<RunSummary> {
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
    const evaluations = new EvaluationLog(record, from, base.model.device.capabilities.software);
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

/** The loss curve in a log. */
export function pointsOf(history: readonly HistoryEntry[]): StepPoint[] {
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

/** Steps between checkpoints: few enough that a closed tab costs little, and at least three in a run. */
function saveSteps(steps: number, secondsPerStep: number | null): number {
  const often = secondsPerStep === null ? 20 : Math.round(SECONDS_BETWEEN_CHECKPOINTS / secondsPerStep);
  return Math.max(1, Math.min(often, Math.ceil(steps / 3)));
}

/** Keeps the trained model and removes the checkpoints. */
export async function complete(session: Session, summary: RunSummary, history: readonly HistoryEntry[]): Promise<RunSummary> {
  await session.modelOf("now").save(await trainedHandle());
  const record = { ...(await requireRecord()), summary, history };
  session.record = reportOf(session, record);
  await writeRecord(record);
  await removeCheckpoints();
  return summary;
}

/** What card and report say about a run. */
export function reportOf(
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
