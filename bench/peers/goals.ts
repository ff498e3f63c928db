/** The goals of this package against each peer on a software adapter, as (its time) / (our time). */

export interface Goal {
  readonly least: number;
  readonly aim: number;
}

type Goals = Readonly<Record<string, Goal>>;

export const trainingGoals: Goals = {
  "tfjs, WebGPU": { least: 10, aim: 17 },
  "jax-js, WebGPU": { least: 6, aim: 10 },
  "jax-js, wasm": { least: 1.3, aim: 2.5 },
  "PyTorch, CPU": { least: 1 / 3.5, aim: 1 / 2 },
};

export const encodingGoals: Goals = {
  "transformers.js, WebGPU": { least: 5, aim: 8 },
  "ONNX Runtime web, wasm": { least: 0.7, aim: 1 },
};

export const matmulGoals: Goals = {
  "64×64×8 shared tile": { least: 5, aim: 7 },
  OpenBLAS: { least: 0.2, aim: 0.35 },
};

/** On SwiftShader. */
export const swiftShaderGoals: Goals = {
  "64×64×8 shared tile": { least: 1.7, aim: 2.5 },
};

/** Maximum bytes of the process of our training run. */
export const memoryGoal = { least: 500e6, aim: 350e6 };

/** A ratio in the format of the tables. */
export function ratio(value: number): string {
  return `${value >= 10 ? value.toFixed(0) : value.toFixed(value >= 1 ? 1 : 2)}×`;
}

/** "at least (aim)", or nothing if there is no goal. */
export function goalText(goal: Goal | undefined): string {
  return goal === undefined ? "" : `${ratio(goal.least)} (${ratio(goal.aim)})`;
}
