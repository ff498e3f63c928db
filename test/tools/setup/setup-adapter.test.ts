/**
 * Finding an adapter and a browser on this machine. Installing is not tested, because it changes the machine.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { distribution } from "../../../tools/setup/apt.ts";
import { findBrowser } from "../../../tools/setup/find-browser.ts";
import { probeAdapter } from "../../../tools/setup/probe-adapter.ts";
import { describeAdapter, findAdapter, setUpBrowser } from "../../../tools/setup/setup-adapter.ts";
import { driverEnvironment, softwareDrivers } from "../../../tools/setup/vulkan-drivers.ts";

const folder = mkdtempSync(join(tmpdir(), "setup-adapter-"));
const nowhere = { VK_DRIVER_FILES: join(folder, "none.json"), VK_ICD_FILENAMES: join(folder, "none.json") };
const log = (line: string): void => expect.unreachable(`nothing is installed here, but: ${line}`);

afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

describe("probeAdapter", () => {
  it("computes on this machine's adapter", async () => {
    expect(await probeAdapter()).toMatchObject({ info: { vendor: expect.any(String), isFallbackAdapter: expect.any(Boolean) } });
  });

  it.runIf(process.platform === "linux")("says why there is none", async () => {
    expect(await probeAdapter(nowhere)).toEqual({ reason: "Dawn finds no adapter" });
  });

  it("survives a child that dies", async () => {
    const dies = join(folder, "dies.cjs");
    writeFileSync(dies, "process.kill(process.pid, 'SIGSEGV'); setInterval(() => {}, 1000);");
    expect(await probeAdapter({ NODE_OPTIONS: `--require ${dies}` })).toEqual({ reason: "the driver ended the process with SIGSEGV" });
  });
});

describe("findAdapter", () => {
  it("uses the machine as it is where that works", async () => {
    expect((await findAdapter({ install: false, log })).environment).toEqual({});
  });

  it.runIf(softwareDrivers().length > 0)("falls back on a software driver that is there", async () => {
    for (const [name, value] of Object.entries(nowhere)) vi.stubEnv(name, value);
    const found = await findAdapter({ install: false, log });
    expect(softwareDrivers().map(driverEnvironment)).toContainEqual(found.environment);
    expect(found.info.isFallbackAdapter).toBe(true);
    expect(describeAdapter(found)).toContain(`, software), with VK_DRIVER_FILES=${found.environment.VK_DRIVER_FILES}`);
  });
});

describe.each([
  { name: "chromium", variable: "SIMCSE_BROWSER" },
  { name: "firefox", variable: "SIMCSE_FIREFOX" },
] as const)("finding $name", ({ name, variable }) => {
  it(`takes what ${variable} names, if it can be run`, () => {
    const browser = join(folder, name);
    vi.stubEnv(variable, browser);
    expect(findBrowser(name)).toBeNull();
    writeFileSync(browser, "#!/bin/sh\n");
    chmodSync(browser, 0o755);
    expect(findBrowser(name)).toBe(browser);
  });

  it(`does not look elsewhere where ${variable} is wrong`, async () => {
    const none = join(folder, "none");
    vi.stubEnv(variable, none);
    await expect(setUpBrowser(name, { install: true, log })).rejects.toThrow(`${variable} names ${none}`);
  });

  it.runIf(process.platform === "linux")("says what to do where there is none", async () => {
    vi.stubEnv("PATH", join(folder, "empty"));
    await expect(setUpBrowser(name, { install: false, log })).rejects.toMatchObject({ remedy: expect.stringContaining(variable) });
  });
});

describe("distribution", () => {
  const read = (text: string) => {
    const file = join(folder, "os-release");
    writeFileSync(file, text);
    return distribution(file);
  };

  it("reads quoted and bare fields", () => {
    expect(read('VERSION_ID="12"\nVERSION_CODENAME=bookworm\nID=debian\n')).toEqual({ id: "debian", codename: "bookworm" });
    expect(read('ID_LIKE="rhel"\nID="fedora"\n')).toEqual({ id: "fedora", codename: "" });
  });

  it("knows nothing of a system without the file", () => {
    expect(distribution(join(folder, "none"))).toEqual({ id: "", codename: "" });
  });
});
