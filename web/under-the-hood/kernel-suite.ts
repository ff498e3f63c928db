/**
 * The kernel suite of the page: every operation, in each variant that the device can run, against a float64 reference of the same operation, forward
 * and backward. `kernel-checks.ts` lists the checks; this file runs and measures them. It is independent of the page.
 *
 * The tests of the repository check the same kernels on many more shapes; this suite is for the device of the page's visitor.
 */
import type { Program } from "../../src/autograd/program.ts";
import type { StepInput } from "../../src/autograd/step-input.ts";
import type { Tape } from "../../src/autograd/tape.ts";
import { SimcseError } from "../../src/errors.ts";
import type { Capabilities } from "../../src/gpu/capabilities.ts";
import type { Device } from "../../src/gpu/device.ts";
import type { Value } from "../../src/kernels/language/operation.ts";
import type { Tolerance } from "../../test/kernels/close.ts";
import { integers, normals } from "../../test/kernels/data.ts";
import { adjoint, build, execute } from "../../test/kernels/run.ts";
import type { Variant } from "../../test/kernels/variants.ts";
import { derivative, directionalDerivative, weighted } from "../../test/reference/differences.ts";

/** The largest error of a kernel's output, and its tolerance. */
export interface Deviation {
  /** The largest absolute difference; infinite if the output is NaN. */
  readonly error: number;
  readonly tolerance: number;
}

/** One line of the suite's table. */
export interface Finding extends Deviation {
  readonly operation: string;
  /** The kernel variants that ran, as a plan names them. */
  readonly variant: string;
  readonly passed: boolean;
  /** Why the kernel did not run at all. */
  readonly failure?: string;
}

/** The result of a check for one part of an operation: `""` is the operation itself, `gradient` its backward pass. */
export interface Measurement {
  readonly part: "" | "gradient";
  readonly variant: string;
  readonly deviations: readonly Deviation[];
}

export interface KernelCheck {
  readonly operation: string;
  /** Capabilities that make the device choose each variant; the device's own if absent. */
  readonly variants?: ((device: Device) => readonly Variant[]) | undefined;
  readonly measure: (device: Device, capabilities: Capabilities) => Promise<Measurement[]>;
}

/** The largest relative error of one f32 rounding. */
const epsilon = 2 ** -24;

/** Measures the first elements of `actual`, its live part, against all of `expected`; the tolerance is c·ε·√K·scale, as in the tests. */
export function deviation(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { c = 4, terms = 1, scale = 0 }: Tolerance = {},
): Deviation {
  let error = 0;
  let size = scale;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!);
    error = Math.max(error, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference);
    size = Math.max(size, Math.abs(expected[i]!));
  }
  return { error, tolerance: c * epsilon * Math.sqrt(terms) * size };
}

/** An operation as a function of its f32 inputs. */
export interface FunctionCheck {
  readonly operation: string;
  readonly variants?: KernelCheck["variants"];
  /** f32 inputs of the tape by name, up to their live rows. If the operation has a gradient, it is checked for each of them. */
  readonly inputs: Readonly<Record<string, Float32Array>>;
  /** Records the operation and returns the output that is checked. */
  readonly record: (tape: Tape) => Value;
  /** Tables, live sizes and seeds. */
  readonly step?: StepInput;
  /** The live part of the output, in float64. */
  readonly reference: (inputs: Readonly<Record<string, ArrayLike<number>>>) => ArrayLike<number>;
  readonly tolerance?: Tolerance;
  readonly gradientTolerance?: Tolerance;
}

/** The seed of the output's weights, which make one number of it for the gradient. */
const weightSeed = 1000;

/** Checks a function and its gradient, the latter against finite differences of the reference. */
export function functionCheck({ operation, variants, ...check }: FunctionCheck): KernelCheck {
  return { operation, variants, measure: (device, capabilities) => measureFunction(check, device, capabilities) };
}

