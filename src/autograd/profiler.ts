/**
 * Profiles some steps of a run. A few steps run untimed first, so that caches and clocks are warm; then a few are timed kernel by kernel.
 */
import type { DispatchProfile } from "./program.ts";

/** A `Program`, or something that runs one. */
export interface Profilable<Arguments extends readonly unknown[]> {
  run(...step: Arguments): void | Promise<void>;
  profile(...step: Arguments): Promise<DispatchProfile[]>;
}

/** Which steps a `Profiler` times, and what it does with them. */
export interface ProfilerOptions {
  /** Steps that run untimed first. */
  readonly warmUp: number;
  /** Steps that are timed. */
  readonly steps: number;
  /**
   * Called once with the timed steps, a list of dispatches for each: after the last of them, or by `finish` when the run was too short for
   * all.
   */
  readonly report: (steps: readonly DispatchProfile[][]) => void | Promise<void>;
}

/** Times a few steps of a run, kernel by kernel, after a warm-up, and reports them once. */
export class Profiler {
  readonly #options: ProfilerOptions;
  readonly #profiles: DispatchProfile[][] = [];
  #seen = 0;
  #reported = false;

  constructor(options: ProfilerOptions) {
    this.#options = options;
  }

  /** Runs one step of `program`, and times it if it is one of the steps to time. */
  async run<Arguments extends readonly unknown[]>(program: Profilable<Arguments>, ...step: Arguments): Promise<void> {
    const { warmUp, steps } = this.#options;
    if (this.#seen++ < warmUp || this.#reported) return program.run(...step);
    this.#profiles.push(await program.profile(...step));
    if (this.#profiles.length === steps) await this.finish();
  }

  /** Reports the timed steps, unless they have been reported already. */
  async finish(): Promise<void> {
    if (this.#reported) return;
    this.#reported = true;
    await this.#options.report(this.#profiles);
  }
}
