/** Models by name: the hub's protocol against a server on this machine, the cache folder on disk, and everything that can go wrong between them. */
import { spawnSync } from "node:child_process";
import { lstat, mkdir, readdir, readFile, readlink, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, describe, expect, it, vi } from "vitest";
import { FileError, FormatError, OptionError, type SimcseError } from "../../src/errors.ts";
import { readText } from "../../src/io/folder.ts";
import { openHttpFolder } from "../../src/io/folder-http.ts";
import { type HubOptions, isHubName, isOffline, openHubFolder, openModelFolder } from "../../src/io/hub-node.ts";
import { temporaryFolder } from "../tiny-model.ts";
import { commit, gitOid, sha256, startHub } from "./hub-server.ts";

// The pauses between attempts, not the attempts.
vi.mock("node:timers/promises", () => ({ setTimeout: async () => {} }));

const weights = Uint8Array.from({ length: 30_000 }, (_, i) => (i * 31) % 251);
const text = (value: string) => new TextEncoder().encode(value);
const files = {
  "config.json": text('{"hidden_size": 32}'),
  "pytorch_model.bin": weights,
  "1_Pooling/config.json": text("{}"),
  "empty.txt": text(""),
};
const hub = await startHub({
  "lab/model": { files, lfs: ["pytorch_model.bin"] },
  "lab/gated": { files, lfs: ["pytorch_model.bin"], token: "hf_secret" },
  "lab/mirrored": { files, lfs: ["pytorch_model.bin"], token: "of-the-mirror" },
  "old-name": { files },
});
const root = await temporaryFolder();
let caches = 0;

const options = (more: HubOptions = {}): HubOptions & { cacheDir: string } => ({
  endpoint: hub.url,
  ...more,
  cacheDir: more.cacheDir ?? join(root, `cache${caches++}`),
});

/** Lets the connection break when the cache holds as much of the file. */
function breakWhenKept(cacheDir: string): void {
  const blobs = join(cacheDir, "models--lab--model/blobs");
  const sizes = async () => Promise.all((await readdir(blobs)).map(async (name) => (await stat(join(blobs, name))).size));
  // A file may be renamed between the two calls.
  const isKept = (end: number) =>
    sizes().then(
      (found) => found.includes(end),
      () => false,
    );
  hub.kept = (end) => vi.waitUntil(() => isKept(end), { timeout: 30_000, interval: 5 });
}

const { kept } = hub;

afterEach(() => {
  hub.requests.length = 0;
  hub.kept = kept;
  hub.cuts.clear();
  hub.swapped.clear();
  hub.ignoreRanges = false;
  vi.unstubAllEnvs();
});

