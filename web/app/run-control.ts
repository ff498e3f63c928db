/** Starting, pausing and ending a run, and what its events do to the state of the page. */
import type { RunEvent, RunSummary } from "../worker/protocol.ts";
import { refreshPlan } from "./plan-change.ts";
import {
  changedSettings,
  comparisons,
  data,
  device,
  engine,
  forgetFrom,
  keptModels,
  map,
  mapTexts,
  model,
  perform,
  plan,
  queries,
  type RunState,
  result,
  run,
  savedRun,
  scoredPairs,
} from "./store.ts";

const fresh: RunState = {
  status: "running",
  stage: "Getting ready",
  step: 0,
  steps: 0,
  sentencesPerSecond: null,
  secondsLeft: null,
  points: [],
  evaluations: [],
  savedStep: null,
  notice: null,
};

let controller: AbortController | null = null;
/** When steps of this stretch were reported, to tell how fast it goes. */
let pace: { readonly step: number; readonly at: number }[] = [];
/** Reports that the pace is taken over. */
const PACE_REPORTS = 40;

export function start(): Promise<void> {
  forgetFrom("train");
  run.value = { ...fresh, steps: plan.value?.steps ?? 0 };
  return follow((options) => engine.train({ settings: changedSettings.value, queries: queries.value }, options));
}

export function resume(): Promise<void> {
  run.value = { ...(run.value ?? fresh), status: "running", stage: "Getting ready" };
  return follow((options) => engine.resume(null, options));
}

/** Stops after the step in flight; the run can go on. */
export function pause(): void {
  controller?.abort();
  if (run.value) run.value = { ...run.value, stage: "Pausing after this step" };
}

/** Ends a paused run with what was learned so far. */
export async function finish(): Promise<void> {
  const summary = await perform("train", "Finishing", () => engine.finish(null));
  if (summary !== undefined) end(summary);
}

/** Loads what an earlier visit has left. */
export async function restore(): Promise<void> {
  const restored = await perform("model", "Loading your run", async ({ signal }) => {
    device.value ??= await engine.openDevice(null);
    return engine.restoreRun(null, { signal });
  });
  if (restored === undefined) return;
  forgetFrom("model");
  savedRun.value = null;
  model.value = restored.model;
  data.value = restored.data;
  scoredPairs.value = restored.scoredPairs;
  changedSettings.value = restored.settings;
  queries.value = restored.queries;
  keptModels.value = await engine.keptModels(null);
  await refreshPlan();
  const { step, steps, points, evaluations, summary } = restored;
  run.value = { ...fresh, status: summary === null ? "paused" : "finished", stage: "", step, steps, points, evaluations, savedStep: step };
  if (summary !== null) end(summary);
}

export async function discard(): Promise<void> {
  await engine.discardRun(null);
  savedRun.value = null;
}

async function follow(call: (options: { signal: AbortSignal; onEvent: (event: RunEvent) => void }) => Promise<RunSummary>): Promise<void> {
  controller = new AbortController();
  const { signal } = controller;
  pace = [];
  const summary = await perform("train", "Training", ({ say }) => {
    say("Training");
    return call({ signal, onEvent: take });
  });
  controller = null;
  if (summary !== undefined) end(summary);
  // What went wrong is shown in the section; the last checkpoint can be gone on from.
  else if (run.value) run.value = run.value.savedStep === null ? null : { ...run.value, status: "paused", stage: "" };
}

function end(summary: RunSummary): void {
  if (run.value)
    run.value = {
      ...run.value,
      status: summary.paused ? "paused" : "finished",
      stage: "",
      step: summary.steps,
      secondsLeft: null,
      notice: summary.notice ?? run.value.notice,
    };
  result.value = summary.paused ? null : summary;
}

function take(event: RunEvent): void {
  const now = run.value;
  if (now === null) return;
  switch (event.kind) {
    case "stage":
      run.value = { ...now, stage: event.text };
      break;
    case "start":
      run.value = {
        ...now,
        steps: event.steps,
        step: event.from,
        points: [],
        evaluations: [],
        savedStep: event.from > 0 ? event.from : null,
      };
      break;
    case "steps":
      run.value = { ...now, stage: "", ...progressOf(event.steps.at(-1)?.step ?? now.step, now), points: [...now.points, ...event.steps] };
      break;
    case "evaluation":
      run.value = { ...now, evaluations: [...now.evaluations.filter(({ step }) => step < event.evaluation.step), event.evaluation] };
      break;
    case "map":
      if (event.map.texts) mapTexts.value = { texts: event.map.texts, links: event.map.links ?? new Uint32Array(0) };
      map.value = event.map;
      break;
    case "comparison":
      comparisons.value = event.comparisons;
      break;
    case "saved":
      run.value = { ...now, savedStep: event.step };
      break;
    case "lost":
      run.value = {
        ...now,
        stage: "Opening the graphics device again",
        notice: `The graphics device was lost after step ${now.step}. The run goes on from step ${now.savedStep ?? 0}.`,
      };
      break;
  }
}

/** How fast the run goes, over the last reports. */
function progressOf(step: number, { steps }: RunState): Pick<RunState, "step" | "secondsLeft" | "sentencesPerSecond"> {
  pace = [...pace, { step, at: performance.now() }].slice(-PACE_REPORTS);
  const [first] = pace;
  const done = step - first!.step;
  if (done <= 0) return { step, secondsLeft: null, sentencesPerSecond: null };
  const perStep = (performance.now() - first!.at) / 1000 / done;
  const { settings } = plan.value!;
  const sentences = settings.batchSize * settings.gradientAccumulationSteps * (data.value?.kind === "triplets" ? 3 : 2);
  return { step, secondsLeft: perStep * (steps - step), sentencesPerSecond: sentences / perStep };
}
