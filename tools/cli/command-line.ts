/** The command as it was typed, to be shown and run again. */

/** `simcse` with its arguments, quoted for a shell. */
export function commandLine(args: readonly string[] = process.argv.slice(2)): string {
  return ["npx simcse", ...args.map(quotedForShell)].join(" ");
}

function quotedForShell(text: string): string {
  return /^[\w./:,=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
