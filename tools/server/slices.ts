/**
 * Long work on the event loop, cut into slices: between two of them the server accepts and answers other requests. All requests share one
 * slice per turn of the loop; when it is used up they wait for a later turn, one after another.
 */
import { Turns } from "../../src/gpu/turns.ts";

/** Milliseconds of a slice. A request takes a handful of turns through the server. */
const sliceMilliseconds = 5;

const waiting = new Turns();
const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** When the slice of this turn ends; null before its first piece of work. */
let sliceEnd: number | null = null;

function hasTime(): boolean {
  if (sliceEnd !== null) return performance.now() < sliceEnd;
  sliceEnd = performance.now() + sliceMilliseconds;
  setImmediate(() => {
    sliceEnd = null;
  });
  return true;
}

/** Resolves when the next piece of long work may run: at once while the slice lasts. */
export async function nextSlice(): Promise<void> {
  while (!hasTime()) await waiting.take(nextTurn);
}
