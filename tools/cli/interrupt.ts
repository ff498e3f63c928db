/**
 * Ctrl-C, SIGTERM, and SIGHUP of a terminal that closes: the first one lets a command finish or drop what it does, another Ctrl-C or SIGTERM
 * ends the process at once.
 */
import { constants } from "node:os";
import { isatty } from "node:tty";

/** Work was abandoned because of a signal. */
export class InterruptedError extends Error {}

type Interruption = "SIGINT" | "SIGTERM" | "SIGHUP";
const signals: readonly Interruption[] = ["SIGINT", "SIGTERM", "SIGHUP"];

let received: Interruption = "SIGINT";

/** As shells count it: 128 and the number of the signal that was received. */
export const interruptedExitCode = (): number => 128 + constants.signals[received];

/**
 * Lets a process without a terminal outlive that of its shell. This is what nohup asks for, and Node undoes: it resets the signals that were
 * ignored.
 */
export function outliveTerminal(): void {
  if (!hasTerminal()) process.on("SIGHUP", () => {});
}

const hasTerminal = () => [0, 1, 2].some((stream) => isatty(stream));

/** Ends a process whose terminal is gone as SIGHUP does. Node's own exit would reset the terminal's settings, and abort. */
export function endAfterHangUp(): void {
  if (received !== "SIGHUP") return;
  process.removeAllListeners("SIGHUP");
  process.kill(process.pid, "SIGHUP");
}

/** Calls `told` at the first signal. Returns a function after which signals end the process as usual. */
export function onInterrupt(told: () => void): () => void {
  const heard = signals.filter((signal) => signal !== "SIGHUP" || hasTerminal());
  let isTold = false;
  // One listener for all: in Deno, a listener that is added while a signal is handled gets the same signal.
  const interrupt = (signal: Interruption) => {
    // Both the shell and the terminal may send SIGHUP.
    if (isTold && signal === "SIGHUP") return;
    received = signal;
    if (isTold) process.exit(interruptedExitCode());
    isTold = true;
    told();
  };
  for (const signal of heard) process.on(signal, interrupt);
  return () => {
    for (const signal of heard) process.off(signal, interrupt);
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