describe("a model of the hub", () => {
  it("is a folder whose files are fetched when they are read, once", async () => {
    const given = options();
    const folder = await openHubFolder("lab/model", given);
    expect(folder.name).toBe("lab/model");
    expect([await folder.has("pytorch_model.bin"), await folder.has("model.safetensors")]).toEqual([true, false]);
    expect(await folder.size("pytorch_model.bin")).toBe(weights.length);
    expect(hub.requests.filter((request) => request.includes("resolve"))).toEqual([]);
    expect(await readText(folder, "config.json")).toBe('{"hidden_size": 32}');
    const parts = await Promise.all([
      folder.read("pytorch_model.bin", 100, 200),
      folder.read("pytorch_model.bin"),
      folder.read("1_Pooling/config.json"),
    ]);
    expect(parts).toEqual([weights.slice(100, 200), weights, text("{}")]);
    expect(await folder.read("empty.txt")).toEqual(new Uint8Array());
    expect(hub.requests.filter((request) => request.includes("storage"))).toHaveLength(1);
    await expect(folder.read("model.safetensors")).rejects.toThrow("lab/model/model.safetensors does not exist");
    hub.requests.length = 0;
    const again = await openHubFolder("lab/model", given);
    expect(await again.read("pytorch_model.bin")).toEqual(weights);
    expect(hub.requests.filter((request) => request.includes("resolve"))).toEqual([]);
  });

  it("lies in the cache as Python's libraries keep it", async () => {
    const given = options();
    const folder = await openHubFolder("lab/model", given);
    for (const file of Object.keys(files)) await folder.read(file);
    const model = join(given.cacheDir, "models--lab--model");
    expect(await readFile(join(model, "refs/main"), "utf8")).toBe(commit);
    expect((await readdir(join(model, "blobs"))).sort()).toEqual(
      [sha256(weights), ...[files["config.json"], files["1_Pooling/config.json"], files["empty.txt"]].map(gitOid)].sort(),
    );
    const snapshot = join(model, "snapshots", commit);
    expect(await readlink(join(snapshot, "pytorch_model.bin"))).toBe(`../../blobs/${sha256(weights)}`);
    expect(await readlink(join(snapshot, "1_Pooling/config.json"))).toBe(`../../../blobs/${gitOid(text("{}"))}`);
    // The folder of all snapshots, too, is the model.
    expect((await openModelFolder(model)).name).toBe(snapshot);
  });

  it("is found by the environment, and by a revision", async () => {
    const home = join(root, "home");
    for (const [name, value] of Object.entries({ HF_ENDPOINT: `${hub.url}/`, HF_HOME: home, HF_TOKEN: "hf_secret" }))
      vi.stubEnv(name, value);
    await (await openHubFolder("lab/gated")).read("config.json");
    expect(await stat(join(home, "hub/models--lab--gated/snapshots", commit, "config.json"))).toBeTruthy();
    // As Python's library does.
    vi.stubEnv("HOME", root).stubEnv("USERPROFILE", root).stubEnv("HF_HOME", "~/tilde");
    await (await openHubFolder("lab/gated")).read("config.json");
    expect(await stat(join(root, "tilde/hub/models--lab--gated/snapshots", commit, "config.json"))).toBeTruthy();
    vi.stubEnv("HF_HUB_CACHE", join(root, "elsewhere"));
    await (await openHubFolder("old-name", { revision: "refs/pr/1" })).read("config.json");
    expect(await readFile(join(root, "elsewhere/models--old-name/refs/refs/pr/1"), "utf8")).toBe(commit);
    await (await openHubFolder("old-name", { revision: commit })).read("config.json");
    expect(await readdir(join(root, "elsewhere/models--old-name/refs"))).toEqual(["refs"]);
  });

  it("opens with the token that a mirror gave, which is not sent elsewhere", async () => {
    const folder = await openHubFolder("lab/mirrored", options({ token: "of-the-mirror" }));
    expect(await folder.read("pytorch_model.bin")).toEqual(weights);
    const refused = openHubFolder("lab/mirrored", options({ token: "of-another" }));
    await expect(refused).rejects.toThrow("(401)");
    await expect(refused).rejects.toMatchObject({ remedy: expect.stringContaining("The token that was sent may have expired") });
    const anonymous = openHubFolder("lab/mirrored", options({ token: "" }));
    await expect(anonymous).rejects.toMatchObject({ remedy: expect.not.stringContaining("expired") });
  });

  it("is looked for no further where the answer is not the hub's", async () => {
    const asked = vi.fn(async () => Response.json({}));
    vi.stubGlobal("fetch", asked);
    const opened = openHubFolder("lab/model", options());
    await expect(opened).rejects.toThrow(`${hub.url} describes lab/model in a way that is not the hub's`);
    expect(asked).toHaveBeenCalledOnce();
    vi.unstubAllGlobals();
  });

  it("says under which name it may be, if its organisation is left out", async () => {
    await expect(openHubFolder("all-small", options())).rejects.toMatchObject({
      remedy: expect.stringContaining("or sentence-transformers/all-small if it is one of theirs"),
    });
  });

  it("is not opened with options that it does not have", async () => {
    for (const open of [openHubFolder, openModelFolder]) {
      await expect(open("lab/model", { ...options(), revison: "main" } as object)).rejects.toThrow(/has no option "revison"/);
    }
  });

  it("says how far a file has come", async () => {
    const seen: number[] = [];
    const folder = await openHubFolder(
      "lab/model",
      options({ onProgress: ({ file, done, total }) => seen.push(file === "pytorch_model.bin" && total === weights.length ? done : -1) }),
    );
    await folder.read("pytorch_model.bin");
    expect(seen.at(-1)).toBe(weights.length);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
  });

  it("writes nothing where the cache has it, as the cache may be one that nobody may write", async () => {
    const given = options();
    const model = join(given.cacheDir, "models--lab--model");
    const entries = async () => {
      const names = (await readdir(model, { recursive: true })).sort();
      return Promise.all(names.map(async (name) => [name, (await lstat(join(model, name))).ino, (await lstat(join(model, name))).mtimeMs]));
    };
    await (await openHubFolder("lab/model", given)).read("pytorch_model.bin");
    const before = await entries();
    await (await openHubFolder("lab/model", given)).read("pytorch_model.bin");
    expect(await entries()).toEqual(before);
  });

  it("says where the cache is chosen, if it cannot be written", async () => {
    const cacheDir = join(root, "a-file");
    await writeFile(cacheDir, "");
    await expect(openHubFolder("lab/model", options({ cacheDir }))).rejects.toMatchObject({
      name: "FileError",
      remedy: expect.stringContaining("--cache_dir (cacheDir) or HF_HUB_CACHE"),
    });
  });

  it("is taken from the cache where the hub cannot be reached, with a note", async () => {
    const given = options();
    await (await openHubFolder("lab/model", given)).read("config.json");
    const notes: string[] = [];
    const away = { ...given, endpoint: "http://127.0.0.1:9", onNote: (note: string) => notes.push(note) };
    expect(await readText(await openHubFolder("lab/model", away), "config.json")).toBe('{"hidden_size": 32}');
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatch(/^http:\/\/127\.0\.0\.1:9 cannot be reached: .*The model in the cache is used\.$/);
    await expect(openHubFolder("lab/other", away)).rejects.toThrow("cannot be reached");
    // The answer of a hub is final.
    await expect(openHubFolder("lab/nowhere", given)).rejects.toThrow(FileError);
  });

  it("offline is what is in the cache, and nothing is asked", async () => {
    const given = options();
    await (await openHubFolder("lab/model", given)).read("config.json");
    hub.requests.length = 0;
    for (const revision of ["main", commit]) {
      const folder = await openHubFolder("lab/model", { ...given, revision, offline: true });
      expect(folder.name).toBe("lab/model");
      expect(await readText(folder, "config.json")).toBe('{"hidden_size": 32}');
      expect(await folder.has("pytorch_model.bin")).toBe(false);
      await expect(folder.read("pytorch_model.bin")).rejects.toThrow("lab/model/pytorch_model.bin is not in the cache");
    }
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    await expect(openHubFolder("lab/other", given)).rejects.toThrow("lab/other at main is not in the cache");
    await expect(openHubFolder("lab/model", { ...given, revision: "v2" })).rejects.toThrow(FileError);
    expect(hub.requests).toEqual([]);
  });
});

