/** A peer in Python: a script of `peers/` that answers each line of JSON with one line of JSON. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** Debian's Python, with torch and numpy from the system's packages. */
const interpreter = "/usr/bin/python3";

/** Some machines set this to slow, safe kernels; a benchmark needs OpenBLAS's own choice. */
const openBlasChoices = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"];

export class PythonProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  #complaint = "";

  private constructor(script: string, values: readonly string[]) {
    const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !openBlasChoices.includes(name)));
    const path = fileURLToPath(new URL(`peers/${script}`, import.meta.url));
    this.#child = spawn(interpreter, ["-u", path, ...values], { env: environment });
    this.#child.stderr.on("data", (text: Buffer) => {
      this.#complaint = (this.#complaint + text).slice(-2000);
    });
    this.#child.on("error", (error) => {
      this.#complaint = error.message;
    });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    process.once("exit", () => this.#child.kill());
  }

  /** Starts a script, which reports its version once it is ready. Throws with Python's last output if it fails. */
  static async start(script: string, ...values: string[]): Promise<{ python: PythonProcess; version: string }> {
    const python = new PythonProcess(script, values);
    const { version } = (await python.#answer()) as { version: string };
    return { python, version };
  }

  ask<Answer>(question: Readonly<Record<string, unknown>>): Promise<Answer> {
    this.#child.stdin.write(`${JSON.stringify(question)}\n`);
    return this.#answer() as Promise<Answer>;
  }

  async #answer(): Promise<unknown> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${interpreter}: ${this.#complaint.trim().split("\n").at(-1) ?? "no answer"}`);
    return JSON.parse(value);
  }
}

/** Numbers that Python sent as base64 of little-endian f32. */
export function decodeFloats(text: string): Float32Array {
  return new Float32Array(new Uint8Array(Buffer.from(text, "base64")).buffer);
}
