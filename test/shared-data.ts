/**
 * The location of the real data sets. We cannot distribute them, so tests that need them are named and counted as skipped if they are absent.
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { describe, it } from "vitest";

const folder = resolve(process.env.SIMCSE_DATA ?? "../shared/data");

/** The folder of real data, or null if it is absent. */
export const sharedData: string | null = existsSync(folder) ? folder : null;

/** `describe` if the real data exists; otherwise one skipped test that says what is missing. */
export function describeWithSharedData(name: string, body: (data: string) => void): void {
  if (sharedData === null) it.skip(`${name} (needs the shared data: set SIMCSE_DATA)`, () => {});
  else describe(name, () => body(sharedData as string));
}
