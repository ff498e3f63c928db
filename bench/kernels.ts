/** Single kernels on this machine's adapter: matmul, LayerNorm, attention, AdamW. Prints a Markdown table. */
import { compile, type Program } from "../src/autograd/program.ts";
import type { Tape } from "../src/autograd/tape.ts";
import type { Device } from "../src/gpu/device.ts";
import { attention } from "../src/kernels/attention.ts";
import { layerNorm } from "../src/kernels/layer-norm.ts";
import { type Layout, matmul } from "../src/kernels/matmul.ts";
import { f32, type Value } from "../src/kernels/operation.ts";
import { BatchPacker, declareBatch } from "../src/simcse/batch.ts";
import { markdown, measure, once } from "./measure.ts";

const layouts: Record<Layout, (m: number, n: number, k: number) => [number[], number[]]> = {
  nn: (m, n, k) => [
    [m, k],
    [k, n],
  ],
  nt: (m, n, k) => [
    [m, k],
    [n, k],
  ],
  tn: (m, n, k) => [
    [k, m],
    [k, n],
  ],
};

/** [what it is in BERT, layout, m, n, k] */
const products: readonly (readonly [string, Layout, number, number, number])[] = [
  ["512³", "nn", 512, 512, 512],
  ["1024³", "nn", 1024, 1024, 1024],
  ["512³", "nt", 512, 512, 512],
  ["512³", "tn", 512, 512, 512],
  ["hidden 128, query·key·value", "nt", 4096, 384, 128],
  ["hidden 128, intermediate", "nt", 4096, 512, 128],
  ["hidden 128, output", "nt", 4096, 128, 512],
  ["hidden 128, output, gradient of input", "nn", 4096, 512, 128],
  ["hidden 128, output, gradient of weight", "tn", 128, 512, 4096],
  ["base, intermediate", "nt", 1024, 3072, 768],
];

interface Measured {
  readonly name: string;
  readonly program: Program;
  readonly flop: number;
  readonly bytes: number;
  readonly step?: Parameters<Program["run"]>[0];
}

const build = (device: Device, record: (tape: Tape) => Value) => compile(device, (tape) => ({ y: record(tape) })) as Promise<Program>;

async function subjects(device: Device): Promise<Measured[]> {
  const matmuls = products.map(async ([name, layout, m, n, k]) => {
    const [a, b] = layouts[layout](m, n, k);
    const program = await build(device, (tape) => matmul(tape.input("a", f32(...a)), tape.input("b", f32(...b)) as Value, layout));
    const variant = program.plan.steps[0]!.lowering.variant;
    return {
      name: `matmul ${layout} ${m}×${n}×${k} (${name}; ${variant})`,
      program,
      flop: 2 * m * n * k,
      bytes: 4 * (m * k + k * n + m * n),
    };
  });
  const [rows, width] = [2048, 768];
  const norm = build(device, (tape) =>
    layerNorm(tape.input("x", f32(rows, width)), tape.input("w", f32(width)), tape.input("b", f32(width)), 1e-12),
  );
  const capacity = { sentences: 128, tokens: 4096, vocabulary: 30_522, positions: 512 };
  const heads = await build(device, (tape) => {
    const batch = declareBatch(tape, capacity, { training: false });
    return attention(tape.input("qkv", f32(tape.extent("tokens", capacity.tokens), 3 * 128)), batch, { heads: 2, dropout: 0 });
  });
  const packed = new BatchPacker(capacity).pack(
    Array.from({ length: 128 }, (_, key) => ({ ids: Array.from({ length: 32 }, (_, i) => i + 1), key })),
    { training: false },
  );
  return [
    ...(await Promise.all(matmuls)),
    { name: `LayerNorm ${rows}×${width}`, program: await norm, flop: 8 * rows * width, bytes: 8 * rows * width },
    {
      name: "attention, 128 sentences × 32 tokens, 2 heads of 64",
      program: heads,
      flop: 4 * 128 * 2 * 32 * 32 * 64,
      bytes: 4 * 4096 * 128 * 4,
      step: packed,
    },
  ];
}

/** The table of all kernels. */
export async function kernelTable(device: Device, rounds = 9): Promise<string> {
  const list = await subjects(device);
  const times = await measure(
    list.map(({ name, program, step }) => ({ name, run: once(device, program, step) })),
    rounds,
  );
  for (const { program } of list) program.close();
  const rows = list.map(({ name, flop, bytes }, i) => [
    name,
    times[i]!.toFixed(2),
    (flop / times[i]! / 1e6).toFixed(1),
    (bytes / times[i]! / 1e6).toFixed(1),
  ]);
  return markdown(["kernel", "ms", "GFLOP/s", "GB/s"], rows);
}
