/** Single kernels: matrix products, LayerNorm, softmax; and matrix products on SwiftShader, the other software adapter. */
import { markdown } from "../../measure.ts";
import { alternate, contest, type Entrant, type Surroundings } from "../contest.ts";
import { type Goal, goalText, matmulGoals, ratio, swiftShaderGoals } from "../goals.ts";
import type { Peer } from "../peer.ts";
import { ours, peers, sharedTile } from "../peers.ts";
import { type KernelWork, kernelName, matmuls, rowKernels } from "../work.ts";
import { type Disagreements, greatestDifference } from "./agreement.ts";

/** Minimum milliseconds of one measurement: short kernels run many times before one wait. */
const measurementMs = 100;
const mostRuns = 100;

/** Tolerance relative to the greatest number of the result: roundings of sums of up to 1024 products of f32. */
const tolerance = 1e-5;

/** Milliseconds of each kernel; null if a peer lacks it. */
type Times = ReadonlyMap<Entrant, readonly (number | null)[]>;

export interface SwiftShader {
  /** Variables with which the Vulkan loader sees only this adapter; null if this machine lacks it. */
  readonly environment: Readonly<Record<string, string>> | null;
}

export async function kernelSection(surroundings: Surroundings, disagreements: Disagreements, swiftShader: SwiftShader): Promise<string> {
  surroundings.log("kernels");
  const entrants = peers.filter(({ does }) => does.includes("kernels"));
  const parts = [
    "## Kernels",
    "",
    "f32. An empty cell: the peer has no such kernel by itself. ONNX Runtime's times include moving x and the result between CPU and adapter.",
    "",
    await measured(entrants, [...matmuls, ...rowKernels], surroundings, disagreements, (times) =>
      [matmulTable(times, matmulGoals), "", rowTable(times)].join("\n"),
    ),
    "",
    "### Matrix products on SwiftShader",
    "",
  ];
  if (swiftShader.environment === null)
    return [...parts, "SwiftShader is not on this machine: it comes with Debian's package chromium."].join("\n");
  surroundings.log("kernels on SwiftShader");
  const there = { ...surroundings, environment: { ...surroundings.environment, ...swiftShader.environment } };
  return [
    ...parts,
    await measured([ours, sharedTile], matmuls, there, disagreements, (times) => matmulTable(times, swiftShaderGoals)),
  ].join("\n");
}

async function measured(
  list: readonly Peer[],
  works: readonly KernelWork[],
  surroundings: Surroundings,
  disagreements: Disagreements,
  table: (times: Times) => string,
): Promise<string> {
  return contest(
    list,
    surroundings,
    async () => {},
    async (entrants) => {
      const times = new Map(entrants.map((entrant) => [entrant, [] as (number | null)[]]));
      for (const work of works) {
        surroundings.log(`  ${kernelName(work)}`);
        const column = await measureKernel(entrants, work, surroundings.rounds, disagreements);
        for (const [entrant, cells] of times) cells.push(column.get(entrant) ?? null);
      }
      return table(times);
    },
  );
}

async function measureKernel(
  entrants: readonly Entrant[],
  work: KernelWork,
  rounds: number,
  disagreements: Disagreements,
): Promise<Map<Entrant, number | null>> {
  const runs = new Map<Entrant, number>();
  let expected: Float32Array | null = null;
  for (const entrant of entrants) {
    const has = await entrant.attempt((remote) => remote.ask("prepareKernel", work));
    if (!has) continue;
    // The first run compiles; the second determines how many make a measurement.
    await entrant.attempt((remote) => remote.ask("runKernel", 1));
    const once = await entrant.attempt((remote) => remote.ask("runKernel", 1));
    const result = await entrant.attempt((remote) => remote.ask("kernelResult"));
    if (once === null || result === null) continue;
    runs.set(entrant, Math.min(mostRuns, Math.ceil(measurementMs / once.milliseconds)));
    expected ??= result;
    const size = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    disagreements.check(`${entrant.peer.name}: ${kernelName(work)}`, greatestDifference(result, expected) / size, tolerance);
  }
  return alternate([...runs.keys()], rounds, async (entrant) => {
    const times = runs.get(entrant)!;
    const run = await entrant.attempt((remote) => remote.ask("runKernel", times));
    return run && run.milliseconds / times;
  });
}

function ownTimes(times: Times): readonly (number | null)[] {
  return [...times].find(([{ peer }]) => peer === ours)![1];
}

function matmulTable(times: Times, goals: Readonly<Record<string, Goal>>): string {
  const own = ownTimes(times);
  const rows = [...times].map(([{ peer, failure, version }, list]) => [
    peer.name,
    ...matmuls.map((work, i) => {
      const time = list[i];
      if (time == null || work.op !== "matmul") return failure === null ? "" : `cannot: ${failure}`;
      const speed = `${((2 * work.m * work.k * work.n) / time / 1e6).toFixed(1)} GFLOP/s`;
      return peer === ours || own[i] == null ? speed : `${speed}; we are ${ratio(time / own[i])}`;
    }),
    goalText(goals[peer.name]),
    version,
  ]);
  return markdown(["", ...matmuls.map(kernelName), "goal (aim)", "version"], rows);
}

function rowTable(times: Times): string {
  const own = ownTimes(times);
  const rows = [...times]
    .filter(([{ failure }, list]) => failure !== null || list.slice(matmuls.length).some((time) => time !== null))
    .map(([{ peer, failure }, list]) => [
      peer.name,
      ...rowKernels.map((_, i) => {
        const [time, ownTime] = [list[matmuls.length + i], own[matmuls.length + i]];
        if (time == null) return failure === null ? "" : `cannot: ${failure}`;
        return peer === ours || ownTime == null ? `${time.toFixed(2)} ms` : `${time.toFixed(2)} ms; we are ${ratio(time / ownTime)}`;
      }),
    ]);
  return markdown(["", ...rowKernels.map(kernelName)], rows);
}
