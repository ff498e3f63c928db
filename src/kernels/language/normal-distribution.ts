/**
 * The normal distribution in WGSL, for GELU: `normalDistribution(x)` is Φ(x), `normalDensity(x)` is φ(x); `T` stands for f32 or a vector of it.
 *
 * WGSL has no erf. This one is Abramowitz & Stegun 7.1.26, absolute error at most 1.5e-7, about one f32 rounding of Φ.
 */
import { wgsl } from "../../gpu/shader.ts";

export const normalDistribution = wgsl`
fn normalDensity(x: T) -> T { return 0.3989422804 * exp(-0.5 * x * x); }
fn normalDistribution(x: T) -> T {
  let z = abs(x) * 0.7071067812;
  let t = 1.0 / (1.0 + 0.3275911 * z);
  let series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  let tail = 0.5 * series * exp(-z * z);
  return select(tail, 1.0 - tail, x > T(0.0));
}
`;