it("a model's address on the hub is a folder too, as a browser opens it", async () => {
  const folder = openHttpFolder(`${hub.url}/lab/model/resolve/main`);
  expect([await folder.has("model.safetensors"), await folder.size("pytorch_model.bin")]).toEqual([false, weights.length]);
  expect(await folder.read("pytorch_model.bin", 10, 90)).toEqual(weights.slice(10, 90));
});

describe("a download", () => {
  it("that is cut goes on where it ended", async () => {
    hub.cuts.set("pytorch_model.bin", [10_000, 5_000, 0]);
    const given = options();
    breakWhenKept(given.cacheDir);
    const folder = await openHubFolder("lab/model", given);
    expect(await folder.read("pytorch_model.bin")).toEqual(weights);
    const ranges = hub.requests.filter((request) => request.includes("storage")).map((request) => request.split(" ")[2]);
    expect(ranges).toEqual([undefined, "bytes=10000-", "bytes=15000-", "bytes=15000-"]);
  });

  it("that is cut again and again says so, and a later one goes on", async () => {
    const given = options();
    hub.cuts.set("pytorch_model.bin", [7_000, 0, 0, 0, 0, 0]);
    breakWhenKept(given.cacheDir);
    await expect((await openHubFolder("lab/model", given)).read("pytorch_model.bin")).rejects.toThrow(FileError);
    hub.cuts.clear();
    hub.requests.length = 0;
    expect(await (await openHubFolder("lab/model", given)).read("pytorch_model.bin")).toEqual(weights);
    expect(hub.requests.filter((request) => request.includes("storage"))).toEqual([expect.stringContaining("bytes=7000-")]);
  });

  it("by several at once gives each of them the file, and leaves nothing beside it", async () => {
    const given = options();
    hub.cuts.set("pytorch_model.bin", [10_000, 20_000, 5_000]);
    const folders = await Promise.all([1, 2, 3].map(() => openHubFolder("lab/model", given)));
    for (const read of await Promise.all(folders.map((folder) => folder.read("pytorch_model.bin")))) expect(read).toEqual(weights);
    expect(await readdir(join(given.cacheDir, "models--lab--model/blobs"))).toEqual([sha256(weights)]);
  });

  it("goes on with what a killed process left, and not with what a living one writes", async () => {
    const given = options();
    const blobs = join(given.cacheDir, "models--lab--model/blobs");
    await mkdir(blobs, { recursive: true });
    const ended = spawnSync(process.execPath, ["-e", ""]).pid;
    const partial = (pid: number, on = hostname()) => `${sha256(weights)}.${on.replace(/[^\w-]/g, "_")}.${pid}.x.part`;
    const others = [partial(process.pid), partial(ended, "elsewhere"), `${sha256(weights)}.incomplete`];
    for (const name of others) await writeFile(join(blobs, name), "not mine");
    await writeFile(join(blobs, partial(ended)), weights.subarray(0, 7_000));
    expect(await (await openHubFolder("lab/model", given)).read("pytorch_model.bin")).toEqual(weights);
    expect(hub.requests.filter((request) => request.includes("storage"))).toEqual([expect.stringContaining("bytes=7000-")]);
    expect((await readdir(blobs)).sort()).toEqual([sha256(weights), ...others].sort());
    for (const name of others) expect(await readFile(join(blobs, name), "utf8")).toBe("not mine");
  });

  it("from a server that knows no ranges begins again", async () => {
    hub.ignoreRanges = true;
    hub.cuts.set("pytorch_model.bin", [10_000]);
    expect(await (await openHubFolder("lab/model", options())).read("pytorch_model.bin")).toEqual(weights);
  });

  it.each([
    ["pytorch_model.bin", weights.with(7, 0), sha256(weights)],
    ["config.json", text('{"hidden_size": 64}'), gitOid(files["config.json"])],
  ])("of other bytes than announced is refused and leaves nothing: %s", async (file, bytes, announced) => {
    const given = options();
    const folder = await openHubFolder("lab/model", given);
    hub.swapped.set(file, bytes);
    await expect(folder.read(file)).rejects.toThrow(`expected ${announced}`);
    await expect(folder.read(file)).rejects.toThrow(FormatError);
    expect(await readdir(join(given.cacheDir, "models--lab--model/blobs"))).toEqual([]);
    hub.swapped.clear();
    expect(await folder.read(file)).toEqual(files[file as keyof typeof files]);
  });

  it("longer than announced is refused", async () => {
    const folder = await openHubFolder("lab/model", options());
    hub.swapped.set("config.json", new Uint8Array(1000));
    await expect(folder.read("config.json")).rejects.toThrow("longer than the 19 bytes");
  });
});

