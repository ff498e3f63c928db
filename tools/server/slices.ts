/**
 * Long work on the event loop, cut into slices: between two of them the server accepts and answers other requests. All requests together have one
 * slice in a turn of the loop; those that find it used up wait for a later turn, one after another.
 */
import { Turns } from "../../src/gpu/turns.ts";

/** Milliseconds of a slice. A request's way through the server takes a handful of turns. */
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
