/**
 * The page: opens the device, runs one thing at a time, and starts what the address requests. The sections display what they
 * run.
 */
import { SimcseError } from "../../src/errors.ts";
import { openDevice } from "../../src/gpu/browser.ts";
import type { Device } from "../../src/gpu/device.ts";
import { pageFault } from "../worker/page-fault.ts";
import { showAdapter, showFailure, showNoFailure } from "./adapter-section.ts";
import { showBenchmarks } from "./benchmark-section.ts";
import { byId } from "./dom.ts";
import { showKernelSuite } from "./kernel-section.ts";
import { type Failure, type Outcome, publish, publishStatus } from "./outcome.ts";
import { type PageParameters, parseParameters } from "./parameters.ts";
import { toySettings } from "./toy/toy-model.ts";
import { showTraining } from "./training-section.ts";

/** Defaults on a software adapter: the fewest steps after which the score has risen, and less of everything else. */
const softwareDefaults = { steps: 40, batch: 32, pairs: 120 };

const steps = byId("steps", HTMLInputElement);
const trainingForm = byId("training-form", HTMLFormElement);
const kernelsForm = byId("kernels-form", HTMLFormElement);
const benchmarksForm = byId("benchmarks-form", HTMLFormElement);
const benchmarksStop = byId("benchmarks-stop", HTMLButtonElement);
const trainingStop = byId("training-stop", HTMLButtonElement);
const kernelsStop = byId("kernels-stop", HTMLButtonElement);
const startButtons = () => document.querySelectorAll<HTMLButtonElement>("button[type=submit]");

/** Runs one thing while nothing else can start, and shows and publishes errors. */
async function exclusively(work: () => Promise<void>): Promise<void> {
  showNoFailure();
  for (const button of startButtons()) button.disabled = true;
  try {
    await work();
  } catch (error) {
    fail(error);
  } finally {
    for (const button of startButtons()) button.disabled = false;
  }
}

function fail(error: unknown): void {
  const failure = failureOf(error);
  showFailure(failure);
  publish(failure);
}

function failureOf(error: unknown): Failure {
  const { message, remedy } = error instanceof SimcseError ? error : pageFault(error);
  return { run: "failed", message, remedy };
}

/** Runs something that has an outcome to publish and a button that stops it. */
const perform = (stop: HTMLButtonElement, work: (signal: AbortSignal) => Promise<Outcome>) =>
  exclusively(async () => {
    publishStatus("running");
    const controller = new AbortController();
    stop.onclick = () => controller.abort();
    stop.disabled = false;
    try {
      publish(await work(controller.signal));
    } finally {
      stop.disabled = true;
    }
  });

const runKernels = (device: Device) => perform(kernelsStop, (signal) => showKernelSuite(device, signal));

const runBenchmarks = (device: Device, { benchmarks }: PageParameters) =>
  perform(benchmarksStop, (signal) => showBenchmarks(device, benchmarks, signal));

const runTraining = (device: Device, parameters: PageParameters) =>
  perform(trainingStop, async (signal) => {
    const { software } = device.capabilities;
    const batchSize = parameters.batch ?? (software ? softwareDefaults.batch : toySettings.batchSize);
    const pairs = parameters.pairs ?? (software ? softwareDefaults.pairs : Number.POSITIVE_INFINITY);
    const { log, scores, steps: done, close } = await showTraining(device, { steps: steps.valueAsNumber, batchSize, pairs }, signal);
    close();
    return { run: "training", adapter: device.name, log, scores, steps: done };
  });

async function start(): Promise<void> {
  const parameters = parseParameters(location.search);
  const device = await openDevice({ profile: parameters.profile });
  showAdapter(device, parameters.profile);
  device.lost.then(({ reason, message }) => {
    if (reason !== "destroyed")
      showFailure({ run: "failed", message: `${device.name} was lost. ${message}`, remedy: "Load the page again." });
  });
  steps.valueAsNumber = parameters.steps ?? (device.capabilities.software ? softwareDefaults.steps : toySettings.maxSteps);
  const run = {
    kernels: () => runKernels(device),
    benchmarks: () => runBenchmarks(device, parameters),
    training: () => runTraining(device, parameters),
  };
  for (const [form, action] of [
    [kernelsForm, run.kernels],
    [benchmarksForm, run.benchmarks],
    [trainingForm, run.training],
  ] as const) {
    form.onsubmit = (event) => {
      event.preventDefault();
      void action();
    };
  }
  for (const button of startButtons()) button.disabled = false;
  publishStatus("ready");
  if (parameters.run !== null) await run[parameters.run]();
}

start().catch(fail);
