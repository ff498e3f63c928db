import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, sep } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FileError, OptionError } from "../../src/errors.ts";
import type { NamedContent } from "../../src/io/folder.ts";
import { openFolder, removePartialsOf, writeFileAtomically, writeFolderAtomically } from "../../src/io/folder-node.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "simcse-folder-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function* breakingOff(): AsyncGenerator<Uint8Array> {
  yield Uint8Array.of(1, 2, 3);
  throw new RangeError("the GPU went away");
}

/** Every entry below the root, hidden ones included. */
const everything = async () => (await readdir(root, { recursive: true })).map((name) => name.split(sep).join("/")).sort();

describe("openFolder", () => {
  it("reads whole files and ranges, also in folders inside", async () => {
    await mkdir(join(root, "train"));
    await writeFile(join(root, "train", "a.bin"), Uint8Array.of(0, 1, 2, 3, 4));
    const folder = await openFolder(root);
    expect(await folder.has("train/a.bin")).toBe(true);
    expect(await folder.has("train")).toBe(false);
    expect(await folder.has("train/a.bin/b")).toBe(false);
    expect(await folder.size("train/a.bin")).toBe(5);
    expect([...(await folder.read("train/a.bin"))]).toEqual([0, 1, 2, 3, 4]);
    expect([...(await folder.read("train/a.bin", 3))]).toEqual([3, 4]);
    const range = await folder.read("train/a.bin", 1, 3);
    expect([...range]).toEqual([1, 2]);
    expect(range.buffer.byteLength).toBe(2);
  });

  it("refuses a link that leads nowhere, which is no absent file", async () => {
    await symlink("../blobs/gone", join(root, "modules.json"));
    const folder = await openFolder(root);
    for (const ask of ["has", "size", "read"] as const) {
      const asked = folder[ask]("modules.json");
      await expect(asked).rejects.toThrow(FileError);
      await expect(asked).rejects.toThrow("modules.json is a link to ../blobs/gone, which does not exist");
    }
    expect(await folder.has("config.json")).toBe(false);
  });

  it("reads a range at the end of a file far larger than memory", async () => {
    const size = 2 ** 40;
    await writeFile(join(root, "sparse.bin"), "");
    await truncate(join(root, "sparse.bin"), size);
    const folder = await openFolder(root);
    expect(await folder.size("sparse.bin")).toBe(size);
    expect([...(await folder.read("sparse.bin", size - 2))]).toEqual([0, 0]);
  });

  it("says what is missing or in the way", async () => {
    await writeFile(join(root, "file"), "x");
    for (const path of [null, 5]) await expect(openFolder(path as never)).rejects.toThrow(OptionError);
    await expect(openFolder(join(root, "nowhere"))).rejects.toThrow(`the folder ${join(root, "nowhere")} does not exist`);
    await expect(openFolder(join(root, "file"))).rejects.toThrow(`${join(root, "file")} is not a folder`);
    const folder = await openFolder(root);
    await expect(folder.read("other")).rejects.toThrow(`${root}/other does not exist`);
    await expect(folder.read("file", 0, 2)).rejects.toThrow("holds 1 bytes, bytes 0 to 2 were asked for");
    await mkdir(join(root, "inside"));
    await expect(folder.read("inside")).rejects.toThrow(`${root}/inside is not a file`);
    await expect(folder.read("other")).rejects.toThrow(FileError);
  });
});

describe("writeFileAtomically", () => {
  it("writes texts, bytes and streams, and replaces what was there", async () => {
    const path = join(root, "out.txt");
    await writeFileAtomically(path, "héllo");
    expect(await readFile(path, "utf8")).toBe("héllo");
    await writeFileAtomically(path, Uint8Array.of(7, 8));
    expect([...(await readFile(path))]).toEqual([7, 8]);
    await writeFileAtomically(
      path,
      (async function* () {
        yield Uint8Array.of(1);
        yield Uint8Array.of(2, 3);
      })(),
    );
    expect([...(await readFile(path))]).toEqual([1, 2, 3]);
    expect(await everything()).toEqual(["out.txt"]);
  });

  it("leaves what was there, and nothing else, when the content breaks off", async () => {
    await writeFile(join(root, "out.npy"), "old");
    await expect(writeFileAtomically(join(root, "out.npy"), breakingOff())).rejects.toThrow(new RangeError("the GPU went away"));
    await expect(writeFileAtomically(join(root, "new.npy"), breakingOff())).rejects.toThrow(RangeError);
    expect(await everything()).toEqual(["out.npy"]);
    expect(await readFile(join(root, "out.npy"), "utf8")).toBe("old");
  });

  it("keeps a symbolic link and replaces what it leads to", async () => {
    await writeFile(join(root, "real.txt"), "old");
    await symlink("real.txt", join(root, "link.txt"));
    await writeFileAtomically(join(root, "link.txt"), "new");
    expect(await readlink(join(root, "link.txt"))).toBe("real.txt");
    expect(await readFile(join(root, "real.txt"), "utf8")).toBe("new");
  });

  it.skipIf(process.platform === "win32")("passes on the permissions of the file that it replaces", async () => {
    const path = join(root, "own.txt");
    await writeFile(path, "old");
    // The last one is wider than the usual umask allows to a new file.
    for (const mode of [0o600, 0o640, 0o666]) {
      await chmod(path, mode);
      await writeFileAtomically(path, "new");
      expect((await stat(path)).mode & 0o777).toBe(mode);
    }
  });

  it("says why it cannot write", async () => {
    const lost = join(root, "no", "such", "folder.txt");
    await expect(writeFileAtomically(lost, "x")).rejects.toThrow(`cannot write ${lost}: it or its folder does not exist`);
    await expect(writeFileAtomically(lost, "x")).rejects.toThrow(FileError);
    await expect(writeFileAtomically(root, "x")).rejects.toThrow(`cannot write ${root}: it is a folder`);
    await expect(writeFileAtomically("/dev/null", "x")).rejects.toThrow("cannot write /dev/null: it is no ordinary file");
    await expect(writeFileAtomically(join(root, "n".repeat(300)), "x")).rejects.toThrow("the name is too long");
    expect(await everything()).toEqual([]);
    expect((await stat("/dev/null")).isCharacterDevice()).toBe(true);
  });
});

