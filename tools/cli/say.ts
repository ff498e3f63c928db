/** Notes for people, on standard error; only results go to standard output. */
import { printable } from "../../src/show.ts";

/** Prints a line without control characters, since names and texts come from files. */
export function say(text: string): void {
  process.stderr.write(`${printable(text)}\n`);
}
