/** Peers side by side: each in its process, all of them prepared, then measured in alternating rounds, so that noise affects all equally. */
import { median } from "../quantile.ts";
import type { Peer } from "./peer.ts";
import { RemotePeer } from "./remote.ts";

export interface Surroundings {
  /** The model's files. */
  readonly folder: string;
  /** Variables with which Dawn and ONNX Runtime find the adapter. */
  readonly environment: Readonly<Record<string, string>>;
  readonly rounds: number;
  /** Called with one line for each activity. */
  readonly log: (line: string) => void;
}

export class Entrant {
  version = "";
  /** Why the peer is excluded; null while it takes part. */
  failure: string | null = null;
  readonly remote: RemotePeer;

  constructor(
    readonly peer: Peer,
    { folder, environment }: Surroundings,
    readonly log: (line: string) => void,
  ) {
    this.remote = new RemotePeer(peer, folder, environment);
  }

  /** The result of `work`, or null if the peer fails or is excluded. */
  async attempt<Result>(work: (remote: RemotePeer) => Promise<Result>): Promise<Result | null> {
    if (this.failure !== null) return null;
    try {
      return await work(this.remote);
    } catch (error) {
      this.failure = (error as Error).message;
      this.log(`  ${this.peer.name} cannot: ${this.failure}`);
      return null;
    }
  }
}

/** Opens peers one after another, gives them to `work`, and ends their processes. */
export async function contest<Result>(
  peers: readonly Peer[],
  surroundings: Surroundings,
  prepare: (entrant: Entrant) => Promise<void>,
  work: (entrants: readonly Entrant[]) => Promise<Result>,
): Promise<Result> {
  const entrants: Entrant[] = [];
  try {
    for (const peer of peers) {
      const entrant = new Entrant(peer, surroundings, surroundings.log);
      entrants.push(entrant);
      surroundings.log(`  ${peer.name}`);
      entrant.version = (await entrant.attempt((remote) => remote.ask("open"))) ?? "";
      await prepare(entrant);
    }
    return await work(entrants);
  } finally {
    await Promise.all(entrants.map(({ remote }) => remote.close()));
  }
}

/** Runs `measure` on each entrant in turn, `rounds` times; the median of each one's numbers, or null if it failed. */
export async function alternate(
  entrants: readonly Entrant[],
  rounds: number,
  measure: (entrant: Entrant) => Promise<number | null>,
): Promise<Map<Entrant, number | null>> {
  const measured = new Map(entrants.map((entrant) => [entrant, [] as number[]]));
  for (let round = 0; round < rounds; round++) {
    for (const [entrant, numbers] of measured) {
      const number = await measure(entrant);
      if (number !== null) numbers.push(number);
    }
  }
  return new Map(
    [...measured].map(([entrant, numbers]) => [entrant, entrant.failure === null && numbers.length > 0 ? median(numbers) : null]),
  );
}
