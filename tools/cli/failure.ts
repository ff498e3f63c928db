/** How the command line reports a failure: one clear error and its remedy on stderr, a stack trace only with `--debug`. */
import { type Command, CommanderError } from "commander";
import { FileError, SimcseError } from "../../src/errors.ts";
import { printable } from "../../src/show.ts";
import { InterruptedError, interruptedExitCode } from "./interrupt.ts";

/**
 * A command throws its end after --help, --version or wrong arguments. Commander would end the process at once, before it is known whether
 * what was printed could be written.
 */
export function throwEnds(command: Command): void {
  command.exitOverride();
  for (const inner of command.commands) throwEnds(inner);
}

/** Prints an error and sets the exit code. Any other error than a `SimcseError` is a bug in this package, and the message says so. */
export function reportFailure(error: unknown, { debug }: { debug: boolean }): void {
  if (isBrokenPipe(error)) return; // `simcse encode … | head` has read all it needs.
  if (error instanceof InterruptedError) {
    process.exitCode = interruptedExitCode();
    return;
  }
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode; // It has been printed.
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

/**
 * What happens when a standard stream cannot be written: the reader of a pipe has ended, as `tee` does at Ctrl-C, the terminal is gone, or
 * the disk is full. Notes on standard error are lost; a command whose results are not on standard output goes on.
 */
export function watchStandardStreams(): void {
  process.stderr.on("error", () => {});
  process.stdout.on("error", (error) => {
    if (!resultsArePrinted) return;
    const why = isBrokenPipe(error)
      ? error
      : new FileError(`cannot write standard output: ${error.message}`, "Free some space, or write elsewhere.", { cause: error });
    reportFailure(why, { debug: false });
    process.exit();
  });
}

let resultsArePrinted = true;

/** For commands that write their results to files: what they print is for people, and may be lost. */
export function resultsAreFiles(): void {
  resultsArePrinted = false;
}

function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EPIPE";
}