async function measureFunction(
  check: Omit<FunctionCheck, "operation" | "variants">,
  device: Device,
  capabilities: Capabilities,
): Promise<Measurement[]> {
  const { inputs, record, step = {}, reference, tolerance, gradientTolerance = tolerance } = check;
  const expected = reference(inputs);
  const weights = normals(expected.length, weightSeed);
  const differentiated: string[] = [];
  const program = await build(
    device,
    (tape) => {
      const y = record(tape);
      const outputs: Record<string, Value> = { y };
      if (y.node!.operation.gradient === undefined) return outputs;
      adjoint(y, tape.input("dy", y)).forEach((gradient, i) => {
        const { name } = y.node!.inputs[i]!;
        if (gradient === null || !(name in inputs)) return;
        differentiated.push(name);
        outputs[`d ${name}`] = gradient;
      });
      return outputs;
    },
    capabilities,
  );
  const dy = differentiated.length > 0 ? { dy: weights } : {};
  const outputs = await execute(program, { ...step, inputs: { ...step.inputs, ...inputs, ...dy } });
  program.close();
  const forward = lastForwardStep(program);
  const measurements: Measurement[] = [
    { part: "", variant: variantsOf(program, 0, forward + 1), deviations: [deviation(outputs.y!, expected, tolerance)] },
  ];
  if (differentiated.length > 0) {
    const deviations = differentiated.flatMap((name) => {
      const value = weighted(weights, (at) => reference({ ...inputs, [name]: at }));
      return gradientDeviations(outputs[`d ${name}`]!, Float64Array.from(inputs[name]!), value, gradientTolerance);
    });
    measurements.push({ part: "gradient", variant: variantsOf(program, forward + 1), deviations });
  }
  return measurements;
}

/** Number of places of an input at which its gradient is compared individually. */
const places = 8;

/** A gradient at some places, the first and the last among them, and along a random direction, where the errors of N elements add up to √N. */
function gradientDeviations(
  actual: Float32Array,
  x: Float64Array,
  value: (x: Float64Array) => number,
  { scale = 0, ...tolerance }: Tolerance = {},
): Deviation[] {
  const live = actual.subarray(0, x.length);
  const size = live.reduce((largest, v) => Math.max(largest, Math.abs(v)), scale);
  const chosen = [0, x.length - 1, ...integers(places - 2, x.length, x.length)];
  const direction = Float64Array.from(integers(x.length, 2, x.length + 1), (bit) => 2 * bit - 1);
  const along = live.reduce((sum, v, i) => sum + v * direction[i]!, 0);
  return [
    deviation(
      chosen.map((i) => live[i]!),
      chosen.map((i) => derivative(value, x, i)),
      { ...tolerance, scale: size },
    ),
    deviation([along], [directionalDerivative(value, x, direction)], { ...tolerance, scale: size * Math.sqrt(x.length) }),
  ];
}

/** The last step of a program that computes its output `y`. */
function lastForwardStep({ plan: { steps }, outputs }: Program): number {
  return steps.findIndex(({ node }) => node === outputs.y!.node);
}

/** The variants that a part of a program chose, each once. */
export function variantsOf({ plan: { steps } }: Program, from: number, to?: number): string {
  return [...new Set(steps.slice(from, to).map(({ lowering }) => lowering.variant))].join(", ");
}

/** The error as a multiple of the tolerance, which is zero for exact results. */
const severity = ({ error, tolerance }: Deviation) => (error === 0 ? 0 : error / tolerance);

/** Runs checks one after another on a device, and yields each result at once. A kernel that cannot run is a result too. */
export async function* runKernelSuite(device: Device, checks: readonly KernelCheck[], signal?: AbortSignal): AsyncGenerator<Finding> {
  for (const { operation, variants, measure } of checks) {
    for (const { name, capabilities } of variants?.(device) ?? [{ name: "", capabilities: device.capabilities }]) {
      if (signal?.aborted) return;
      try {
        for (const { part, variant, deviations } of await measure(device, capabilities)) {
          const worst = deviations.reduce((a, b) => (severity(b) > severity(a) ? b : a));
          yield { operation: part ? `${operation}, ${part}` : operation, variant, ...worst, passed: worst.error <= worst.tolerance };
        }
      } catch (error) {
        if (!(error instanceof SimcseError)) throw error;
        yield { operation, variant: name, error: Number.POSITIVE_INFINITY, tolerance: 0, passed: false, failure: error.message };
      }
    }
  }
}
