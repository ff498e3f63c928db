/** AdamW with one thread per element, as the baseline for the kernel in vectors of four. */

import { wgsl } from "../src/gpu/shader.ts";
import { blockIndex, fold, kernel, scalar, threadsPerWorkgroup } from "../src/kernels/language/kernel.ts";
import { elementCount, type Operation, type Persistent, type Recorder, type Scalar } from "../src/kernels/language/operation.ts";
import { optimizerField } from "../src/kernels/optimizer/optimizer-state.ts";

const operation: Operation<{ readonly learningRate: Scalar }> = {
  name: "adamW",
  infer: ([gradient]) => [gradient!, gradient!, gradient!],
  lower({ inputs: [gradient, state], outputs: [parameters, first, second], attributes: { learningRate } }) {
    const count = elementCount(gradient!.shape);
    return {
      variant: "scalar",
      kernels: [
        kernel({
          label: "adamW scalar",
          workgroupSize: [threadsPerWorkgroup],
          reads: { gradient: [gradient!, "f32"], state: [state!, "f32"] },
          writes: { parameters: [parameters!, "f32"], first: [first!, "f32"], second: [second!, "f32"] },
          main: wgsl`${blockIndex}
  let index = block * ${threadsPerWorkgroup}u + thread;
  if (index >= ${count}u) { return; }
  let g = gradient(index) * state(${optimizerField.gradientFactor}u);
  let m = 0.9 * first(index) + 0.1 * g;
  let v = 0.999 * second(index) + 0.001 * g * g;
  setFirst(index, m);
  setSecond(index, v);
  setParameters(index, parameters(index) - ${scalar(learningRate)} * state(${optimizerField.biasCorrection}u) * m / (sqrt(v) + 1e-8));`,
          workgroups: () => fold(Math.ceil(count / threadsPerWorkgroup)),
        }),
      ],
    };
  },
};

/** AdamW with transformers' defaults and no decay, one thread per element. */
export function scalarAdamW(
  tape: Recorder,
  { gradient, parameters, first, second, state }: Record<"gradient" | "parameters" | "first" | "second" | "state", Persistent>,
  learningRate: Scalar,
): void {
  tape.update(operation, [gradient, state], [parameters, first, second], { learningRate });
}
