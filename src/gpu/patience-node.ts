/**
 * Waiting that leaves the cores to a software adapter. While WebGPU work is in flight, Dawn's Node binding polls for it in every turn of the event loop,
 * without a pause. A software adapter runs on the same cores, and the polling takes a third of them. So each turn naps first. On hardware the nap would only
 * add latency.
 */

/** Short against any step of a software adapter, long against a turn of the event loop. */
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

/** The result of `work`, for which the event loop turns about once a millisecond. */
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
