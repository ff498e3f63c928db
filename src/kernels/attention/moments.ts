/** What the backward pass of attention needs of every query and head, joined in one tensor: log Σ exp(score) and Σ dP·P = dContext·context. */
import { wgsl } from "../../gpu/shader.ts";
import { pointKernel } from "../language/kernel.ts";
import { Scratch, type Value } from "../language/operation.ts";
import type { AttentionAttributes } from "./attributes.ts";
import { headVector } from "./head-vector.ts";

/** The context [tokens, width], its gradient, and the log Σ exp(score) that the forward pass kept, f32 [tokens, heads]. */
export interface MomentInputs {
  readonly context: Value;
  readonly dContext: Value;
  readonly logSum: Value;
}

/** The kernel that computes both moments of every query and head: f32 [tokens, heads, 2]. */
export function joinMoments({ context, dContext, logSum }: MomentInputs, { heads }: AttentionAttributes) {
  const moments = new Scratch("f32", [...logSum.shape, 2]);
  const headSize = (context.shape[1] as number) / heads;
  const { size, type } = headVector(headSize);
  const vectors = headSize / size;
  return {
    moments,
    kernel: pointKernel({
      label: "attentionGradient moments",
      over: logSum,
      width: 1,
      reads: { context: [context, type], dContext: [dContext, type], logSum: [logSum, "f32"] },
      writes: { moments: [moments, "vec2f"] },
      main: wgsl`var inner = 0.0;
  for (var i = index * ${vectors}u; i < (index + 1u) * ${vectors}u; i++) { inner += dot(dContext(i), context(i)); }
  setMoments(index, vec2f(logSum(index), inner));`,
    }),
  };
}