describe("what is refused", () => {
  it.each<[string, string, HubOptions, string]>([
    ["a model that is not there", "lab/nothing", {}, "has no model lab/nothing with the revision main"],
    ["a revision that is not there", "lab/model", { revision: "v9" }, "has no model lab/model with the revision v9"],
    ["a private model", "private/model", {}, "refuses private/model (401)"],
    ["a gated model without a token", "lab/gated", {}, "refuses lab/gated (401)"],
    ["a wrong token", "lab/gated", { token: "hf_wrong" }, "refuses lab/gated (401)"],
    ["a hub that is not there", "lab/model", { endpoint: "http://127.0.0.1:9" }, "cannot be reached"],
  ])("%s", async (_, name, more, message) => {
    const error: unknown = await openHubFolder(name, options(more)).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(FileError);
    expect((error as SimcseError).message).toContain(message);
  });

  it.each<[string, string, HubOptions]>([
    ["a token that is none", "lab/gated", { token: "secret", endpoint: "https://huggingface.co" }],
    ["an endpoint that is no address", "lab/model", { endpoint: "nowhere" }],
    ["a name that leads elsewhere", "../model", {}],
    ["a name of three parts", "a/b/c", {}],
    ["a revision that leads elsewhere", "lab/model", { revision: "../../main" }],
  ])("%s", async (_, name, more) => {
    await expect(openHubFolder(name, options(more))).rejects.toThrow(OptionError);
    expect(hub.requests).toEqual([]);
  });
});

it("a folder on disk comes before a name, and a path is never taken for one", async () => {
  expect(["bert-base-uncased", "princeton-nlp/sup-simcse-bert-base-uncased"].every(isHubName)).toBe(true);
  expect(["./model", "/model", "a/b/c", "..", "model/", "~/model", "C:\\model", ""].some(isHubName)).toBe(false);
  expect((await openModelFolder(root, options())).name).toBe(root);
  for (const url of [pathToFileURL(root), pathToFileURL(root).href]) expect((await openModelFolder(url)).name).toBe(root);
  await expect(openModelFolder("file://elsewhere%2fmodel/")).rejects.toThrow(OptionError);
  expect((await openModelFolder("lab/model", options())).name).toBe("lab/model");
  await expect(openModelFolder(join(root, "nowhere"), options())).rejects.toThrow("does not exist");
});

it.each<[boolean, Record<string, string>]>([
  [false, {}],
  [false, { HF_HUB_OFFLINE: "0", TRANSFORMERS_OFFLINE: "" }],
  [true, { HF_HUB_OFFLINE: "1" }],
  [true, { HF_HUB_OFFLINE: "True" }],
  [true, { TRANSFORMERS_OFFLINE: "yes" }],
])("is offline (%s) as Python's libraries are with %o", (expected, env) => {
  expect(isOffline(env)).toBe(expected);
});

it.each([
  ["https://huggingface.co/lab/model", "Give lab/model, its name"],
  ["https://huggingface.co/lab/model/tree/main", "Give lab/model, its name"],
  ["hf://lab/model@main", "Give lab/model, its name"],
  ["https://huggingface.co", "Give organisation/name"],
])("an address is told from a name: %s", async (address, remedy) => {
  await expect(openModelFolder(address)).rejects.toThrow(OptionError);
  await expect(openModelFolder(address)).rejects.toMatchObject({ remedy: expect.stringContaining(remedy) });
});
