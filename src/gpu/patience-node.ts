/**
 * Waits without taking CPU time from a software adapter. While WebGPU work is in flight, Dawn's Node binding polls for it in every turn of
 * the event loop, without a pause. A software adapter runs on the same cores, and polling takes a third of them. So each turn sleeps first.
 * On hardware the sleep would only add latency.
 */

/** Short compared with any step of a software adapter, long compared with a turn of the event loop. */
const napMilliseconds = 1;

const neverNotified = new Int32Array(new SharedArrayBuffer(4));
let waiting = 0;
let isTurning = false;

function turn(): void {
  isTurning = waiting > 0;
  if (!isTurning) return;
  Atomics.wait(neverNotified, 0, 0, napMilliseconds);
  setImmediate(turn);
}

/** The result of `work`. Meanwhile the event loop turns about once per millisecond. */
export function waitPatiently<T>(work: Promise<T>): Promise<T> {
  waiting++;
  if (!isTurning) {
    isTurning = true;
    setImmediate(turn);
  }
  return work.finally(() => {
    waiting--;
  });
}
