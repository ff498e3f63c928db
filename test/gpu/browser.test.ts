/** Code for browsers where there is no browser. */
import { expect, it } from "vitest";
import { DeviceError, FileError } from "../../src/errors.ts";
import { openDevice, openHttpFolder, SimCSE } from "../../src/index.ts";

it("names the import that works outside browsers", async () => {
  expect("gpu" in (globalThis.navigator ?? {})).toBe(false);
  await expect(openDevice()).rejects.toThrow(DeviceError);
  await expect(openDevice()).rejects.toMatchObject({
    message: expect.stringContaining("no navigator.gpu"),
    remedy: expect.stringContaining("import"),
  });
});

it("has no model without a page", async () => {
  await expect(SimCSE.load()).rejects.toThrow(FileError);
  await expect(SimCSE.load()).rejects.toThrow("no page");
});

it("names what opens folders on disk", async () => {
  const folder = openHttpFolder(new URL("no-such-folder", import.meta.url));
  await expect(folder.has("config.json")).rejects.toMatchObject({ name: "FileError", remedy: expect.stringContaining("openFolder") });
});
