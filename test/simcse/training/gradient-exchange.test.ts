/** Several devices end with the sums of their tensors, added in the order of the devices, and use the memory that was announced. */
import { afterAll, expect, it } from "vitest";
import { bindingAlignment, type Device } from "../../../src/gpu/device.ts";
import { openDevice } from "../../../src/gpu/node.ts";
import { stepWords } from "../../../src/kernels/language/kernel.ts";
import { ArenaTensor } from "../../../src/nn/parameters/arena-tensor.ts";
import { blocksOf, exchangeBytes, GradientExchange, type Member } from "../../../src/simcse/training/step/gradient-exchange.ts";
import { openTestDevice } from "../../device.ts";

const devices = [await openTestDevice(), await openTestDevice(), await openDevice()] as const;
const lost = devices[2];
afterAll(() => lost.close());

/** One number; less than three shares; shares that differ; several blocks of 4 KB. */
const sizes = [1, 100, 640, 3000];

/** Whoever adds them in another order gets another sum. */
const values = (rank: number, size: number) => Float32Array.from({ length: size }, (_, i) => [2 ** 24, 1 + (i % 7), -(2 ** 24)][rank]!);

function member(device: Device): Member {
  const tensors = sizes.map((size) => {
    const tensor = new ArenaTensor(`${size}`, "f32", [size]);
    tensor.buffer = device.createBuffer(tensor.name, size * 4, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC);
    return tensor;
  });
  return { device, tensors };
}

it("adds in the order of the devices, twice, and goes on without a device that is lost", async () => {
  const members = devices.map(member);
  const limits = { ...devices[0].capabilities.limits, maxStorageBufferBindingSize: 4096 };
  const ranges = sizes.map((size, tensor) => ({ tensor, first: 0, end: 4 * size }));
  const blocks = blocksOf(ranges, limits);
  expect(blocks.map(({ tensor, first, end }) => [tensor, first, end])).toEqual([
    [0, 0, 4],
    [1, 0, 400],
    [2, 0, 2560],
    [3, 0, 4096],
    [3, 4096, 8192],
    [3, 8192, 12_000],
  ]);
  const before = devices.map(({ counters }) => counters.bufferBytes);
  const exchange = await GradientExchange.create(members, blocks);
  const uniforms = stepWords * 4 + bindingAlignment;
  const allocated = devices.map(({ counters }, rank) => counters.bufferBytes - before[rank]!);
  const announced = exchangeBytes(blocks, 3) + blocks.length * uniforms;
  expect(allocated.map((bytes) => bytes <= announced)).toEqual([true, true, true]);
  expect(Math.max(...allocated)).toBeGreaterThan(0.9 * announced);

  // What was sent in a step that failed is forgotten.
  exchange.send(1, blocks);
  await exchange.discard();
  for (const [rank, { device, tensors }] of members.entries()) {
    for (const { window, bytes } of tensors) {
      device.write(window.buffer, 0, values(rank, bytes / 4));
    }
  }
  let expected = devices.map((_, rank) => sizes.map((size) => values(rank, size)));
  for (let time = 0; time < 2; time++) {
    await exchange.add();
    const sums = sizes.map((_, t) => expected[0]![t]!.map((x, i) => Math.fround(x + expected[1]![t]![i]!) + expected[2]![t]![i]!));
    expected = devices.map(() => sums);
    const found = members.map(({ device, tensors }) =>
      Promise.all(tensors.map(async ({ window }) => new Float32Array(await device.read(window)))),
    );
    expect(await Promise.all(found)).toEqual(expected);
  }

  const added = exchange.add();
  lost.gpu.destroy();
  await expect(added).rejects.toThrow("device was lost");
  exchange.close();
  const others = await GradientExchange.create(members.slice(0, 2), blocks);
  await others.add();
  others.close();
});
