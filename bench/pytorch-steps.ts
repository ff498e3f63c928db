/** The training step in PyTorch beside ours (`training_step.py`): on the machine's GPU if we use one, else on its CPU. */
import { timingOf } from "../src/tuning/measure.ts";
import type { Bench } from "./open-bench.ts";
import { PyTorch } from "./pytorch.ts";
import { type PeerStep, type StepPeers, type StepWork, seconds, stepsInARow } from "./training-step.ts";

/** A way to run a step, named as in the table. */
interface Way {
  readonly name: string;
  /** Automatic mixed precision with f16 and a gradient scaler. */
  readonly amp: boolean;
  readonly compile: boolean;
}

const onCpu: readonly Way[] = [{ name: "CPU", amp: false, compile: false }];

const onCuda: readonly Way[] = [
  { name: "CUDA, f32", amp: false, compile: false },
  { name: "CUDA, AMP", amp: true, compile: false },
  { name: "CUDA, AMP, compiled", amp: true, compile: true },
];

/** What `training_step.py` says of a work. */
interface Measured {
  /** Milliseconds of each row of steps. */
  readonly in_a_row: readonly number[];
  readonly alone: readonly number[];
  readonly tokens: number;
}

export class PyTorchSteps implements StepPeers, Disposable {
  readonly #bench: Bench;
  readonly #torch = new PyTorch("bench/training_step.py");

  private constructor(bench: Bench) {
    this.#bench = bench;
  }

  /** Starts Python. Waits for it where it would take processors from what we measure. */
  static async start(bench: Bench): Promise<PyTorchSteps> {
    bench.say("starting Python with PyTorch");
    const steps = new PyTorchSteps(bench);
    if (bench.device.capabilities.software) await steps.#torch.packages();
    return steps;
  }

  async *measure(works: readonly StepWork[]): AsyncGenerator<PeerStep> {
    const { device, rounds, say } = this.#bench;
    say("waiting for PyTorch");
    const found = await this.#torch.packages();
    const { software } = device.capabilities;
    if ("reason" in found || (!software && found.cuda === null)) {
      const result = "reason" in found ? found.reason : "has no CUDA";
      for (const work of works) yield { work, name: `${work.model.name}, PyTorch`, result };
      return;
    }
    // Those that compile take longest and come last, so that a run that is cut off has the others.
    const planned = (software ? onCpu : onCuda)
      .toSorted((a, b) => Number(a.compile) - Number(b.compile))
      .flatMap((way) => works.map((work) => ({ work, way })));
    const asked = planned.map(({ work: { model, ids }, way: { amp, compile } }) => ({ amp, compile, ids, config: model.config }));
    const steps = stepsInARow(this.#bench);
    const options = { device: software ? "cpu" : "cuda", steps, rounds, seconds };
    let i = 0;
    for await (const result of this.#torch.results<Measured>(asked, options)) {
      const { work, way } = planned[i++]!;
      const name = `${work.model.name}, PyTorch ${found.versions.PyTorch}, ${way.name}`;
      if ("reason" in result) yield { work, name, result: result.reason };
      else {
        const { in_a_row, alone, tokens } = result;
        yield { work, name, result: { inARow: timingOf(in_a_row.map((time) => time / steps)), alone: timingOf(alone), tokens } };
      }
    }
  }

  [Symbol.dispose](): void {
    this.#torch[Symbol.dispose]();
  }
}