describe("removePartialsOf", () => {
  it("removes what was left of the file, and nothing of others", async () => {
    const path = join(root, "some.index");
    await writeFileAtomically(path, "whole");
    const left = "01234567-89ab-cdef-0123-456789abcdef.partial";
    const others = [`.other.index.${left}`, `.some.index.more.${left}`, ".some.index.lock", "some.index.partial"];
    const hoursAgo = new Date(Date.now() - 2 * 3_600_000);
    const make = async (name: string, changed: Date) => {
      await writeFile(join(root, name), "");
      await utimes(join(root, name), changed, changed);
    };
    for (const name of [`.some.index.${left}`, ...others]) await make(name, hoursAgo);
    const growing = `.some.index.${left.replace("0", "f")}`;
    await make(growing, new Date());
    await removePartialsOf(path);
    expect(await everything()).toEqual(["some.index", growing, ...others].sort());
    await removePartialsOf(join(root, "none", "such.index"));
    // Not a file, so it cannot be removed as one.
    await mkdir(join(root, `.some.index.${left}`));
    await utimes(join(root, `.some.index.${left}`), hoursAgo, hoursAgo);
    await removePartialsOf(path);
  });
});

describe("writeFolderAtomically", () => {
  const files: NamedContent[] = [
    { name: "config.json", content: "{}" },
    { name: "1_Pooling/config.json", content: Uint8Array.of(0x7b, 0x7d) },
  ];

  it("writes a folder with folders inside, and the folders above it", async () => {
    const path = join(root, "runs", "first");
    await writeFolderAtomically(path, files, { overwrite: false });
    expect(await everything()).toEqual([
      "runs",
      "runs/first",
      "runs/first/1_Pooling",
      "runs/first/1_Pooling/config.json",
      "runs/first/config.json",
    ]);
    expect(await readFile(join(path, "1_Pooling/config.json"), "utf8")).toBe("{}");
  });

  it("replaces an empty folder, and a full one only if told to", async () => {
    const path = join(root, "model");
    await mkdir(path);
    await writeFolderAtomically(path, files, { overwrite: false });
    await writeFile(join(path, "notes.txt"), "mine");
    let asked = false;
    const lazy = (function* () {
      asked = true;
      yield files[0]!;
    })();
    await expect(writeFolderAtomically(path, lazy, { overwrite: false })).rejects.toThrow(
      `the folder ${path} is not empty: it holds 3 entries`,
    );
    expect(asked).toBe(false);
    expect(await readFile(join(path, "notes.txt"), "utf8")).toBe("mine");
    await writeFolderAtomically(path, lazy, { overwrite: true });
    expect(await everything()).toEqual(["model", "model/config.json"]);
  });

  it("leaves what was there, and nothing else, when a file breaks off", async () => {
    const path = join(root, "model");
    const broken = [...files, { name: "model.safetensors", content: breakingOff() }];
    await expect(writeFolderAtomically(path, broken, { overwrite: true })).rejects.toThrow(new RangeError("the GPU went away"));
    expect(await everything()).toEqual([]);
    await writeFolderAtomically(path, [{ name: "old.txt", content: "old" }], { overwrite: false });
    const again = [...files, { name: "model.safetensors", content: breakingOff() }];
    await expect(writeFolderAtomically(path, again, { overwrite: true })).rejects.toThrow(RangeError);
    expect(await everything()).toEqual(["model", "model/old.txt"]);
  });

  it("keeps out of the way of a folder that was filled meanwhile", async () => {
    const path = join(root, "model");
    async function* racing(): AsyncGenerator<NamedContent> {
      yield files[0]!;
      await mkdir(path);
      await writeFile(join(path, "other.txt"), "of another program");
    }
    await expect(writeFolderAtomically(path, racing(), { overwrite: false })).rejects.toThrow("is not empty");
    expect(await everything()).toEqual(["model", "model/other.txt"]);
  });

  it("replaces what a symbolic link leads to", async () => {
    await mkdir(join(root, "disk"));
    await symlink("disk", join(root, "model"));
    await writeFolderAtomically(join(root, "model"), files, { overwrite: false });
    expect(await readlink(join(root, "model"))).toBe("disk");
    expect(await readdir(join(root, "disk"))).toContain("config.json");
  });

  it("refuses to replace a file, the folder it runs in or one above, and to write outside", async () => {
    await writeFile(join(root, "file"), "x");
    await expect(writeFolderAtomically(join(root, "file"), files, { overwrite: true })).rejects.toThrow("a file is there");
    for (const path of [".", dirname(process.cwd()), "/"]) {
      await expect(writeFolderAtomically(path, files, { overwrite: true })).rejects.toThrow(`${process.cwd()} lies in it`);
    }
    for (const name of ["../escaped.txt", "/escaped.txt", "a/../../escaped.txt", "", "."]) {
      await expect(writeFolderAtomically(join(root, "m"), [{ name, content: "x" }], { overwrite: false })).rejects.toThrow(
        "is no name for a file",
      );
    }
    expect(await everything()).toEqual(["file"]);
  });
});
