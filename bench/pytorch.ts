/** The training step in PyTorch, in a separate process (`training_step.py`), if a Python with PyTorch is installed. */
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { type Timing, timingOf } from "../src/tuning/measure.ts";

export interface PyTorchStep {
  readonly device: "cpu" | "cuda";
  /** Automatic mixed precision with f16 and a gradient scaler. */
  readonly amp: boolean;
  readonly compile: boolean;
  readonly rounds: number;
  /** Sentences of equal length as token ids. */
  readonly ids: readonly (readonly number[])[];
  readonly config: Readonly<Record<string, number>>;
}

export interface PyTorch {
  readonly python: string;
  readonly version: string;
  /** The name of the CUDA device, null if there is none. */
  readonly cuda: string | null;
}

/** Relative to the repository's root, where benchmarks run. */
const script = resolve("bench/training_step.py");

/** torch.compile takes minutes on a slow machine. */
const patience = 600_000;

const probe =
  "import json, torch; print(json.dumps({'version': torch.__version__, 'cuda': torch.cuda.get_device_name() if torch.cuda.is_available() else None}))";

/** The first Python that has PyTorch, `$PYTHON` first; null if there is none. */
export function findPyTorch(): PyTorch | null {
  const pythons = [process.env.PYTHON, "python3", "/usr/bin/python3"].filter((python) => python !== undefined);
  for (const python of pythons) {
    const { status, stdout } = spawnSync(python, ["-c", probe], { encoding: "utf8" });
    if (status === 0) return { python, ...(JSON.parse(stdout) as Omit<PyTorch, "python">) };
  }
  return null;
}

/** The time of a step and the number of tokens that it computed, or the reason why there is none. */
export function pytorchStep({ python }: PyTorch, step: PyTorchStep): (Timing & { readonly tokens: number }) | { readonly reason: string } {
  const { status, stdout, stderr } = spawnSync(python, [script], { input: JSON.stringify(step), encoding: "utf8", timeout: patience });
  if (status !== 0) return { reason: stderr.trim().split("\n").at(-1) || "it did not end in time" };
  const { times, tokens } = JSON.parse(stdout.trim().split("\n").at(-1)!) as { times: number[]; tokens: number };
  return { ...timingOf(times), tokens };
}
