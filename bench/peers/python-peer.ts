/** A peer in Python: a script of `peers/` that answers each line of JSON with one. */
import { fileURLToPath } from "node:url";
import { PythonProcess } from "../python-process.ts";

/** Debian's Python, with torch and numpy from the system's packages, unless another one is named. */
const interpreter = process.env.PYTHON ?? "/usr/bin/python3";

/** Some machines set this to slow, safe kernels; a benchmark needs OpenBLAS's own choice. */
const openBlasChoices = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"];

export class PythonPeer {
  readonly #process: PythonProcess;

  private constructor(script: string, values: readonly string[]) {
    const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !openBlasChoices.includes(name)));
    this.#process = new PythonProcess(interpreter, fileURLToPath(new URL(`peers/${script}`, import.meta.url)), values, environment);
  }

  /** Starts a script, which reports its version once it is ready. Throws with Python's last output if it fails. */
  static async start(script: string, ...values: string[]): Promise<{ python: PythonPeer; version: string }> {
    const python = new PythonPeer(script, values);
    const { version } = (await python.#answer()) as { version: string };
    return { python, version };
  }

  ask<Answer>(question: Readonly<Record<string, unknown>>): Promise<Answer> {
    this.#process.say(question);
    return this.#answer() as Promise<Answer>;
  }

  async #answer(): Promise<unknown> {
    const answer = await this.#process.next();
    if (answer === null) throw new Error(`${interpreter}: ${this.#process.complaint}`);
    return answer;
  }
}

/** Numbers that Python sent as base64 of little-endian f32. */
export function decodeFloats(text: string): Float32Array {
  return new Float32Array(new Uint8Array(Buffer.from(text, "base64")).buffer);
}
