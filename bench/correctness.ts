/**
 * Checks whether the kernels are correct on this adapter: the suite of the browser page, every operation in its variants against a float64 reference, in this
 * process; and the repository's own tests, if Vitest is installed.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { kernelChecks } from "../web/under-the-hood/kernel-checks.ts";
import { type Finding, runKernelSuite } from "../web/under-the-hood/kernel-suite.ts";
import { markdown } from "./measure.ts";
import type { Bench } from "./open-bench.ts";

/** Vitest's projects and their devices. */
const projects = { full: "with every feature", core: "as a core device" };
const tests = ["test/kernels", "test/autograd", "test/golden"];
const quickTests = ["test/kernels/gelu.test.ts", "test/kernels/halves.test.ts"];

/** The results as Markdown. Sets the exit code if one is wrong. */
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
    runTests(quick ? quickTests : tests),
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

/** The part of Vitest's JSON report that is read. */
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

function runTests(paths: readonly string[]): string {
  const vitest = resolve("node_modules/vitest/vitest.mjs");
  if (!existsSync(vitest)) return "Tests of the repository: not run, Vitest is not installed here.";
  return [
    `Tests of the repository (${paths.join(", ")}):`,
    "",
    ...Object.entries(projects).map(([project, device]) => `- ${device}: ${runVitest(vitest, project, paths)}`),
  ].join("\n");
}

/** A summary of a project's tests in one sentence. */
function runVitest(vitest: string, project: string, paths: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), "simcse-bench-"));
  try {
    const file = join(folder, "report.json");
    const flags = ["run", "--project", project, "--reporter=json", `--outputFile=${file}`];
    const { stderr } = spawnSync(process.execPath, [vitest, ...flags, ...paths], { encoding: "utf8", maxBuffer: 2 ** 26 });
    if (existsSync(file)) return summary(JSON.parse(readFileSync(file, "utf8")) as Report);
    process.exitCode = 1;
    return `Vitest did not run: ${stderr.trim().split("\n").at(-1)}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function summary({ numPassedTests, numFailedTests, numPendingTests, testResults }: Report): string {
  const failures = testResults.flatMap(({ name, message, assertionResults }) => {
    const failed = assertionResults.filter(({ status }) => status === "failed").map(({ fullName }) => fullName);
    // A file that could not be loaded has a message and no tests.
    return failed.length > 0 || assertionResults.length > 0 ? failed : [`${name}: ${message}`];
  });
  if (numFailedTests > 0 || failures.length > 0) process.exitCode = 1;
  return [
    `${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} skipped.`,
    ...failures.map((name) => `  - failed: ${name}`),
  ].join("\n");
}
