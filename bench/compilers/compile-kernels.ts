/**
 * The process that compiles for a GPU which is not here: the kernels of BERT-base's training step, stored both ways, and of a search. Lines
 * on stderr say which kernel the driver's own output between them is about. Argument: `all` compiles every variant, not only those chosen.
 */
import { writeSync } from "node:fs";
import type { Plan } from "../../src/autograd/plan.ts";
import type { Capabilities } from "../../src/gpu/capabilities.ts";
import { openDevice } from "../../src/gpu/node.ts";
import type { Lowering } from "../../src/kernels/language/operation.ts";
import { searchPlan, trainingPlan } from "../../tools/setup/kernel-table.ts";
import { type CompiledDevice, type CompiledKernel, marks } from "./marks.ts";

const everyVariant = process.argv[2] === "all";

/** Writes a whole line before the driver's next output. A full pipe refuses for a moment. */
function say(mark: string, value: unknown): void {
  let rest = Buffer.from(`\n${mark}${JSON.stringify(value)}\n`);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(2, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}

const device = await openDevice();
// Some of these adapters say that they are processors, because no card is there.
const capabilities: Capabilities = { ...device.capabilities, software: false };
const { features, subgroupSize, subgroupMatrices } = capabilities;
say(marks.device, {
  name: device.name,
  lanes: subgroupSize,
  halves: features.has("shader-f16"),
  matrices: subgroupMatrices.map(({ M, N, K, componentType }) => `${M}×${N}×${K} ${componentType}`),
} satisfies CompiledDevice);

const seen = new Set<string>();
const programs: readonly (readonly [name: string, plan: () => Plan])[] = [
  ["f32", () => trainingPlan(capabilities, false)],
  ...(features.has("shader-f16") ? [["f16", () => trainingPlan(capabilities, true)] as const] : []),
  ["search", () => searchPlan(capabilities)],
];
for (const [program, plan] of programs) {
  for (const { node, lowering } of plan().steps) {
    const { name } = node.operation;
    await compile({ program, operation: name, variant: lowering.variant, chosen: true }, lowering);
    if (!everyVariant) continue;
    for (const { name: variant, lower } of node.operation.variants?.(node, capabilities) ?? []) {
      await compile({ program, operation: name, variant, chosen: false }, lower());
    }
  }
}
process.exit(0);

async function compile(kernel: Omit<CompiledKernel, "failure">, { kernels }: Lowering): Promise<void> {
  for (const { shader } of kernels) {
    const key = JSON.stringify(shader);
    if (seen.has(key)) continue;
    seen.add(key);
    say(marks.begin, null);
    const failure = await device.pipeline(shader).then(
      () => null,
      ({ message }: Error) => message,
    );
    say(marks.end, { ...kernel, failure } satisfies CompiledKernel);
  }
}
