import { describe, expect, it } from "vitest";
import type { KernelRow } from "../../../src/autograd/profile.ts";
import { formatProfile } from "../../../tools/cli/profile.ts";

const rows: KernelRow[] = [
  {
    kernel: "matmul nt subgroup matrix",
    count: 12,
    milliseconds: 123.456,
    share: 0.75,
    gigaflops: 1234.5,
    gigabytes: 7.25,
    ofCeiling: 0.5,
  },
  { kernel: "adamW", count: 2, milliseconds: 1.5, share: 0.25, gigaflops: null, gigabytes: 250, ofCeiling: 1.02 },
];

describe("formatProfile", () => {
  it("shows every column where there is room", () => {
    expect(formatProfile(rows, 80)).toBe(
      [
        "kernel                      n     ms  time  GFLOP/s  GB/s  of ceiling",
        "matmul nt subgroup matrix  12  123.5   75%     1235   7.3         50%",
        "adamW                       2  1.500   25%            250        102%",
      ].join("\n"),
    );
  });

  it.each([70, 60, 50, 40, 30, 20])("fits a terminal of %d characters, and keeps kernels and their time", (columns) => {
    const lines = formatProfile(rows, columns).split("\n");
    expect(lines).toHaveLength(3);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
    expect(lines[1]).toMatch(/^matmul.* 123\.5/);
  });
});
