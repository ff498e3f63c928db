/**
 * Counter-based random numbers for dropout: a hash of (seed, step, site, logical position), independent of a row's place in memory. So the
 * backward pass recomputes a mask instead of storing it, and the mask is the same however a batch is packed or chunked.
 *
 * The mixer is Chris Wellons' "lowbias32" (https://nullprogram.com/blog/2018/07/31/), an integer hash with a measured avalanche bias of
 * 0.17.
 */
import { OptionError } from "../../errors.ts";
import { wgsl } from "../../gpu/shader.ts";
import { paramF32, paramU32 } from "./kernel.ts";

/** A dropout site: its number, and the probability of zeroing an element. */
export interface Dropout {
  /** In [0, 1). */
  readonly probability: number;
  readonly site: number;
}

/** Throws `OptionError` unless `probability` is in [0, 1): the scale 1/(1−p) does not exist for 1. */
export function checkProbability(operation: string, probability: number): void {
  if (probability >= 0 && probability < 1) return;
  throw new OptionError(
    `${operation}: the probability of dropout is at least 0 and below 1, found ${probability}.`,
    "Give a number such as 0.1.",
  );
}

/** Fields that a kernel with dropout adds to its `params`. */
export function dropoutParams({ probability, site }: Dropout) {
  return {
    dropoutSite: paramU32(site),
    // A probability just below 1 would round to 2³², which is 0 as a u32.
    dropoutThreshold: paramU32(Math.min(Math.round(probability * 2 ** 32), 2 ** 32 - 1)),
    dropoutScale: paramF32(1 / (1 - probability)),
  };
}

/**
 * WGSL functions:
 *
 *     dropoutStep()                     key of the step and site, computed once a thread
 *     dropoutRow(stepKey, key)          stream of one logical row
 *     dropoutFactor(stream, position)   0 or 1/(1−p), for one element of the row
 *     dropoutFactors(stream, quad)      the same for the four elements from 4·quad on
 */
export const dropoutDeclarations = wgsl`
fn mix(x: u32) -> u32 {
  var h = x;
  h ^= h >> 16u; h *= 0x7feb352du;
  h ^= h >> 15u; h *= 0x846ca68bu;
  h ^= h >> 16u;
  return h;
}
fn dropoutStep() -> u32 {
  return 0x9e3779b9u * mix(params.dropoutSite + mix(stepNumber() + mix(seed())));
}
fn dropoutRow(stepKey: u32, key: u32) -> u32 { return mix(key + stepKey); }
fn dropoutFactor(stream: u32, position: u32) -> f32 {
  return select(0.0, params.dropoutScale, mix(stream ^ (position * 0x85ebca6bu)) >= params.dropoutThreshold);
}
fn dropoutFactors(stream: u32, quad: u32) -> vec4f {
  let p = quad * 4u;
  return vec4f(dropoutFactor(stream, p), dropoutFactor(stream, p + 1u), dropoutFactor(stream, p + 2u), dropoutFactor(stream, p + 3u));
}
`;

/** The WGSL function that returns the factors of a vector of `width` elements. */
export const dropoutOf = (width: 1 | 4): string => (width === 1 ? "dropoutFactor" : "dropoutFactors");
