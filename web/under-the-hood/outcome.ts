/**
 * How the page reports its state to programs: `data-status` on the root element (loading, ready, running, done or failed), and the JSON of the
 * last run in the script element `#results`.
 */

import type { BenchTable } from "../../bench/measure.ts";
import type { DemoTrainingResult } from "./demo-training.ts";
import type { Finding } from "./kernel-suite.ts";

export type Status = "loading" | "ready" | "running" | "done" | "failed";

interface OnAdapter {
  /** The adapter's name. */
  readonly adapter: string;
}

export interface KernelOutcome extends OnAdapter {
  readonly run: "kernels";
  readonly findings: readonly Finding[];
}

export interface TrainingOutcome extends OnAdapter, Pick<DemoTrainingResult, "log" | "scores" | "steps"> {
  readonly run: "training";
}

export interface BenchmarkOutcome extends OnAdapter {
  readonly run: "benchmarks";
  readonly tables: readonly BenchTable[];
}

export interface Failure {
  readonly run: "failed";
  readonly message: string;
  readonly remedy: string;
}

export type Outcome = KernelOutcome | BenchmarkOutcome | TrainingOutcome | Failure;

export function publishStatus(status: Status): void {
  document.documentElement.dataset.status = status;
}

/** Publishes an outcome and the status that goes with it. */
export function publish(outcome: Outcome): void {
  document.querySelector("#results")!.textContent = JSON.stringify(outcome);
  publishStatus(outcome.run === "failed" ? "failed" : "done");
}
