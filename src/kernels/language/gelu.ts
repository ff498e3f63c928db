/**
 * GELU in WGSL, for the pointwise table: x·Φ(x) with Φ the normal distribution, and its approximation by a hyperbolic tangent (Hendrycks &
 * Gimpel 2016). `T` stands for f32 or a vector of f32.
 *
 * WGSL has no erf. This one is Abramowitz & Stegun 7.1.26, absolute error at most 1.5e-7, about one f32 rounding of Φ.
 */
import { wgsl } from "../../gpu/shader.ts";

/** WGSL functions `gelu` and `geluDerivative`, which is Φ(x) + x·φ(x). */
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

/**
 * WGSL functions `geluTanh`, x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³))), and its derivative. That is x·σ(v) with the logistic function σ and
 * twice the argument of tanh, so the error is relative to the result; WGSL's tanh has an absolute one of 1e-5. Beyond ±30, σ(v) is 0 or 1 in f32,
 * and the cube would overflow far from zero.
 */
export const geluTanhDeclarations = wgsl`
fn nearZero(x: T) -> T { return clamp(x, T(-30.0), T(30.0)); }
fn geluTanh(x: T) -> T {
  let near = nearZero(x);
  let e = exp(-abs(near * (1.595769122 + 0.07135481628 * near * near)));
  return x * (select(T(1.0), e, x < T(0.0)) / (1.0 + e));
}
fn geluTanhDerivative(x: T) -> T {
  let near = nearZero(x);
  let e = exp(-abs(near * (1.595769122 + 0.07135481628 * near * near)));
  let slope = near * (1.595769122 + 0.2140644488 * near * near);
  return (select(T(1.0), e, x < T(0.0)) + slope * (e / (1.0 + e))) / (1.0 + e);
}
`;
