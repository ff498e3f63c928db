/** Training on the page: progress, loss curve, and the score of held-out pairs as it changes. */
import type { Device } from "../../src/gpu/device.ts";
import { type DemoTrainingOptions, type DemoTrainingResult, trainDemo } from "./demo-training.ts";
import { byId } from "./dom.ts";
import { LineChart } from "./line-chart.ts";

const result = byId("training-result", HTMLDivElement);
const progress = byId("training-progress", HTMLProgressElement);
const stage = byId("training-stage", HTMLOutputElement);
const lossChart = new LineChart(byId("loss-chart", HTMLElement), { title: "Loss", format: (v) => v.toFixed(2), range: [0, 0.5] });
const scoreChart = new LineChart(byId("score-chart", HTMLElement), {
  title: "Score of held-out pairs",
  format: (v) => v.toFixed(0),
  range: [0, 50],
});
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
  lossChart.start(options.steps);
  scoreChart.start(options.steps);
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
      lossChart.add(entry.step, entry.loss);
      lossNow.textContent = entry.loss.toFixed(3);
      rateNow.textContent = entry.sentences_per_second.toFixed(entry.sentences_per_second < 10 ? 1 : 0);
    },
    onScore: ({ step, spearman }) => {
      scoreChart.add(step, spearman * 100);
      scoreNow.textContent = formatScore(spearman);
      scoreBefore.textContent = step === 0 ? "before training" : `from ${before}`;
      if (step === 0) before = formatScore(spearman);
    },
  });
  stage.textContent = signal.aborted ? `Stopped after ${trained.steps} of ${options.steps} steps.` : `${trained.steps} steps done.`;
  return trained;
}

/** Longer than a frame. (Waiting for an animation frame would never end in a hidden tab.) */
const frameMs = 20;

/** Gives the browser time to display changes before work that may block it. */
function painted(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, frameMs));
}
