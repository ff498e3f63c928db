/**
 * Runs one recorded computation on the test device, and differentiates it: what every kernel test needs. The seed of the backward pass is a
 * given weight for each output element, so that the gradient of any shape of output is tested against differences of one number.
 */
import { gradient } from "../../src/autograd/gradient.ts";
import { compile } from "../../src/autograd/program.ts";
import type { Tape } from "../../src/autograd/tape.ts";
import type { Device } from "../../src/gpu/device.ts";
import { elementCount, type Persistent, type Value } from "../../src/kernels/operation.ts";

/** A persistent f32 tensor of given content, outside of any arena. */
export function tensor(device: Device, shape: number[], data: Float32Array, name = "tensor"): Persistent {
  const size = elementCount(shape) * 4;
  const buffer = device.createBuffer(name, size, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC);
  device.gpu.queue.writeBuffer(buffer, 0, data as GPUAllowSharedBufferSource);
  return { name, dtype: "f32", shape, window: { buffer, offset: 0, size } };
}

export interface Run {
  /** Records the computation; `inputs` are values of the given tensors. */
  readonly record: (tape: Tape, tensors: readonly Persistent[]) => Value | Record<string, Value>;
  readonly tensors: readonly { readonly shape: number[]; readonly data: Float32Array }[];
  readonly step?: Parameters<Awaited<ReturnType<typeof compile>>["run"]>[0];
}

/** The outputs of a computation, by name (`y` when it returns one value), as f32. */
export async function run(device: Device, { record, tensors, step = {} }: Run): Promise<Record<string, Float32Array>> {
  const held = tensors.map(({ shape, data }, i) => tensor(device, shape, data, `x${i}`));
  const program = await compile(device, (tape) => {
    const result = record(tape, held);
    return "tape" in result ? { y: result as Value } : (result as Record<string, Value>);
  });
  program.run(step);
  const outputs: Record<string, Float32Array> = {};
  for (const name of Object.keys(program.outputs)) outputs[name] = await program.read(name);
  program.close();
  for (const { window } of held) window.buffer.destroy();
  return outputs;
}

/** Gradients of a scalar-valued computation (f32 [1]) with respect to each tensor, named d0, d1, …, and its value as `loss`. */
export async function runGradient(device: Device, { record, tensors, step = {} }: Run): Promise<Record<string, Float32Array>> {
  return run(device, {
    tensors,
    step,
    record: (tape, held) => {
      const loss = record(tape, held) as Value;
      const gradients = gradient(tape, loss, held);
      const named = gradients
        .map((value, i) => [`d${i}`, value] as const)
        .filter((entry): entry is readonly [string, Value] => entry[1] !== null);
      return { loss, ...Object.fromEntries(named) };
    },
  });
}
