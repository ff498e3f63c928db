/** Encoding in PyTorch (`encode.py`) beside ours: in a separate process, if a Python with PyTorch and sentence-transformers is installed. */
import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import type { FloatType } from "../src/kernels/language/operation.ts";
import type { PyTorch } from "./pytorch.ts";

/** What is measured; `encode.py` says what each is. */
export interface PyTorchWork {
  readonly work: "tokenize" | "texts" | "ids";
  readonly dtype: FloatType;
  readonly batch_size: number;
}

export interface PyTorchEncoding {
  readonly device: "cpu" | "cuda";
  readonly folder: string;
  readonly sentences: readonly string[];
  readonly ids: readonly (readonly number[])[];
  readonly rounds: number;
  readonly seconds: number;
  readonly vectors: number;
  readonly measurements: readonly PyTorchWork[];
}

export interface Encoded {
  /** Milliseconds of each round. */
  readonly times: readonly number[];
  readonly sentences: number;
  readonly tokens: number;
  readonly vectors?: readonly (readonly number[])[];
}

/** The versions by package, and the result of each measurement, or why there is none. */
export interface PyTorchEncoded {
  readonly versions: Readonly<Record<string, string>> | null;
  readonly results: readonly (Encoded | { readonly reason: string })[];
}

/** Relative to the repository's root, where benchmarks run. */
const script = resolve("bench/encode.py");

/** Milliseconds for each measurement and for loading, so that a machine that is lent for minutes is not lost to one of them. */
const patience = 60_000;

export async function pytorchEncodings({ python }: PyTorch, encoding: PyTorchEncoding): Promise<PyTorchEncoded> {
  const child = spawn(python, [script]);
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    child.kill("SIGKILL");
  }, patience);
  // A process that ends before it has read everything says why on stderr.
  child.stdin.on("error", () => {}).end(JSON.stringify(encoding));
  let versions: PyTorchEncoded["versions"] = null;
  const results: (Encoded | { readonly reason: string })[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    // Packages print to stdout, too.
    if (!line.startsWith("{")) continue;
    timer.refresh();
    const said = JSON.parse(line) as { versions: Record<string, string> } | PyTorchEncoded["results"][number];
    if ("versions" in said) versions = said.versions;
    else results.push(said);
  }
  await ended;
  clearTimeout(timer);
  const reason = isLate ? `it did not end in ${patience / 1000} s` : stderr.trim().split("\n").at(-1) || "it ended";
  return { versions, results: encoding.measurements.map((_, i) => results[i] ?? { reason: i === results.length ? reason : "not begun" }) };
}
