import { expect, it } from "vitest";
import type { Choose } from "../../../src/autograd/plan.ts";
import type { Capabilities } from "../../../src/gpu/capabilities.ts";
import { cast } from "../../../src/kernels/cast.ts";
import { elementCount } from "../../../src/kernels/language/operation.ts";
import type { Layout } from "../../../src/kernels/matmul/attributes.ts";
import { openTestDevice } from "../../device.ts";
import { emulatedLowering, lanes } from "../emulated-matrices.ts";
import { build } from "../run.ts";
import { epilogues } from "./epilogues.ts";

const device = await openTestDevice();
const hasHalves = device.capabilities.features.has("shader-f16");

const matrix = { componentType: "f16", resultComponentType: "f32", M: 16, N: 16, K: 16 };
const capabilities: Capabilities = { ...device.capabilities, software: false, subgroupSize: lanes, subgroupMatrices: [matrix] };

/** The variant of this name with its matrix units emulated. */
const emulate =
  (wanted: string): Choose =>
  (_, variants) => {
    const variant = variants.find(({ name }) => name === wanted);
    return variant && { name: wanted, lower: () => emulatedLowering(variant.lower(), matrix) };
  };

/** Halves of both signs from 1/4 to 1: sums of a few hundred products stay within f16. */
function halves(count: number, seed: number): Uint16Array {
  let state = seed;
  return Uint16Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return ((state >>> 16) & 0x83ff) | (state & 0x400 ? 0x3400 : 0x3800);
  });
}

const cases: readonly { layout: Layout; name: string; outputs: readonly string[] }[] = [
  { layout: "nn", name: "subgroup matrix 64×64×32", outputs: ["bias"] },
  { layout: "nt", name: "subgroup matrix 64×64×32", outputs: ["gelu", "relu", "siluGradient"] },
  { layout: "tn", name: "subgroup matrix 64×64×32 in 4 parts", outputs: ["product", "rowSums"] },
];

it.skipIf(!hasHalves).each(cases)(
  "$name loads, stores and finishes in $layout like the kernel that the device has",
  async ({ layout, name, outputs }) => {
    const results: Record<string, Float32Array>[] = [];
    for (const [choose, own] of [[emulate(name), capabilities] as const, [undefined, device.capabilities] as const]) {
      const program = await build(
        device,
        (tape) => {
          const size = { m: 72, n: 72, k: 136 };
          const extent = layout === "tn" ? "k" : "m";
          const all = epilogues(tape, layout, { ...size, [extent]: tape.extent("live", size[extent]) }, "f16");
          return Object.fromEntries(outputs.map((output) => [output, cast(all[output]!, "f32")]));
        },
        own,
        choose,
      );
      const inputs = Object.fromEntries(
        [...program.plan.tape.inputs].map(([input, { shape }], i) => [input, halves(elementCount(shape), i)] as const),
      );
      program.run({ inputs, live: { live: layout === "tn" ? 131 : 67 } });
      const read: Record<string, Float32Array> = {};
      for (const output of outputs) read[output] = await program.read(output);
      results.push(read);
      program.close();
    }
    const [found, expected] = results as [Record<string, Float32Array>, Record<string, Float32Array>];
    for (const output of outputs) {
      const live = output === "rowSums" ? 72 : (layout === "tn" ? 72 : 67) * 72;
      const values = expected[output]!.subarray(0, live);
      const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      // One rounding to f16, which may fall on either side.
      const worst = values.reduce((most, value, i) => Math.max(most, Math.abs(value - found[output]![i]!)), 0);
      expect(largest).toBeGreaterThan(1);
      expect(worst).toBeLessThanOrEqual(largest * 2 ** -10);
    }
  },
);
