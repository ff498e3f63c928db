/** The README's own program, run as it stands there. */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { temporaryFolder } from "./tiny-model.ts";

const folder = await temporaryFolder();

it("the model of one's own trains", async () => {
  const readme = await readFile("README.md", "utf8");
  const code = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, block]) => block!).find((block) => block.includes("class Tower"));
  const file = join(folder, "tower.mts");
  await writeFile(file, code!.replaceAll('"simcse-webgpu"', JSON.stringify(resolve("src/index-node.ts"))));
  const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", file]);
  expect(stdout).toContain("this plan allocates");
  const losses = [...stdout.matchAll(/^\d+ ([\d.]+)$/gm)].map(([, loss]) => Number(loss));
  expect(losses.length).toBe(4);
  // Chance is ln 64 = 4.16; a tower that has learned the shuffle is far below it.
  expect(losses.at(-1)!).toBeLessThan(1.5);
});
