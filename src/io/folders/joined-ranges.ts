/** Joins neighbouring ranges of one file into one request. */

/** A range of a file that a reader waits for, in bytes. */
export interface PendingRange {
  readonly start: number;
  readonly end: number;
  readonly resolve: (bytes: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
}

/** The range of one request. */
export interface JoinedRange {
  readonly start: number;
  readonly end: number;
  /** The ranges inside it, in the order in which they start. */
  readonly parts: readonly PendingRange[];
}

/** A gap of at most this many bytes is fetched, because that takes less time than another request. */
const MOST_BETWEEN = 64 * 2 ** 10;
/** Large enough that the latency does not matter, small enough that several requests share a large file. */
const MOST_BYTES = 8 * 2 ** 20;

/** Joins ranges that are neighbours, or nearly so, into ranges of at most 8 MiB; a longer range stays as it is. */
export function joinedRanges(ranges: readonly PendingRange[]): JoinedRange[] {
  const joined: { start: number; end: number; parts: PendingRange[] }[] = [];
  for (const range of ranges.toSorted((a, b) => a.start - b.start || a.end - b.end)) {
    const last = joined.at(-1);
    const end = Math.max(last?.end ?? 0, range.end);
    if (last !== undefined && range.start - last.end <= MOST_BETWEEN && end - last.start <= MOST_BYTES) {
      last.parts.push(range);
      last.end = end;
    } else {
      joined.push({ start: range.start, end: range.end, parts: [range] });
    }
  }
  return joined;
}
