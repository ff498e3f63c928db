/** The evaluations of a run, kept with its record as they come. */
import type { Evaluation } from "./protocol.ts";
import { type RunRecord, writeRecord } from "./run-store.ts";

/** How often a run is evaluated: as often as a curve wants, and on the processor no more than it can bear. */
const evalSteps = (steps: number, software: boolean) => Math.max(1, Math.ceil(steps / (software ? 4 : 12)));

export class EvaluationLog {
  /** Steps from one evaluation to the next. */
  readonly every: number;
  #next: number;

  /** Of a stretch that begins at step `from`. */
  constructor(
    public record: RunRecord,
    from: number,
    software: boolean,
  ) {
    this.every = evalSteps(record.steps, software);
    this.#next = from === 0 ? 0 : (Math.floor(from / this.every) + 1) * this.every;
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
