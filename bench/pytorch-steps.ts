/** The training step in PyTorch beside ours: on the machine's GPU if we use one, else on its CPU. */
import { findPyTorch, type PyTorchStep, pytorchStep } from "./pytorch.ts";
import type { StepPeers } from "./training-step.ts";

const onCpu: readonly (readonly [string, Pick<PyTorchStep, "amp" | "compile">])[] = [["CPU", { amp: false, compile: false }]];

const onCuda: typeof onCpu = [
  ["CUDA, f32", { amp: false, compile: false }],
  ["CUDA, AMP", { amp: true, compile: false }],
  ["CUDA, AMP, compiled", { amp: true, compile: true }],
];

export const pytorchSteps: StepPeers = ({ device, rounds }, model, ids) => {
  const torch = findPyTorch();
  if (torch === null) return [{ name: "PyTorch", result: "not installed" }];
  const { software } = device.capabilities;
  const name = `${model.name}, PyTorch ${torch.version}`;
  if (!software && torch.cuda === null) return [{ name, result: "has no CUDA" }];
  const on = software ? "cpu" : "cuda";
  return (software ? onCpu : onCuda).map(([way, options]) => {
    const result = pytorchStep(torch, { device: on, ...options, rounds, ids, config: model.config });
    return { name: `${name}, ${way}`, result: "reason" in result ? result.reason : result };
  });
};
