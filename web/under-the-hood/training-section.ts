/** Training on the page: progress, loss curve, and the score of held-out pairs as it changes. */
import type { Device } from "../../src/gpu/device.ts";
import { CurvePlot, type CurvePlotOptions } from "../curve-plot.ts";
import { type DemoTrainingOptions, type DemoTrainingResult, trainDemo } from "./demo-training.ts";
import { byId } from "./dom.ts";

const result = byId("training-result", HTMLDivElement);
const progress = byId("training-progress", HTMLProgressElement);
const stage = byId("training-stage", HTMLOutputElement);
const lossPlace = byId("loss-curve", HTMLDivElement);
const scorePlace = byId("score-curve", HTMLDivElement);
const scoreNow = byId("score-now", HTMLSpanElement);
const scoreBefore = byId("score-before", HTMLElement);
const lossNow = byId("loss-now", HTMLElement);
const rateNow = byId("rate-now", HTMLElement);

/** Scores are shown as in the literature: Spearman × 100. */
const formatScore = (spearman: number) => (spearman * 100).toFixed(1);

/** Trains the demo's model and shows the progress. */
export async function showTraining(device: Device, options: DemoTrainingOptions, signal: AbortSignal): Promise<DemoTrainingResult> {
  result.hidden = false;
  for (const value of [scoreNow, lossNow, rateNow]) value.textContent = "–";
  scoreBefore.textContent = "";
  progress.value = 0;
  progress.max = options.steps;
  const { steps } = options;
  const addLoss = curveIn(lossPlace, { steps, format: (loss) => loss.toFixed(2), smallest: 0.5 });
  const addScore = curveIn(scorePlace, { steps, format: (score) => score.toFixed(0), smallest: 20, largest: 100, dots: true });
  let before = "";
  const trained = await trainDemo(device, options, {
    signal,
    onStage: async (text) => {
      stage.textContent = `${text}…`;
      await painted();
    },
    onStep: (step) => {
      progress.value = step;
      stage.textContent = `Step ${step} of ${options.steps}`;
    },
    onLog: (entry) => {
      addLoss(entry.step, entry.loss);
      lossNow.textContent = entry.loss.toFixed(3);
      rateNow.textContent = entry.sentences_per_second.toFixed(entry.sentences_per_second < 10 ? 1 : 0);
    },
    onScore: ({ step, spearman }) => {
      addScore(step, spearman * 100);
      scoreNow.textContent = formatScore(spearman);
      scoreBefore.textContent = step === 0 ? "before training" : `from ${before}`;
      if (step === 0) before = formatScore(spearman);
    },
  });
  stage.textContent = signal.aborted ? `Stopped after ${trained.steps} of ${options.steps} steps.` : `${trained.steps} steps done.`;
  return trained;
}

/** The curve in each place. */
const shown = new Map<HTMLElement, CurvePlot>();

/** Begins a curve in the place of the one before. Returns what adds a point; a value that is NaN is left out. */
function curveIn(place: HTMLElement, options: CurvePlotOptions): (step: number, value: number) => void {
  shown.get(place)?.close();
  const plot = new CurvePlot(place, options);
  shown.set(place, plot);
  const points: [step: number, value: number][] = [];
  return (step, value) => {
    if (Number.isFinite(value)) points.push([step, value]);
    plot.show(points);
  };
}

/** Longer than a frame. (Waiting for an animation frame would never end in a hidden tab.) */
const frameMs = 20;

/** Gives the browser time to display changes before work that may block it. */
function painted(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, frameMs));
}
