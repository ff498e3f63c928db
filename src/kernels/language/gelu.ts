/**
 * GELU in WGSL, for the pointwise table and for the epilogue of products. `gelu(x)` is x·Φ(x) with Φ the normal distribution (Hendrycks &
 * Gimpel 2016), and `geluDerivative(x)` is Φ(x) + x·φ(x). `T` stands for f32 or a vector of f32.
 *
 * WGSL has no erf. This one is Abramowitz & Stegun 7.1.26, absolute error at most 1.5e-7, about one f32 rounding of Φ.
 */
import { wgsl } from "../../gpu/shader.ts";

/** WGSL functions `gelu` and `geluDerivative`. */
export const geluDeclarations = wgsl`
fn normalDensity(x: T) -> T { return 0.3989422804 * exp(-0.5 * x * x); }
fn normalDistribution(x: T) -> T {
  let z = abs(x) * 0.7071067812;
  let t = 1.0 / (1.0 + 0.3275911 * z);
  let series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  let tail = 0.5 * series * exp(-z * z);
  return select(tail, 1.0 - tail, x > T(0.0));
}
fn gelu(x: T) -> T { return x * normalDistribution(x); }
fn geluDerivative(x: T) -> T { return normalDistribution(x) + x * normalDensity(x); }
`;
