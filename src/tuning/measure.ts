/** Measures how long a program's dispatches take, to compare variants: on the GPU's clock if it has one, otherwise on the host's. */

import { encodeDispatches, type Program } from "../autograd/program.ts";
import { DeviceError } from "../errors.ts";
import { Timestamps } from "../gpu/timestamps.ts";
import { atCapacity } from "../kernels/language/kernel.ts";
import { randomInputs } from "./node-program.ts";

/** Milliseconds of a batch of runs. Browsers and Dawn round timestamps to 0.1 ms or less, and an idle GPU needs a while to clock up. */
const batchMilliseconds = 4;
const mostRuns = 200;
const batches = 5;
/** Measuring a variant stops when the best of a few runs is this many times slower than the best variant so far. */
const hopeless = 3;
const looks = 3;

/** The median milliseconds of a run of `program` at capacity, on random numbers. Less exact where it is far above `best`. */
export async function measure(program: Program, best = Number.POSITIVE_INFINITY): Promise<number> {
  const { device, dispatches } = program;
  // A pass's timestamps leave out copies into textures, which stand between passes; the host's clock counts them.
  const isOnePass = dispatches.every(({ copies }) => copies.length === 0);
  const timestamps = isOnePass && device.capabilities.features.has("timestamp-query") ? new Timestamps(device, 1) : null;
  try {
    // Writes inputs and uniforms, and triggers the driver's work at a pipeline's first use.
    program.run({ inputs: randomInputs(program) });
    await device.finish();
    const single = Math.min(...(await timeBatches(program, looks, 1, timestamps)));
    if (single > hopeless * best) return single;
    const runs = Math.min(mostRuns, Math.max(1, Math.ceil(batchMilliseconds / single)));
    const times = await timeBatches(program, 1 + batches, runs, timestamps);
    // The first batch was for clocking up the GPU.
    return times.slice(1).sort((a, b) => a - b)[Math.floor(batches / 2)]!;
  } finally {
    timestamps?.close();
  }
}

/** `count` measurements of the milliseconds per run, each the mean of `runs` runs in one pass. */
async function timeBatches(program: Program, count: number, runs: number, timestamps: Timestamps | null): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) times.push(await timeBatch(program, runs, timestamps));
  return times;
}

async function timeBatch({ device, dispatches }: Program, runs: number, timestamps: Timestamps | null): Promise<number> {
  let start = 0;
  const submitted = device.submit((encoder) => {
    encodeDispatches(encoder, Array<typeof dispatches>(runs).fill(dispatches).flat(), atCapacity, timestamps?.pass(0));
    timestamps?.resolve(encoder);
    start = performance.now();
  });
  if (timestamps === null) await device.finish();
  const milliseconds = (performance.now() - start) / runs;
  const refusal = await submitted;
  if (refusal !== null) throw new DeviceError(`${device.name} refused a measurement: ${refusal.message}`, "Run without autotuning.");
  if (timestamps === null) return milliseconds;
  const [{ begin, end }] = (await timestamps.read()) as [{ begin: number; end: number }];
  return (end - begin) / 1e6 / runs;
}
