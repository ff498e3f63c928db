/** Notes for people, on standard error: results alone go to standard output. */
import { printable } from "../../src/show.ts";

/** Prints a line without anything that a terminal would obey: names and texts come from files. */
export function say(text: string): void {
  process.stderr.write(`${printable(text)}\n`);
}
