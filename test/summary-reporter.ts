/**
 * Ends a test run with one plain line that programs can read: `N passed, N failed, N skipped`.
 *
 * Before it, every skipped test is named once, however many projects skip it. What fails outside of a test (a file that does not load, a
 * hook, an unhandled rejection) counts as a failure, since nothing else would show it in the numbers.
 */
import type { Reporter, SerializedError, TestModule, TestRunEndReason } from "vitest/node";

export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>, unhandledErrors: ReadonlyArray<SerializedError>, reason: TestRunEndReason): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const groups = modules.flatMap((module) => [module, ...module.children.allSuites()]);
    const passed = tests.filter((test) => test.result().state === "passed");
    const failed = tests.filter((test) => test.result().state === "failed");
    // A test that never ran, because its file or hook failed, is not a pass either.
    const skipped = tests.filter((test) => !["passed", "failed"].includes(test.result().state));
    const outside = groups.filter((group) => group.errors().length > 0).length + unhandledErrors.length;
    // A run that ends before its first test, such as one without an adapter, has failed all the same.
    const failures = Math.max(failed.length + outside, reason === "passed" ? 0 : 1);

    const names = new Set(skipped.map((test) => `${test.module.relativeModuleId} > ${test.fullName}`));
    for (const name of names) console.log(`skipped: ${name}`);
    console.log(`${passed.length} passed, ${failures} failed, ${skipped.length} skipped`);
  }
}
