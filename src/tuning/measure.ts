/**
 * Measures dispatches beside each other: on the GPU's clock if it has one, otherwise on the host's.
 *
 * A short run on a rested device says little: an idle GPU takes up to 350 ms to reach its full clock, and browsers round timestamps. So
 * the device is kept busy first; then the contenders take turns, each with many runs in one pass, and the medians are compared.
 */
import { type Dispatch, encodeDispatches } from "../autograd/dispatches.ts";
import type { Program } from "../autograd/program.ts";
import { DeviceError } from "../errors.ts";
import type { Device } from "../gpu/device.ts";
import { Timestamps } from "../gpu/timestamps.ts";
import type { LiveSize, Node } from "../kernels/language/operation.ts";

/** Dispatches whose time is measured. The inputs that they read have been written. */
export interface Contender {
  readonly dispatches: readonly Dispatch[];
  readonly live: LiveSize;
}

/** How long a contender takes. */
export interface Timing {
  /** The median of a run. */
  readonly milliseconds: number;
  /** The distance between the quartiles as a share of the median. */
  readonly spread: number;
}

/** How much is measured. */
export interface Pace {
  /** Milliseconds that the device is kept busy before anything counts. */
  readonly warmUp: number;
  /** Milliseconds of a turn: as many runs of a contender as fit into it. */
  readonly turn: number;
  /** Turns of each contender. */
  readonly rounds: number;
  /** A contender that is this many times slower than the fastest in the first round gets no further turns; if absent, all get theirs. */
  readonly hopeless?: number;
}

/** Turns of a warm-up. */
const warmUpTurns = 20;

/** No turn has more runs than this, so that its commands take little memory. */
const mostRuns = 500;

/** How long an idle device must be kept busy: a GPU for its clock, a software adapter not at all. */
export const warmUpOf = ({ capabilities }: Device): number => (capabilities.software ? 0 : 400);

/** The dispatches of a program's nodes for which `isTimed`, with the live sizes of its last step. */
export function contenderOf({ plan, dispatches, live }: Program, isTimed: (node: Node) => boolean): Contender {
  const timed = plan.steps.flatMap(({ node, lowering }) => lowering.kernels.map(() => isTimed(node)));
  return { dispatches: dispatches.filter((_, i) => timed[i]), live };
}

/** The time of each contender. Throws `DeviceError` where the device refuses a run. */
export async function measureInTurns(device: Device, contenders: readonly Contender[], pace: Pace): Promise<Timing[]> {
  const { warmUp, turn, rounds, hopeless = Number.POSITIVE_INFINITY } = pace;
  const clocks = contenders.map((contender) => new Clock(device, contender));
  try {
    // The first run triggers the driver's work at a pipeline's first use; the second one says how many runs fit into a turn.
    const last: number[] = [];
    for (const clock of clocks) last.push(await clock.time(1).then(() => clock.time(1)));
    const takeTurn = async (i: number, length = turn) => {
      last[i] = await clocks[i]!.time(Math.min(mostRuns, Math.max(1, Math.ceil(length / last[i]!))));
      return last[i];
    };
    // Long turns, because each one waits for its result.
    const end = performance.now() + warmUp;
    for (let i = 0; performance.now() < end; i = (i + 1) % clocks.length) await takeTurn(i, Math.max(turn, warmUp / warmUpTurns));

    const times = clocks.map((): number[] => []);
    for (let round = 0; round < rounds; round++) {
      const best = Math.min(...times.map(([first]) => first ?? Number.POSITIVE_INFINITY));
      for (const [i, own] of times.entries()) {
        if (round === 0 || own[0]! <= hopeless * best) own.push(await takeTurn(i));
      }
    }
    return times.map(timingOf);
  } finally {
    for (const clock of clocks) clock.close();
  }
}

/** The median of times and their spread. */
export function timingOf(times: readonly number[]): Timing {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(sorted.length * share)]!;
  const median = at(0.5);
  return { milliseconds: median, spread: median > 0 ? (at(0.75) - at(0.25)) / median : 0 };
}

/** Times runs of one contender. */
class Clock {
  readonly #device: Device;
  readonly #contender: Contender;
  readonly #timestamps: Timestamps | null;

  constructor(device: Device, contender: Contender) {
    this.#device = device;
    this.#contender = contender;
    // A pass's timestamps leave out copies into textures, which stand between passes; the host's clock counts them.
    const isOnePass = contender.dispatches.every(({ copies }) => copies.length === 0);
    this.#timestamps = isOnePass && device.capabilities.features.has("timestamp-query") ? new Timestamps(device, 1) : null;
  }

  /** The milliseconds of a run, the mean of `runs` runs in one pass. */
  async time(runs: number): Promise<number> {
    const device = this.#device;
    const timestamps = this.#timestamps;
    const { dispatches, live } = this.#contender;
    let start = 0;
    const submitted = device.submit((encoder) => {
      encodeDispatches(encoder, Array<typeof dispatches>(runs).fill(dispatches).flat(), live, timestamps?.pass(0));
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

  close(): void {
    this.#timestamps?.close();
  }
}
