/** Where tuning is stored: in Node in a file, in a browser in its storage. */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { FileError } from "../../src/errors.ts";
import { BrowserStorage } from "../../src/io/folders/browser-storage.ts";
import { CacheFolder, cacheFolder } from "../../src/io/folders/cache-folder-node.ts";
import { parseConfig } from "../../src/nn/architectures/architectures.ts";
import { SimCseModel } from "../../src/simcse/model/model.ts";
import { checkingTuning, version } from "../../src/tuning/tuning.ts";
import { openTestDevice } from "../device.ts";
import { temporaryFolder, tinyConfig } from "../tiny-model.ts";

const device = await openTestDevice();

const folder = await temporaryFolder();
afterEach(() => {
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
});

it("the version is the package's", async () => {
  expect(version).toBe((JSON.parse(await readFile("package.json", "utf8")) as { version: string }).version);
});

it("models that are given no tuner share the device's, which checks", async () => {
  const config = parseConfig("tiny", tinyConfig().json);
  const open = () => SimCseModel.allocate(device, config, { training: false, mlp: false });
  const [model, other] = [await open(), await open()];
  expect(model.tuning).toBe(await checkingTuning(device));
  expect(other.tuning).toBe(model.tuning);
  model.close();
  other.close();
});

it("the cache folder is the user's", () => {
  vi.stubEnv("XDG_CACHE_HOME", "/somewhere");
  expect(cacheFolder()).toBe("/somewhere/simcse-webgpu");
  vi.stubEnv("HOME", "/home/someone");
  for (const unset of ["", "relative"]) {
    vi.stubEnv("XDG_CACHE_HOME", unset);
    expect(cacheFolder()).toBe("/home/someone/.cache/simcse-webgpu");
  }
});

it("a folder keeps texts, and makes itself", async () => {
  const cache = new CacheFolder(join(folder, "new", "tuning"));
  expect(await cache.read("adapter")).toBeNull();
  await cache.write("adapter", "first");
  await cache.write("adapter", "second");
  expect(await cache.read("adapter")).toBe("second");
  expect(await readdir(cache.path)).toEqual(["adapter.json"]);
});

it("a folder says what is in its way", async () => {
  await writeFile(join(folder, "file"), "");
  await expect(new CacheFolder(join(folder, "file")).write("adapter", "text")).rejects.toThrow(FileError);
  await mkdir(join(folder, "odd", "adapter.json"), { recursive: true });
  await expect(new CacheFolder(join(folder, "odd")).read("adapter")).rejects.toThrow(FileError);
});

it("a browser keeps texts under a prefix, and forgets where it may not", async () => {
  const items = new Map<string, string>();
  vi.stubGlobal("localStorage", {
    getItem: (key: string) => items.get(key) ?? null,
    setItem: (key: string, text: string) => items.set(key, text),
  });
  const storage = new BrowserStorage("simcse/");
  expect(await storage.read("adapter")).toBeNull();
  await storage.write("adapter", "text");
  expect(await storage.read("adapter")).toBe("text");
  expect([...items.keys()]).toEqual(["simcse/adapter"]);

  const forbidden = () => {
    throw new Error("SecurityError");
  };
  for (const denied of [undefined, { getItem: forbidden, setItem: forbidden }]) {
    vi.stubGlobal("localStorage", denied);
    await storage.write("adapter", "other");
    expect(await storage.read("adapter")).toBeNull();
  }
});
