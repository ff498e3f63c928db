/**
 * What AMD's compiler makes of the kernels (Mesa's RADV, without a card): it takes them all, and those that a card would run keep what they
 * compute with in registers. `npm run bench compilers` shows the same for other GPUs.
 */
import { describe, expect, it } from "vitest";
import { compileFor } from "../../bench/compilers/compile-for.ts";
import { compilers, isInstalled } from "../../bench/compilers/compilers.ts";

/** Of a thread's 256 registers. On RDNA 3's matrix units Mesa 25 gives up 20 in gradients of weights, Mesa 26 none. */
const mostSpilled = 32;

const tested = compilers.filter(({ gpu }) => ["AMD RDNA 2", "AMD RDNA 3"].includes(gpu));

describe.each(tested)("$gpu", (compiler) => {
  const skipped = isInstalled(compiler) ? "" : " (skipped: `npm run setup -- --compilers` installs its compiler)";

  it.skipIf(skipped)(`compiles every kernel of a training step and of a search${skipped}`, { timeout: 120_000 }, async () => {
    const { kernels } = await compileFor(compiler);
    expect(kernels.filter(({ failure }) => failure !== null)).toEqual([]);
    expect(new Set(kernels.map(({ operation }) => operation))).toContain("attentionGradient");
    const reported = kernels.filter(({ report }) => report !== null);
    expect(reported.length).toBe(kernels.length);
    expect(reported.filter(({ report }) => report!.spilled > mostSpilled)).toEqual([]);
  });
});
