/**
 * Where the real data sets are. They are not ours to ship: tests that want them are named and counted as skipped where they are absent.
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { describe, it } from "vitest";

const folder = resolve(process.env.SIMCSE_DATA ?? "../shared/data");

/** The folder of real data, or null where it is not there. */
export const sharedData: string | null = existsSync(folder) ? folder : null;

/** `describe` where the real data is; elsewhere one skipped test that says what is missing. */
export function describeWithSharedData(name: string, body: (data: string) => void): void {
  if (sharedData === null) it.skip(`${name} (needs the shared data: set SIMCSE_DATA)`, () => {});
  else describe(name, () => body(sharedData as string));
}
