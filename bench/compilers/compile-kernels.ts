/**
 * The process that compiles for a GPU which is not here: the kernels of BERT-base's training step, stored both ways, and of a search. Its stderr
 * is a file, from which it takes what the driver printed of each. Arguments: that file; `all` to compile every variant, not only those chosen.
 */
import { readFileSync, truncateSync } from "node:fs";
import type { Plan } from "../../src/autograd/plan.ts";
import type { Capabilities } from "../../src/gpu/capabilities.ts";
import { openDevice } from "../../src/gpu/node.ts";
import { shaderCode } from "../../src/gpu/shader.ts";
import type { Kernel, Lowering } from "../../src/kernels/language/operation.ts";
import { searchPlan, trainingPlan } from "../../tools/setup/kernel-table.ts";
import type { CompiledKernel, Message } from "./messages.ts";

const [printedFile, variants] = process.argv.slice(2);
const send = (message: Message) => process.send!(message);

/** Lines that can hold a figure; NVK prints megabytes of others for each kernel. */
const isFigure = (line: string) => /: |CL prog|\bstp\./.test(line) && line.length < 400;

const device = await openDevice();
// Some of these adapters say that they are processors, because no card is there.
const capabilities: Capabilities = { ...device.capabilities, software: false };
const { features, subgroupSize, subgroupMatrices } = capabilities;
send({
  device: {
    name: device.name,
    lanes: subgroupSize,
    halves: features.has("shader-f16"),
    matrices: subgroupMatrices.map(({ M, N, K, componentType }) => `${M}×${N}×${K} ${componentType}`),
  },
});

/** What the driver compiles: several nodes and variants can have the same, under different labels. */
const keyOf = ({ shader }: Kernel) => shaderCode(shader, device.shaderTarget);

const programs: readonly (readonly [name: string, plan: Plan])[] = [
  ["f32", trainingPlan(capabilities, false)],
  ...(features.has("shader-f16") ? [["f16", trainingPlan(capabilities, true)] as const] : []),
  ["search", searchPlan(capabilities)],
];
/** A kernel that one node chooses may be compiled first as another one's variant. */
const chosen = new Set(programs.flatMap(([, { kernels }]) => kernels.map(keyOf)));
const seen = new Set<string>();
for (const [program, { steps }] of programs) {
  for (const { node, lowering } of steps) {
    const { name } = node.operation;
    await compile({ program, operation: name, variant: lowering.variant }, lowering);
    if (variants !== "all") continue;
    for (const { name: variant, lower } of node.operation.variants?.(node, capabilities) ?? []) {
      await compile({ program, operation: name, variant }, lower());
    }
  }
}
// A device that does not exist cannot be closed in an orderly way.
process.send!(null, () => process.exit(0));

async function compile(kernel: Pick<CompiledKernel, "program" | "operation" | "variant">, { kernels }: Lowering): Promise<void> {
  for (const own of kernels) {
    const key = keyOf(own);
    if (seen.has(key)) continue;
    seen.add(key);
    truncateSync(printedFile!);
    const failure = await device.pipeline(own.shader).then(
      () => null,
      ({ message }: Error) => message,
    );
    const printed = readFileSync(printedFile!, "utf8").split("\n").filter(isFigure).join("\n");
    send({ kernel: { ...kernel, chosen: chosen.has(key), failure, printed } });
  }
}
