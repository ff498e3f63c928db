/** One run at a time writes into an output folder; the lock of a killed process is taken over. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { FileError } from "../../../src/errors.ts";
import { claimOutput } from "../../../tools/training/output-folder.ts";
import type { TrainOptions } from "../../../tools/training/train-options.ts";
import { temporaryFolder } from "../../tiny-model.ts";

const folder = await temporaryFolder();
const options = (name: string, more: Partial<TrainOptions> = {}) => ({ output_dir: join(folder, name), ...more }) as TrainOptions;
const lockOf = (name: string) => join(folder, name, ".train.lock");

async function locked(name: string, pid: number, host = hostname()): Promise<void> {
  await mkdir(join(folder, name));
  await writeFile(lockOf(name), JSON.stringify({ pid, host, start: "2026-01-01T00:00:00.000Z" }));
}

it("is locked while it is claimed, and free afterwards", async () => {
  {
    await using claimed = await claimOutput(options("own"));
    expect(claimed.path).toBe(join(folder, "own"));
    expect(JSON.parse(await readFile(lockOf("own"), "utf8"))).toMatchObject({ pid: process.pid });
  }
  await expect(readFile(lockOf("own"))).rejects.toThrow("ENOENT");
});

it("is refused with the process that holds it and when that began", async () => {
  await locked("taken", process.ppid);
  const claim = claimOutput(options("taken", { resume_from_checkpoint: true }));
  await expect(claim).rejects.toThrow(FileError);
  await expect(claim).rejects.toThrow(new RegExp(`process ${process.ppid} on .* since 2026-01-01`));
  // Of a process on another machine nothing is known.
  await locked("elsewhere", 1, "another-machine");
  await expect(claimOutput(options("elsewhere"))).rejects.toThrow("another-machine");
});

it("is taken over from a process that has ended, and from one that was killed as it wrote its lock", async () => {
  await locked("stale", 2 ** 22 + 1);
  await using claimed = await claimOutput(options("stale"));
  expect(JSON.parse(await readFile(lockOf("stale"), "utf8"))).toMatchObject({ pid: process.pid });
  expect(claimed.path).toBe(join(folder, "stale"));
  await mkdir(join(folder, "cut"));
  await writeFile(lockOf("cut"), '{"pid":');
  await (await claimOutput(options("cut")))[Symbol.asyncDispose]();
});

it("is refused where a file is in its place", async () => {
  await writeFile(join(folder, "file"), "");
  await expect(claimOutput(options("file"))).rejects.toThrow("it is a file and not a folder");
  await expect(claimOutput(options("file/inside"))).rejects.toThrow("a part of the path is a file");
});
