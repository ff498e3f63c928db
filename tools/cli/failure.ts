/** How the command line reports a failure: one clear error and its remedy on stderr, a stack trace only with `--debug`. */
import { FileError, SimcseError } from "../../src/errors.ts";
import { printable } from "../../src/show.ts";

/** A person pressed Ctrl-C: 128 + SIGINT. */
export const interruptedExitCode = 130;

/** Work was abandoned because a person pressed Ctrl-C. */
export class InterruptedError extends Error {}

/** Prints an error and sets the exit code. Any other error than a `SimcseError` is a bug in this package, and the message says so. */
export function reportFailure(error: unknown, { debug }: { debug: boolean }): void {
  if (isBrokenPipe(error)) return; // `simcse encode … | head` has read all it needs.
  if (error instanceof InterruptedError) {
    process.exitCode = interruptedExitCode;
    return;
  }
  process.exitCode = 1;
  const expected = error instanceof SimcseError;
  process.stderr.write(`error: ${printable(error instanceof Error ? error.message : String(error))}\n`);
  process.stderr.write(
    `  ${expected ? printable(error.remedy) : "This is a bug in simcse: please report it with the output of --debug."}\n`,
  );
  if (debug && error instanceof Error)
    process.stderr.write(`\n${error.stack}\n${error.cause instanceof Error ? `caused by ${error.cause.stack}\n` : ""}`);
}

/** The error for standard output that cannot be written. */
export function outputFailure(error: Error): Error {
  if (isBrokenPipe(error)) return error;
  return new FileError(`cannot write standard output: ${error.message}`, "Free some space, or write elsewhere.", { cause: error });
}

function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EPIPE";
}
