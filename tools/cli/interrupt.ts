/** Ctrl-C and SIGTERM: the first one lets a command finish or drop what it does, a second one ends the process at once. */
import { InterruptedError, interruptedExitCode } from "./failure.ts";

const signals = ["SIGINT", "SIGTERM"] as const;

/** Calls `told` at the first signal. Returns a function after which signals end the process as usual. */
export function onInterrupt(told: () => void): () => void {
  let isTold = false;
  // One listener for all: in Deno, a listener that is added while a signal is handled gets the same signal.
  const interrupt = () => {
    if (isTold) process.exit(interruptedExitCode);
    isTold = true;
    told();
  };
  for (const signal of signals) process.on(signal, interrupt);
  return () => {
    for (const signal of signals) process.off(signal, interrupt);
  };
}

/**
 * From now on the first signal aborts the work and stops reading standard input. Call it when the work observes the signal. Before that, as
 * during a download, a signal ends the process as usual.
 */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  onInterrupt(() => {
    const reason = new InterruptedError("interrupted");
    controller.abort(reason);
    // A reader gets the reason; without a reader it is not an error.
    process.stdin.once("error", () => {}).destroy(reason);
  });
  return controller.signal;
}
