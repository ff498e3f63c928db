/** What it takes several devices to add their gradients: opened on the same adapter, and so with one link to the host between them. */
import type { Device } from "../src/gpu/device.ts";
import { ArenaTensor } from "../src/nn/parameters/arena-tensor.ts";
import { blocksOf, exchangeBytes, GradientExchange } from "../src/simcse/training/step/gradient-exchange.ts";
import { openAdapter } from "../tools/setup/open-adapter.ts";
import { type BenchTable, measure, short, timeCells } from "./measure.ts";
import type { Bench } from "./open-bench.ts";

/** Elements of the gradients: 100 MB. */
const elements = 25_000_000;

const head = ["gradients of 100 MB", "ms", "spread", "GB/s each way", "MB a device"];

export async function devicesTable({ device, rounds }: Bench): Promise<BenchTable> {
  const devices = [device, await openAdapter(), await openAdapter()];
  try {
    const rows: string[][] = [];
    for (const count of [2, 3]) rows.push(await row(devices.slice(0, count), rounds));
    return {
      head,
      rows,
      note: "The devices are opened on one adapter. Each way: what a device sends, and as much that it receives, 2·(N−1)/N of the gradients. MB a device: what the exchange allocates.",
    };
  } finally {
    for (const other of devices.slice(1)) other.close();
  }
}

async function row(devices: readonly Device[], rounds: number): Promise<string[]> {
  const members = devices.map((device) => {
    const tensor = new ArenaTensor("gradients", "f32", [elements]);
    tensor.buffer = device.createBuffer(
      tensor.name,
      tensor.bytes,
      GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
    );
    return { device, tensors: [tensor] };
  });
  const [tensor] = members[0]!.tensors;
  const blocks = blocksOf([{ tensor: 0, first: 0, end: tensor!.bytes }], devices[0]!.capabilities.limits);
  const exchange = await GradientExchange.create(members, blocks);
  const run = async () => {
    await exchange.add();
    await Promise.all(devices.map((device) => device.finish()));
  };
  const [timing] = await measure(devices[0]!, [{ run }], rounds);
  exchange.close();
  for (const { tensors } of members) tensors[0]!.buffer!.destroy();
  const sent = (2 * (devices.length - 1) * tensor!.bytes) / devices.length;
  return [
    `${devices.length} devices`,
    ...timeCells(timing!),
    short(sent / 1e6 / timing!.milliseconds),
    (exchangeBytes(blocks, devices.length) / 1e6).toFixed(0),
  ];
}
