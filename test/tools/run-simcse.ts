/** Runs the command line in separate processes, for tests. */
import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { expect } from "vitest";

/** The command line as test/setup.ts bundled it. */
export const program = resolve("out/commands/simcse.js");

/** The values of JSON lines. */
export const parsed = <T>(lines: string): T[] =>
  lines
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as T);

/** The words of a command line; what has spaces stays in a list. */
export const words = (line: string): string[] => line.trim().split(/\s+/);

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line in a separate process; `shell` puts the command into a line of bash, `env` is added to the environment. */
export function simcse(
  args: readonly string[],
  {
    input = "",
    shell,
    env = {},
  }: { input?: string | Uint8Array; shell?: (command: string) => string; env?: Readonly<Record<string, string>> } = {},
): Promise<Ended> {
  const command = [program, ...args];
  return new Promise((done) => {
    const ended = (error: Error | null, stdout: string, stderr: string) => {
      const code = error === null ? 0 : ((error as { code?: number }).code ?? 1);
      done({ code, stdout, stderr: stderr.replace(/^Warning: max.*\n/gm, "") });
    };
    const child = shell
      ? execFile(
          "bash",
          ["-c", shell([process.execPath, ...command].map((word) => `'${word}'`).join(" "))],
          { env: { ...process.env, ...env } },
          ended,
        )
      : execFile(process.execPath, command, { maxBuffer: 2 ** 26, env: { ...process.env, ...env } }, ended);
    // A program that fails early leaves the rest unread.
    child.stdin?.once("error", () => {}).end(input);
  });
}

/** Expects a clean failure whose message holds all of `words`. */
export function expectFailure({ code, stdout, stderr }: Ended, ...words: string[]): void {
  expect(code).not.toBe(0);
  expect(stdout).toBe("");
  expect(stderr).toMatch(/^error: /m);
  expect(stderr).not.toMatch(/^\s+at /m);
  for (const word of words) expect(stderr).toContain(word);
}
