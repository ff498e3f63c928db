/** Folders are made with those above them; where none can be made, the system's error comes at once. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { makeFolder } from "../../../src/io/folders/make-folder-node.ts";

const root = mkdtempSync(join(tmpdir(), "simcse-folders-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

it("makes what is missing, also where several do so at once", async () => {
  const path = join(root, "a", "b", "c");
  await Promise.all(Array.from({ length: 8 }, () => makeFolder(path)));
  await makeFolder(path);
  expect((await stat(path)).isDirectory()).toBe(true);
});

it("fails where a file is in the way", async () => {
  const file = join(root, "file");
  writeFileSync(file, "");
  await expect(makeFolder(file)).rejects.toMatchObject({ code: "EEXIST" });
  await expect(makeFolder(join(file, "a", "b"))).rejects.toMatchObject({ code: "ENOTDIR" });
});

it.runIf(process.platform === "linux")("fails in a folder that takes no others, where Node 20's mkdir never ends", async () => {
  await expect(makeFolder("/proc/simcse/a")).rejects.toMatchObject({ code: "ENOENT" });
});
