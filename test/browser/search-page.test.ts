import { join } from "node:path";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { DeviceError } from "../../src/errors.ts";
import { openFolder } from "../../src/io/folder-node.ts";
import { SimCSE } from "../../src/simcse/simcse-node.ts";
import { createApp } from "../../tools/server/app.ts";
import { type HttpServer, serveHttp } from "../../tools/server/serve-http.ts";
import { findBrowser } from "../../tools/setup/find-browser.ts";
import { openTestDevice } from "../device.ts";
import { temporaryFolder, tinySentences, writeTinyModel } from "../tiny-model.ts";

const hostile = "<img src=x onerror=\"document.title='taken'\"> & <script>document.title='taken'</script>";

const device = await openTestDevice();
const folder = join(await temporaryFolder(), "tiny");
let model: SimCSE;
let browser: Browser;
const servers: HttpServer[] = [];

beforeAll(async () => {
  const executablePath = findBrowser("chromium");
  if (executablePath === null)
    throw new DeviceError("There is no Chromium on this machine.", "Install it with `npm run setup -- --browser`.");
  await writeTinyModel(folder);
  model = await SimCSE.loadFrom(device, await openFolder(folder), { pooler: "avg" });
  await model.buildIndex([...tinySentences, hostile]);
  browser = await chromium.launch({ executablePath, args: ["--headless=new", "--no-sandbox"] });
});

afterAll(async () => {
  await browser?.close();
  await Promise.all(servers.map((server) => server.stop({ grace: 0, drain: 0 })));
  model?.close();
});

async function open(width: number, apiKey?: string) {
  const limits = { inputs: 10, characters: 1000, bodyBytes: 10_000, waiting: 100 };
  const options = { model, names: ["tiny"], searchable: true, examples: [hostile], limits, log: () => {} } as const;
  const server = await serveHttp(createApp({ ...options, ...(apiKey !== undefined && { apiKey }) }), "127.0.0.1", 0);
  servers.push(server);
  const page = await browser.newPage({ viewport: { width, height: 800 } });
  await page.goto(server.url);
  return page;
}

it.each([1200, 390])("searches and keeps text text, %i pixels wide", async (width) => {
  const page = await open(width);
  await page.fill("#query", hostile);
  await page.press("#query", "Enter");
  const first = page.locator("#results li").first();
  await first.waitFor();
  expect(await first.locator(".sentence").textContent()).toBe(hostile);
  expect(await first.locator(".score").textContent()).toMatch(/^(1\.0000|0\.9999)$/);
  expect(await page.locator("#results img, #results script, #examples img").count()).toBe(0);
  expect(await page.title()).toBe("SimCSE search");
  // Nothing sticks out at the side.
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(width);
  await page.fill("#topk", "2");
  await page.dispatchEvent("#topk", "change");
  // Not waitForFunction, which evaluates in the page: the page's own policy forbids that.
  await expect.poll(() => page.locator("#results li").count()).toBeLessThanOrEqual(2);
  await page.selectOption("#examples", hostile);
  expect(await page.inputValue("#query")).toBe(hostile);
  await page.close();
});

it("asks for the key where there is one", async () => {
  const page = await open(800, "sesame");
  await page.waitForSelector("#key:visible");
  await page.fill("#query", tinySentences[0]!);
  await page.fill("#key", "sesame");
  await page.press("#key", "Enter");
  await page.locator("#results li").first().waitFor();
  expect(await page.locator("#results .sentence").first().textContent()).toBe(tinySentences[0]);
  await page.close();
});
