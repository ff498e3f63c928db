import { describe, expect, it } from "vitest";
import { describeCeilings, profileByKernel, rooflineSeconds } from "../../src/autograd/profile.ts";
import { Profiler } from "../../src/autograd/profiler.ts";
import type { DispatchProfile } from "../../src/autograd/program.ts";
import { chromeTrace } from "../../src/autograd/trace.ts";
import type { Ceilings } from "../../src/gpu/ceilings.ts";

/** 100 GFLOP/s, 10 GB/s. */
const ceilings: Ceilings = { f32: 1e11, f16: null, matrix: 1e12, bandwidth: 1e10 };

const dispatch = (kernel: string, begin: number, end: number, more: Partial<DispatchProfile> = {}): DispatchProfile => ({
  operation: kernel,
  node: 0,
  kernel,
  begin,
  end,
  flop: 0,
  bytes: 0,
  unit: "f32",
  workgroups: [1, 1, 1],
  ...more,
});

describe("profileByKernel", () => {
  it("adds up dispatches of a kernel, a step on average, the longest first", () => {
    const step = [
      dispatch("short", 0, 1e6, { bytes: 5e6 }),
      dispatch("long", 1e6, 3e6, { flop: 1e8 }),
      dispatch("long", 3e6, 4e6, { flop: 0.5e8, bytes: 1e6 }),
    ];
    const slower = step.map((d) => ({ ...d, begin: 2 * d.begin, end: 2 * d.end }));
    const [long, short] = profileByKernel([step, slower], ceilings);
    expect(long).toMatchObject({ kernel: "long", count: 2 });
    expect(long!.share).toBeCloseTo(0.75);
    expect(long!.milliseconds).toBeCloseTo(4.5); // 3 and 6
    expect(long!.gigaflops).toBeCloseTo(300 / 9); // 3e8 in 9 ms
    expect(long!.gigabytes).toBeCloseTo(2 / 9);
    expect(long!.ofCeiling).toBeCloseTo(3 / 9); // 3e8 at 1e11 is 3 ms
    expect(short).toMatchObject({ kernel: "short", count: 1, gigaflops: null });
    expect(short!.ofCeiling).toBeCloseTo(1 / 3); // 5 MB at 10 GB/s is 0.5 ms, of 1 and of 2
  });

  it("gives no infinite rate where the clock saw no time pass", () => {
    const [row] = profileByKernel([[dispatch("quick", 5, 5, { flop: 1, bytes: 1 })]], ceilings);
    expect(row).toMatchObject({ share: 0, gigaflops: 0, gigabytes: 0, ofCeiling: 0 });
  });

  it("has no rows for no steps", () => {
    expect(profileByKernel([], ceilings)).toEqual([]);
  });
});

describe("rooflineSeconds", () => {
  it("is the longer of arithmetic, on its own unit, and traffic", () => {
    expect(rooflineSeconds({ flop: 1e11, bytes: 1, unit: "f32" }, ceilings)).toBe(1);
    expect(rooflineSeconds({ flop: 1e11, bytes: 1, unit: "matrix" }, ceilings)).toBeCloseTo(0.1);
    expect(rooflineSeconds({ flop: 1, bytes: 2e10, unit: "f32" }, ceilings)).toBe(2);
  });
});

describe("describeCeilings", () => {
  it("names what was measured, and no unit that the adapter has not", () => {
    expect(describeCeilings({ f32: 66.94e12, f16: null, matrix: null, bandwidth: 4.1e9 })).toEqual({
      f32: "66,900 GFLOP/s",
      copy: "4.1 GB/s",
    });
  });
});

describe("chromeTrace", () => {
  const steps = [
    [
      dispatch("a one", 0, 1000, { operation: "a", node: 3, flop: 2000, bytes: 4000, workgroups: [7, 2, 1] }),
      dispatch("a two", 1000, 3000, { operation: "a", node: 3 }),
      dispatch("b", 2500, 4000, { operation: "a", node: 4 }),
    ],
    [dispatch("b", 0, 500, { operation: "b", node: 4 })],
  ];
  const { traceEvents, otherData } = chromeTrace(steps, "an adapter", ceilings);
  const spans = traceEvents.filter((event) => event.ph === "X");

  it("nests kernels in operations in steps, in microseconds and one step behind the other", () => {
    expect(spans.map(({ cat, name, ts, dur }) => [cat, name, ts, dur])).toEqual([
      ["step", "profiled step 1", 0, 4],
      ["operation", "a", 0, 3],
      ["kernel", "a one", 0, 1],
      ["kernel", "a two", 1, 2],
      ["operation", "a", 3, 1], // another node of the same operation; it overlapped, and is drawn behind
      ["kernel", "b", 3, 1],
      ["step", "profiled step 2", 4, 0.5],
      ["operation", "b", 4, 0.5],
      ["kernel", "b", 4, 0.5],
    ]);
  });

  it("says what a kernel did, and on what", () => {
    // 4,000 bytes take 400 ns at 10 GB/s, and took 1,000.
    expect(spans[2]!.args).toEqual({ flop: 2000, bytes: 4000, workgroups: "7 × 2 × 1", "GFLOP/s": 2, "GB/s": 4, "of ceiling": 0.4 });
    expect(otherData).toMatchObject({ adapter: "an adapter", copy: "10 GB/s" });
  });
});

describe("Profiler", () => {
  function recorder(options: { warmUp: number; steps: number }) {
    const calls: string[] = [];
    const reports: number[] = [];
    const profiler = new Profiler({ ...options, report: (steps) => void reports.push(steps.length) });
    const program = {
      run: (step: number) => void calls.push(`run ${step}`),
      profile: async (step: number) => {
        calls.push(`profile ${step}`);
        return [];
      },
    };
    return { calls, reports, profiler, step: (n: number) => profiler.run(program, n) };
  }

  it("lets some steps pass, times some, reports once and lets the rest pass", async () => {
    const { calls, reports, profiler, step } = recorder({ warmUp: 1, steps: 2 });
    for (let n = 1; n <= 5; n++) await step(n);
    await profiler.finish();
    expect(calls).toEqual(["run 1", "profile 2", "profile 3", "run 4", "run 5"]);
    expect(reports).toEqual([2]);
  });

  it("reports at the end of a run that was too short", async () => {
    const { reports, profiler, step } = recorder({ warmUp: 1, steps: 9 });
    for (let n = 1; n <= 3; n++) await step(n);
    await profiler.finish();
    expect(reports).toEqual([2]);
  });
});
