/** A program's gradients leave in segments: each byte in one, and complete at its cut, while what comes later is not. */
import { expect, it } from "vitest";
import { gradient } from "../../src/autograd/gradient.ts";
import { compile } from "../../src/autograd/program.ts";
import { segmentEnds, segmentsOf } from "../../src/autograd/segments.ts";
import { f32, type Value } from "../../src/kernels/language/operation.ts";
import { matmul } from "../../src/kernels/matmul/matmul.ts";
import { tanh } from "../../src/kernels/pointwise/pointwise.ts";
import { sum } from "../../src/kernels/sum.ts";
import { ArenaTensor } from "../../src/nn/parameters/arena-tensor.ts";
import { openTestDevice } from "../device.ts";
import { normals } from "../kernels/data.ts";

const device = await openTestDevice();
const width = 12;
const layers = 6;
/** Numbers from one matrix to the next, and the bytes between that nothing writes. */
const place = 256;
const gap = 256;

it("has complete gradients at its cuts, the last layers' first", async () => {
  const allocated = (name: string, elements: number) => {
    const tensor = new ArenaTensor(name, "f32", [elements]);
    tensor.buffer = device.createBuffer(name, elements * 4, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC);
    return tensor;
  };
  const [weights, gradients, unused] = [
    allocated("weights", layers * place),
    allocated("gradients", layers * place),
    allocated("unused", 1),
  ];
  device.write(weights.buffer!, 0, normals(layers * place, 1));
  const parameters = Array.from({ length: layers }, (_, i) => ({
    ...weights.part(`weight ${i}`, i * place, [width, width]),
    window: { buffer: weights.buffer!, offset: i * place * 4, size: width * width * 4 },
    gradient: gradients.part(`gradient ${i}`, i * place, [width, width]),
  }));
  const program = await compile(device, (tape) => {
    let x: Value = tape.input("x", f32(8, width));
    for (const parameter of parameters) x = tanh(matmul(x, parameter, "nn"));
    gradient(tape, sum(x), parameters, { accumulate: true });
    return {};
  });
  const tensors = [gradients, unused];
  const segments = segmentsOf(program.plan, tensors, 4);
  const layer = place * 4;
  expect(segments).toEqual([
    [{ tensor: 0, first: 4 * layer - gap, end: 6 * layer }],
    [{ tensor: 0, first: 2 * layer - gap, end: 4 * layer - gap }],
    [{ tensor: 0, first: 0, end: 2 * layer - gap }],
    // What nothing writes is small enough to leave with the last.
    [{ tensor: 1, first: 0, end: 4 }],
  ]);
  const ends = segmentEnds(program.plan, tensors, segments);

  const atCuts: Promise<ArrayBuffer>[] = [];
  const cuts = ends.map((after) => ({ after, reached: () => void atCuts.push(device.read(gradients.window)) }));
  const submits = device.counters.submits;
  program.run({ inputs: { x: normals(8 * width, 2) } }, "whole", cuts);
  // Three submits of the program, since nothing comes after the third cut, and one for each of our reads.
  expect(device.counters.submits - submits).toBe(7);
  const found = (await Promise.all(atCuts)).map((bytes) => new Float32Array(bytes));
  const complete = found.at(-1)!;
  for (const [i, values] of found.entries()) {
    const begin = [4, 2, 0, 0][i]! * place;
    expect(values.subarray(begin)).toEqual(complete.subarray(begin));
    expect(values.subarray(0, begin).every((value) => value === 0)).toBe(true);
    expect(complete.subarray(begin, begin + width).every((value) => value !== 0)).toBe(true);
  }
  program.close();
  for (const tensor of [...tensors, weights]) tensor.buffer!.destroy();
});
