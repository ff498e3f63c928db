/**
 * Whether the kernels are right on this adapter: the suite of the browser page, every operation in its variants against a float64 reference, in this
 * process; and the repository's own tests, where Vitest is installed.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { kernelChecks } from "../web/kernel-checks.ts";
import { type Finding, runKernelSuite } from "../web/kernel-suite.ts";
import { markdown } from "./measure.ts";
import type { Bench } from "./tables.ts";

const projects = ["full", "core"];
const tests = ["test/kernels", "test/autograd", "test/golden"];
const quickTests = ["test/kernels/gelu.test.ts", "test/kernels/halves.test.ts"];

/** The findings as Markdown. Sets the exit code when one is wrong. */
export async function correctness({ device, quick }: Bench): Promise<string> {
  const findings: Finding[] = [];
  for await (const finding of runKernelSuite(device, kernelChecks)) findings.push(finding);
  const failed = findings.filter(({ passed }) => !passed);
  if (failed.length > 0) process.exitCode = 1;
  const variants = new Set(findings.map(({ variant }) => variant));
  return [
    "## Correctness",
    "",
    `Kernel suite: ${findings.length - failed.length} of ${findings.length} checks passed, on ${variants.size} variants.`,
    ...(failed.length > 0 ? ["", failureTable(failed)] : []),
    "",
    runVitest(quick ? quickTests : tests),
  ].join("\n");
}

function failureTable(failed: readonly Finding[]): string {
  const rows = failed.map(({ operation, variant, error, tolerance, failure }) => [
    operation,
    variant,
    failure ?? error.toExponential(1),
    tolerance.toExponential(1),
  ]);
  return markdown(["failed", "variant", "error", "allowed"], rows);
}

/** What of Vitest's JSON report is read. */
interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

function runVitest(paths: readonly string[]): string {
  const vitest = resolve("node_modules/vitest/vitest.mjs");
  if (!existsSync(vitest)) return "Tests of the repository: not run, Vitest is not installed here.";
  const folder = mkdtempSync(join(tmpdir(), "simcse-bench-"));
  try {
    const file = join(folder, "report.json");
    const flags = projects.flatMap((project) => ["--project", project]);
    const { stderr } = spawnSync(process.execPath, [vitest, "run", ...flags, "--reporter=json", `--outputFile=${file}`, ...paths], {
      encoding: "utf8",
      maxBuffer: 2 ** 26,
    });
    if (!existsSync(file)) {
      process.exitCode = 1;
      return `Tests of the repository: Vitest did not run.\n\n\`\`\`\n${stderr.trim().split("\n").slice(-10).join("\n")}\n\`\`\``;
    }
    return summary(JSON.parse(readFileSync(file, "utf8")) as Report, paths);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function summary({ numPassedTests, numFailedTests, numPendingTests, testResults }: Report, paths: readonly string[]): string {
  const failures = testResults.flatMap(({ name, message, assertionResults }) => {
    const failed = assertionResults.filter(({ status }) => status === "failed").map(({ fullName }) => fullName);
    // A file that could not be loaded has a message and no tests.
    return failed.length > 0 || assertionResults.length > 0 ? failed : [`${name}: ${message}`];
  });
  if (numFailedTests > 0 || failures.length > 0) process.exitCode = 1;
  return [
    `Tests of the repository (${paths.join(", ")}; with every feature, and as a core device): ${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} skipped.`,
    ...failures.map((name) => `- failed: ${name}`),
  ].join("\n");
}
