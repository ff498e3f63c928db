/** What remains after a full disk, a missing permission and a failing disk, with a file system that fails on demand. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FileError } from "../../../src/errors.ts";
import { writeFileAtomically, writeFolderAtomically } from "../../../src/io/folder-node.ts";

/** The operation that fails, and with what; whether renaming the old folder back fails too. */
const fault = vi.hoisted(() => ({ at: "", code: "", backToo: false }));

vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof import("node:fs/promises")>();
  const failAt = async (operation: string) => {
    if (fault.at === operation) throw Object.assign(new Error(`${fault.code}: ${operation}`), { code: fault.code });
  };
  return {
    ...real,
    open: async (...args: Parameters<typeof real.open>) => {
      if (args[1] === "wx") await failAt("open");
      const handle = await real.open(...args);
      const write = handle.writeFile.bind(handle);
      handle.writeFile = async (data) => {
        // Half of it is on the disk when it fills up.
        await write((data as Uint8Array).subarray(0, 1));
        await failAt("write");
        await write((data as Uint8Array).subarray(1));
      };
      return handle;
    },
    rename: async (from: string, to: string) => {
      if (from.endsWith(".partial")) await failAt("rename");
      if (from.endsWith(".old") && fault.backToo) await failAt("rename");
      await real.rename(from, to);
    },
  };
});

let root: string;
beforeEach(async () => {
  Object.assign(fault, { at: "", backToo: false });
  root = await mkdtemp(join(tmpdir(), "simcse-disk-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const FAULTS = [
  ["write", "ENOSPC", "no space is left on the device", "Free some space"],
  ["open", "EACCES", "permission denied", "Change the permissions"],
  ["open", "EROFS", "the file system is read-only", "Choose a path"],
  ["rename", "EBUSY", "it is in use or is a mount point", "choose a path inside it"],
  ["write", "EWHATEVER", "the system said EWHATEVER", "Check the path"],
] as const;

const content = () => Uint8Array.of(1, 2, 3);

describe.each(FAULTS)("%s failing with %s", (at, code, message, remedy) => {
  it("is a FileError that says so, and leaves the file that was there", async () => {
    const path = join(root, "model.safetensors");
    await writeFile(path, "old");
    Object.assign(fault, { at, code });
    const error: unknown = await writeFileAtomically(path, content()).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(FileError);
    expect((error as FileError).message).toBe(`cannot write ${path}: ${message}`);
    expect((error as FileError).remedy).toContain(remedy);
    expect((error as FileError).cause).toMatchObject({ code });
    expect(await readdir(root)).toEqual(["model.safetensors"]);
    expect(await readFile(path, "utf8")).toBe("old");
  });

  it("leaves the folder that was there", async () => {
    const path = join(root, "model");
    await writeFolderAtomically(path, [{ name: "old.bin", content: content() }], { overwrite: false });
    Object.assign(fault, { at, code });
    const writing = writeFolderAtomically(path, [{ name: "new.bin", content: content() }], { overwrite: true });
    await expect(writing).rejects.toThrow(message);
    await expect(writing).rejects.toThrow(FileError);
    expect(await readdir(root)).toEqual(["model"]);
    expect(await readdir(path)).toEqual(["old.bin"]);
  });
});

it("says where the old folder is when it can be renamed neither away nor back", async () => {
  const path = join(root, "model");
  await writeFolderAtomically(path, [{ name: "old.bin", content: content() }], { overwrite: false });
  Object.assign(fault, { at: "rename", code: "EIO", backToo: true });
  const writing = writeFolderAtomically(path, [{ name: "new.bin", content: content() }], { overwrite: true });
  const error: unknown = await writing.catch((thrown: unknown) => thrown);
  const [left, ...others] = await readdir(root);
  expect(others).toEqual([]);
  expect(await readdir(join(root, left!))).toEqual(["old.bin"]);
  expect(error).toBeInstanceOf(FileError);
  expect((error as FileError).message).toContain(join(root, left!));
});
