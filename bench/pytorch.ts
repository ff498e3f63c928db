/**
 * Scripts that measure works in PyTorch beside ours, in a Python process (`measured_works.py`), if a Python with the packages is installed.
 * Python starts at once, so that its imports, which take long on a fresh machine, go on beside our own work; it measures when it is asked.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
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
    let isThere = (await python.ask({ ...options, works, limit })) !== null;
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

/** A process that says lines of JSON. */
class PythonProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #closed: Promise<void>;
  #isLate = false;
  #stderr = "";

  constructor(python: string, script: string) {
    this.#child = spawn(python, [script]);
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4000);
    });
    this.#closed = new Promise((resolve) => this.#child.on("close", () => resolve()));
    this.#child.on("error", (error) => {
      this.#stderr = error.message;
    });
    // A process that ends before it has read everything says why on stderr.
    this.#child.stdin.on("error", () => {});
  }

  /** Why it ended, in a line. */
  get complaint(): string {
    return this.#isLate ? `it said nothing for ${patience} s` : this.#stderr.trim().split("\n").at(-1) || "it ended";
  }

  ask(question: object): Promise<object | null> {
    this.#child.stdin.end(`${JSON.stringify(question)}\n`);
    return this.next(patience);
  }

  /** What it says next; null once it has ended, or if it says nothing for so many seconds and is ended. */
  async next(seconds?: number): Promise<object | null> {
    const end = () => {
      this.#isLate = true;
      this.end();
    };
    const timer = seconds === undefined ? undefined : setTimeout(end, seconds * 1000);
    try {
      for (;;) {
        const { value, done } = await this.#lines.next();
        // Packages print to stdout, too.
        if (!done && !value.startsWith("{")) continue;
        if (!done) return JSON.parse(value) as object;
        await this.#closed;
        return null;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  end(): void {
    this.#child.kill("SIGKILL");
  }
}
