/**
 * Runs one recorded computation on the test device and differentiates it, for every kernel test. The seed of the backward pass is a
 * given weight for each output element, so that the gradient of any shape of output is tested against differences of one number.
 */
import { gradient } from "../../src/autograd/gradient.ts";
import { type Choose, plan } from "../../src/autograd/plan.ts";
import { Program } from "../../src/autograd/program.ts";
import type { StepInput } from "../../src/autograd/step-input.ts";
import { Tape } from "../../src/autograd/tape.ts";
import type { Capabilities } from "../../src/gpu/capabilities.ts";
import type { Device } from "../../src/gpu/device.ts";
import { elementCount, type Persistent, type Value } from "../../src/kernels/language/operation.ts";

/** A persistent tensor with the given content, outside any arena. */
export function tensor(device: Device, shape: readonly number[], data: Float32Array | Uint32Array, name = "tensor"): Persistent {
  const size = elementCount(shape) * 4;
  const buffer = device.createBuffer(name, size, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC);
  device.write(buffer, 0, data);
  return { name, dtype: data instanceof Uint32Array ? "u32" : "f32", shape, window: { buffer, offset: 0, size } };
}

/** `compile` with any capabilities, so that every kernel variant runs on every adapter that can run it. */
export async function build<Outputs extends Record<string, Value>>(
  device: Device,
  record: (tape: Tape) => Outputs,
  capabilities: Capabilities = device.capabilities,
  choose?: Choose,
): Promise<Program<Outputs>> {
  const tape = new Tape();
  const outputs = record(tape);
  return Program.build(device, plan(tape, outputs, capabilities, choose), outputs, {});
}

/** A NaN that is easy to recognise in a dump; as an index it is far beyond every table. */
const poison = 0x7fc0dead;

/**
 * One step of a program, and its outputs. First every buffer of the program is filled with NaN, so that whatever a kernel reads beyond the
 * live part, or before something is written, shows in the outputs. Inputs are given up to their live rows.
 */
export async function execute(program: Program, step: StepInput = {}): Promise<Record<string, Float32Array>> {
  for (const buffer of program.buffers) {
    program.device.gpu.queue.writeBuffer(buffer, 0, new Uint32Array(buffer.size / 4).fill(poison));
  }
  program.run(step);
  const outputs: Record<string, Float32Array> = {};
  for (const name of Object.keys(program.outputs)) outputs[name] = await program.read(name);
  return outputs;
}

/** The gradients that the operation which made `y` gives its inputs, when the loss's gradient with respect to `y` is `dy`. */
export function adjoint(y: Value, dy: Value): (Value | null)[] {
  const { operation, outputs } = y.node!;
  return operation.gradient!(
    y.node!,
    outputs.map((output) => (output === y ? dy : null)),
  );
}

export interface Run<Result> {
  /** Records the computation of the given tensors. */
  readonly record: (tape: Tape, tensors: readonly Persistent[]) => Result;
  readonly tensors: readonly { readonly shape: number[]; readonly data: Float32Array }[];
  readonly step?: StepInput;
}

/** The outputs of a computation, by name, as f32. */
export async function run(device: Device, { record, tensors, step }: Run<Record<string, Value>>): Promise<Record<string, Float32Array>> {
  const held = tensors.map(({ shape, data }, i) => tensor(device, shape, data, `x${i}`));
  const program = await build(device, (tape) => record(tape, held));
  const outputs = await execute(program, step);
  program.close();
  for (const { window } of held) window.buffer.destroy();
  return outputs;
}

/** Gradients of a scalar-valued computation (f32 [1]) with respect to each tensor, named d0, d1, …, and its value as `loss`. */
export async function runGradient(device: Device, { record, ...rest }: Run<Value>): Promise<Record<string, Float32Array>> {
  return run(device, {
    ...rest,
    record: (tape, held) => {
      const loss = record(tape, held);
      const outputs: Record<string, Value> = { loss };
      gradient(tape, loss, held).forEach((value, i) => {
        if (value !== null) outputs[`d${i}`] = value;
      });
      return outputs;
    },
  });
}
