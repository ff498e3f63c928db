/** The command as it was typed, to be shown and run again. */
import { shellWord } from "../../src/simcse/report/card.ts";

/** `simcse` with its arguments, quoted for a shell. */
export function commandLine(args: readonly string[] = process.argv.slice(2)): string {
  return ["npx simcse", ...args.map(shellWord)].join(" ");
}
