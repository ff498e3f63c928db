/**
 * Scripts that measure works in PyTorch beside ours, in a Python process (`measured_works.py`), if a Python with the packages is installed.
 * Python starts at once, so that its imports, which take long on a fresh machine, go on beside our own work; it measures when it is asked.
 */
import { resolve } from "node:path";
import { PythonProcess } from "./python-process.ts";
import { pythons } from "./pythons.ts";

export interface PyTorchPackages {
  /** By package. */
  readonly versions: Readonly<Record<string, string>>;
  /** CUDA's version, null if PyTorch has no device for it. */
  readonly cuda: string | null;
}

/** Why there is no result. */
export interface Unmeasured {
  readonly reason: string;
}

/** Seconds for each work, so that a machine that is lent for minutes is not lost to one of them. torch.compile takes most of them. */
const limit = 45;

/** Seconds until a process that says nothing is ended: a work ends itself before, unless it does not come back from a call. */
const patience = 60;

export class PyTorch implements Disposable {
  readonly #script: string;
  readonly #packages: Promise<PyTorchPackages | Unmeasured>;
  #process: PythonProcess | null = null;
  #isClosed = false;

  /** Starts a script, named relative to the repository's root, where benchmarks run. */
  constructor(script: string) {
    this.#script = resolve(script);
    this.#packages = this.#start();
  }

  /** What the first Python with the packages has, `$PYTHON` first. Waits until they are imported. */
  async packages(): Promise<PyTorchPackages | Unmeasured> {
    const timer = setTimeout(() => this[Symbol.dispose](), patience * 1000);
    const found = await this.#packages;
    clearTimeout(timer);
    return found;
  }

  /** The result of each work as soon as it is there, or why there is none. For once, after `packages`. */
  async *results<Result extends object>(
    works: readonly object[],
    options: Readonly<Record<string, unknown>>,
  ): AsyncGenerator<Result | Unmeasured> {
    const python = this.#process!;
    python.say({ ...options, works, limit });
    let isThere = (await python.next(patience)) !== null;
    let reason: string | null = null;
    for (const _ of works) {
      const said = isThere ? ((await python.next(patience)) as Result | Unmeasured | null) : null;
      isThere = said !== null;
      yield said ?? { reason: reason ?? python.complaint };
      if (!isThere) reason = "not begun";
    }
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#process?.end();
  }

  async #start(): Promise<PyTorchPackages | Unmeasured> {
    let reason = "not installed";
    for (const path of pythons) {
      if (this.#isClosed) continue;
      const python = new PythonProcess(path, this.#script);
      this.#process = python;
      const said = (await python.next()) as PyTorchPackages | null;
      if (said !== null) return said;
      reason = python.complaint;
    }
    return { reason };
  }
}
