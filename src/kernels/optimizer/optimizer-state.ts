/**
 * An optimiser's state besides its moments: the number of updates (in the form that bias correction needs) and the loss scale of mixed
 * precision. It is on the GPU, so that no step waits for the host. The kernel that advances it first computes the norm of all gradients.
 *
 * A step whose gradient norm is not finite makes no update. With a dynamic scale (Micikevicius et al. 2018; with the constants of PyTorch's
 * GradScaler), such a step halves the scale, and 2,000 good steps in a row double it.
 *
 * 1 − βᵗ is updated as u ← β·u + (1 − β). If it were computed from βᵗ in f32, the first steps would lose four digits.
 */
import { wgsl } from "../../gpu/shader.ts";
import { elementOf } from "../fill.ts";
import { paramF32 } from "../language/kernel.ts";
import { expectType, f32, type Operand, type Operation, type Persistent, type Recorder, type Value } from "../language/operation.ts";
import { rowKernel, rowVariant } from "../language/row-kernel.ts";
import { sumsOfSquares, totalOfSums } from "./global-norm.ts";

/** The index of each number in the state, f32 [8]. */
export const optimizerField = {
  /** 1 − β1ᵗ and 1 − β2ᵗ. */
  first: 0,
  second: 1,
  /** The loss is multiplied by this before it is differentiated. */
  lossScale: 2,
  /** Steps since the scale last changed. */
  goodSteps: 3,
  updates: 4,
  skipped: 5,
  /** Of the current step: the factor of the gradients (unscales and clips; 0 skips the update), and √(1−β2ᵗ)/(1−β1ᵗ). */
  gradientFactor: 6,
  biasCorrection: 7,
} as const;

/** The shape of the state. */
export const optimizerStateShape = [8] as const;

/** The state before the first step. */
export function initialOptimizerState({ lossScale }: { readonly lossScale: number }): Float32Array {
  const state = new Float32Array(optimizerStateShape[0]);
  state[optimizerField.lossScale] = lossScale;
  return state;
}

/** GradScaler's first scale, and how it grows. */
export const initialLossScale = 65_536;
const growthInterval = 2000;
const largestScale = 2 ** 24;

/** How the state changes with each step. */
export interface OptimizerState {
  readonly beta1: number;
  readonly beta2: number;
  /** Largest norm of all gradients together; Infinity does not clip. */
  readonly maxGradNorm: number;
  /** Whether the loss scale adapts to overflows; otherwise it is constant. */
  readonly dynamicScale: boolean;
}

const operation: Operation<OptimizerState> = {
  name: "optimizerState",
  infer([, state]) {
    expectType("optimizerState", "state", state!, "f32", optimizerStateShape);
    return [f32(1), state!];
  },
  lower({ inputs: [sums], outputs: [norm, state], attributes: { beta1, beta2, maxGradNorm, dynamicScale } }, capabilities) {
    const at = (name: keyof typeof optimizerField) => `${optimizerField[name]}u`;
    const clip = Number.isFinite(maxGradNorm) ? "min(1.0, params.maxNorm / (measured + 1e-6))" : "1.0";
    const grow = wgsl`
  let good = state(${at("goodSteps")}) + 1.0;
  let grows = good >= ${growthInterval}.0;
  setState(${at("goodSteps")}, select(good, 0.0, grows));
  setState(${at("lossScale")}, select(scale, min(2.0 * scale, ${largestScale}.0), grows));`;
    const shrink = wgsl`
    setState(${at("goodSteps")}, 0.0);
    setState(${at("lossScale")}, max(0.5 * scale, 1.0));`;
    return {
      variant: rowVariant(capabilities),
      kernels: [
        rowKernel(capabilities, {
          label: "optimizerState",
          rowCount: 1,
          reads: { sums: [sums!, "f32"] },
          writes: { norm: [norm!, "f32"], state: [state!, "f32"] },
          params: {
            beta1: paramF32(beta1),
            beta2: paramF32(beta2),
            rest1: paramF32(1 - beta1),
            rest2: paramF32(1 - beta2),
            maxNorm: paramF32(Number.isFinite(maxGradNorm) ? maxGradNorm : 0),
          },
          main: wgsl`${totalOfSums(capabilities)}
  if (firstColumn > 0u) { return; }
  let scale = state(${at("lossScale")});
  let measured = sqrt(all) / scale;
  setNorm(0u, measured);
  if ((bitcast<u32>(measured) & 0x7f800000u) == 0x7f800000u) {
    setState(${at("skipped")}, state(${at("skipped")}) + 1.0);
    setState(${at("gradientFactor")}, 0.0);${dynamicScale ? shrink : ""}
    return;
  }
  let first = params.beta1 * state(${at("first")}) + params.rest1;
  let second = params.beta2 * state(${at("second")}) + params.rest2;
  setState(${at("first")}, first);
  setState(${at("second")}, second);
  setState(${at("updates")}, state(${at("updates")}) + 1.0);
  setState(${at("gradientFactor")}, ${clip} / scale);
  setState(${at("biasCorrection")}, sqrt(second) / first);${dynamicScale ? grow : ""}`,
        }),
      ],
    };
  },
};

/**
 * Advances `state` by one step with `gradients`; the optimiser's update then reads the step's factors from it. Returns the Euclidean norm of all
 * gradients taken as one vector, without the loss scale and before clipping, f32 [1].
 */
export function advanceOptimizer(tape: Recorder, gradients: readonly Operand[], state: Persistent, attributes: OptimizerState): Value {
  const [norm, next] = tape.append(operation, [sumsOfSquares(tape, gradients), state], attributes);
  next!.persistent = state;
  return norm!;
}

/** f32 [1]: the current loss scale of `state`, the seed of a backward pass. */
export function lossScale(tape: Recorder, state: Persistent): Value {
  return elementOf(tape, state, optimizerField.lossScale);
}
