/** How the command line ends when something is wrong: one clear error and its remedy on stderr, a stack only under `--debug`. */
import { SimcseError } from "../src/errors.ts";

/** A person pressed Ctrl-C: 128 + SIGINT. */
export const interruptedExitCode = 130;

/** Prints an error and sets the exit code. What is not a `SimcseError` is a bug of this package, and says so. */
export function reportFailure(error: unknown, { debug }: { debug: boolean }): void {
  process.exitCode = 1;
  if (isBrokenPipe(error)) {
    process.exitCode = 0; // `simcse encode … | head` has all it wanted.
    return;
  }
  const expected = error instanceof SimcseError;
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.stderr.write(`  ${expected ? error.remedy : "This is a bug in simcse: please report it with the output of --debug."}\n`);
  if (debug && error instanceof Error)
    process.stderr.write(`\n${error.stack}\n${error.cause instanceof Error ? `caused by ${error.cause.stack}\n` : ""}`);
}

function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EPIPE";
}
