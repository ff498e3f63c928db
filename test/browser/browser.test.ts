/**
 * The page of `web/` in headless Chromium, on WebGPU through Chromium's software adapter: the kernel suite passes, and training takes
 * the same steps as in Node.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Browser, Page } from "playwright-core";
import { build, type PreviewServer, preview } from "vite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { kernelChecks } from "../../web/under-the-hood/kernel-checks.ts";
import type { Outcome } from "../../web/under-the-hood/outcome.ts";
import { openChromium } from "./open-chromium.ts";
import { expectTrainingOfNode, scoredPairs, trainingQuery } from "./training-of-node.ts";

/** SwiftShader compiles and runs slowly, especially when other work shares the cores. */
const timeout = 240_000;

const site = mkdtempSync(join(tmpdir(), "simcse-web-"));
let server: PreviewServer;
let browser: Browser;
let page: Page;
/** Errors in the browser's console. */
const complaints: string[] = [];

beforeAll(async () => {
  const configFile = resolve("vite.config.ts");
  await build({ configFile, logLevel: "warn", build: { outDir: site } });
  server = await preview({ configFile, logLevel: "warn", build: { outDir: site }, preview: { host: "127.0.0.1", port: 0 } });
  browser = await openChromium();
  page = await newPage();
}, timeout);

afterAll(async () => {
  await browser?.close();
  await server?.close();
  rmSync(site, { recursive: true, force: true });
});

async function newPage(): Promise<Page> {
  const made = await browser.newPage();
  made.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  made.on("pageerror", (error) => complaints.push(String(error)));
  return made;
}

/** Opens the page with a query, and gives what it publishes when it is done or has failed. */
async function visit(query: string, on = page): Promise<Outcome> {
  await on.goto(new URL(`under-the-hood/${query}`, server.resolvedUrls!.local[0]!).href);
  return outcome(on);
}

async function outcome(on = page): Promise<Outcome> {
  await on.waitForSelector("[data-status=done], [data-status=failed]", { state: "attached", timeout });
  return JSON.parse((await on.textContent("#results"))!) as Outcome;
}

describe("the page", () => {
  it(
    "passes its kernel suite",
    async () => {
      const result = await visit("?run=kernels");
      expect(result).toMatchObject({ run: "kernels", adapter: expect.stringMatching(/swiftshader/i) });
      if (result.run !== "kernels") return;
      expect(result.findings.filter(({ passed }) => !passed)).toEqual([]);
      const found = new Set(result.findings.map(({ operation }) => operation));
      expect([...found]).toEqual(expect.arrayContaining(kernelChecks.map(({ operation }) => operation)));
      expect(await page.locator("#findings tr").count()).toBe(result.findings.length);
    },
    timeout,
  );

  // On a core device it trains in Firefox.
  it(
    "trains as Node does",
    async () => {
      await expectTrainingOfNode(await visit(trainingQuery("full", scoredPairs)), "full", scoredPairs);
    },
    timeout,
  );

  it(
    "stops when it is told to",
    async () => {
      await page.fill("#steps", "1000");
      await page.click("#training-form [type=submit]");
      // Not waitForFunction, which the page's own policy forbids.
      await expect.poll(() => page.textContent("#training-stage"), { timeout }).toMatch(/^Step /);
      await page.click("#training-stop");
      const result = await outcome();
      expect(result).toMatchObject({ run: "training" });
      expect((result as Extract<Outcome, { run: "training" }>).steps).toBeLessThan(1000);
    },
    timeout,
  );

  it("says what to do in a browser without WebGPU", async () => {
    const without = await newPage();
    await without.addInitScript(() => Object.defineProperty(navigator, "gpu", { value: undefined }));
    expect(await visit("", without)).toMatchObject({ run: "failed", message: expect.stringContaining("no WebGPU") });
    const shown = await without.textContent("#message");
    expect(shown).toContain("no WebGPU");
    expect(shown).toContain("Use a current Chrome");
    expect(await without.locator("button[type=submit]:enabled:visible").count()).toBe(0);
    await without.close();
  });

  it("names an impossible value in its address", async () => {
    const asked = await newPage();
    expect(await visit("?steps=<b>", asked)).toMatchObject({ run: "failed", message: expect.stringContaining("steps=<b>") });
    expect(await asked.locator("#message b").count()).toBe(0);
    await asked.close();
  });

  it("complained of nothing in the browser's console", () => {
    expect(complaints).toEqual([]);
  });
});
