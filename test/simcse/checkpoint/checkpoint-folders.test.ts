/** Checkpoints by their path. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { DiskCheckpoints, openCheckpoint } from "../../../src/simcse/checkpoint/checkpoint-folders-node.ts";
import { readTrainingState } from "../../../src/simcse/checkpoint/training-checkpoint.ts";
import { temporaryFolder } from "../../tiny-model.ts";

const folder = await temporaryFolder();

async function written(name: string, state: object): Promise<string> {
  const path = join(folder, name);
  await mkdir(path, { recursive: true });
  await writeFile(join(path, "trainer_state.json"), JSON.stringify(state));
  return path;
}

it("are told from the output folder of their run, whose last one is named", async () => {
  await written("out/checkpoint-9", {});
  const last = await written("out/checkpoint-10", {});
  const out = join(folder, "out");
  await expect(openCheckpoint(out)).rejects.toMatchObject({
    message: expect.stringContaining(`${out} is the output folder of a run`) as string,
  });
  await expect(openCheckpoint(out)).rejects.toMatchObject({ remedy: expect.stringContaining(last) as string });
  expect((await openCheckpoint(last)).name).toBe(last);
  const copy = await written("copy", {});
  expect((await openCheckpoint(`${copy}/`)).name).toBe(`${copy}/`);
});

it("are found beside files that have such a name", async () => {
  const last = await written("beside/checkpoint-9", {});
  await writeFile(join(folder, "beside", "checkpoint-10"), "an archive");
  expect((await new DiskCheckpoints(join(folder, "beside")).last())!.name).toBe(last);
});

it("are told from what a run leaves at its end", async () => {
  const path = await written("ended", { interrupted: false, steps: 3, options: {} });
  await expect(readTrainingState(await openCheckpoint(path))).rejects.toThrow("is of a run that is over");
});
