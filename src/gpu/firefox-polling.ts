/**
 * Makes Firefox answer sooner. It looks for finished WebGPU work every 100 ms (its bug 1870699, "Don't poll WebGPU from a timer"), and besides
 * whenever something is submitted. So while a program waits, nothing is submitted again and again. Other browsers answer by themselves.
 */
import type { Wait } from "./device.ts";

/** Milliseconds between two empty submits: few at first, for short work, then more, so that long work is asked for seldom. */
const shortestPause = 1;
const longestPause = 16;

/** Whether this is Firefox. */
export const pollsByTimer = (): boolean => /\bFirefox\//.test(globalThis.navigator?.userAgent ?? "");

/** A way to wait that asks the device for finished work meanwhile. */
export function askingMeanwhile({ queue }: GPUDevice): Wait {
  let waiting = 0;
  let isAsking = false;
  let pause = shortestPause;
  const ask = (): void => {
    isAsking = waiting > 0;
    if (!isAsking) return;
    queue.submit([]);
    setTimeout(ask, pause);
    pause = Math.min(2 * pause, longestPause);
  };
  return (work) => {
    waiting++;
    pause = shortestPause;
    if (!isAsking) {
      isAsking = true;
      setTimeout(ask, pause);
    }
    return work.finally(() => {
      waiting--;
    });
  };
}
