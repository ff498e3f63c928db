/**
 * Keeps numbers of each step in a ring on the GPU, so that the losses of many steps can be read back at once, long after they were
 * computed.
 */
import { wgsl } from "../../gpu/shader.ts";
import { kernel, numbered } from "../language/kernel.ts";
import { f32, type Operation, type Persistent, type Value } from "../language/operation.ts";

const operation: Operation<{ length: number; count: number }> = {
  name: "history",
  infer: (_, { length, count }) => [f32(length, count)],
  lower: ({ inputs, outputs: [ring], attributes: { length, count } }) => ({
    variant: "ring",
    kernels: [
      kernel({
        label: "history",
        workgroupSize: [1],
        reads: numbered("value", inputs, (value) => [value, "f32"] as const),
        writes: { ring: [ring!, "f32"] },
        main: inputs.map((_, i) => wgsl`setRing((stepNumber() % ${length}u) * ${count}u + ${i}u, value${i}(0));`).join("\n  "),
        workgroups: () => [1, 1, 1],
      }),
    ],
  }),
};

/** Writes `values`, each f32 [1], into row `step mod length` of `ring` f32 [length, values]. */
export function recordHistory(values: readonly Value[], ring: Persistent): void {
  values[0]!.tape.update(operation, values, [ring], { length: ring.shape[0]!, count: values.length });
}
