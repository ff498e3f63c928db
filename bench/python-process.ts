/** A Python script that talks in lines of JSON. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";

export class PythonProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #closed: Promise<void>;
  #stderr = "";
  #ending = "";

  constructor(python: string, script: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = process.env) {
    this.#child = spawn(python, ["-u", script, ...args], { env });
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
    return this.#ending || this.#stderr.trim().split("\n").at(-1) || "it ended";
  }

  say(line: object): void {
    this.#child.stdin.write(`${JSON.stringify(line)}\n`);
  }

  /** What it says next; null once it has ended, or if it says nothing for so many seconds and is ended. */
  async next(patience?: number): Promise<object | null> {
    const end = () => {
      this.#ending = `it said nothing for ${patience} s`;
      this.end();
    };
    const timer = patience === undefined ? undefined : setTimeout(end, patience * 1000);
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
