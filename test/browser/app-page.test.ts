import { join } from "node:path";
import { gzipSync } from "node:zlib";
import axe from "axe-core";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { temporaryFolder, tinySentences, writeTinyModel } from "../tiny-model.ts";
import { openChromium } from "./open-chromium.ts";
import { openSite, type Site } from "./site.ts";

/** SwiftShader compiles and runs slowly, especially when other work shares the cores. */
const timeout = 240_000;

/** What a first visit may load of scripts, gzipped. */
const mostScriptBytes = 300_000;

let site: Site;
let browser: Browser;
/** Errors in the console of the pages where none should be. */
const complaints: string[] = [];

beforeAll(async () => {
  const folder = join(await temporaryFolder(), "tiny");
  await writeTinyModel(folder);
  site = await openSite(folder);
  browser = await openChromium();
}, timeout);

afterAll(async () => {
  await browser?.close();
  await site?.close();
});

/** A visitor who has never been here. */
async function newVisitor(options: Parameters<Browser["newContext"]>[0] = {}): Promise<BrowserContext> {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(timeout);
  return context;
}

async function open(context: BrowserContext): Promise<Page> {
  const page = await context.newPage();
  page.on("console", (message) => {
    const isComplaint = ["error", "warning"].includes(message.type()) && !message.text().includes("blocked by Playwright");
    if (isComplaint) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(site.url);
  return page;
}

const modelLoaded = (page: Page) => page.locator("#model.done").waitFor();

async function paste(page: Page, text: string): Promise<void> {
  await page.getByLabel("Or paste").fill(text);
  await page.getByRole("button", { name: "Use this text" }).click();
  await page.locator("#data.done").waitFor();
}

/** What axe-core finds that would keep somebody out. */
async function seriousFaults(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = (await page.evaluate("axe.run()")) as axe.AxeResults;
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}

it("loads its model, with little script and nothing from elsewhere", { timeout }, async () => {
  const context = await newVisitor();
  const scripts: Promise<number>[] = [];
  const elsewhere: string[] = [];
  context.on("request", (request) => {
    if (!request.url().startsWith(site.url)) elsewhere.push(request.url());
  });
  context.on("response", (response) => {
    // A worker's script is one of the page's too; what the service worker stores for later is not.
    if (/\.js$/.test(response.url()) && response.request().serviceWorker() === null)
      scripts.push(response.body().then((body) => gzipSync(body).length));
  });
  const page = await open(context);
  await modelLoaded(page);
  const bytes = (await Promise.all(scripts)).reduce((sum, each) => sum + each, 0);
  expect(scripts.length).toBeGreaterThan(2);
  expect(bytes).toBeLessThan(mostScriptBytes);
  expect(elsewhere).toEqual([]);
  await context.close();
});

it("searches by meaning, finds near-duplicates, saves vectors, and does so again without a network", { timeout }, async () => {
  const context = await newVisitor();
  const page = await open(context);
  await modelLoaded(page);
  await paste(page, [...tinySentences, tinySentences[0]!.replace(".", "!")].join("\n"));
  await search(page);

  await page.getByRole("button", { name: "Find", exact: true }).click();
  await page.locator(".pairs li").first().waitFor();

  const saving = page.waitForEvent("download");
  await page.getByRole("button", { name: "Vectors only, .npy" }).click();
  const saved = await saving;
  expect(saved.suggestedFilename()).toBe("vectors.npy");

  // No dialogue of the browser's own in a test: its private storage is a folder too.
  await page.evaluate("globalThis.showDirectoryPicker = () => navigator.storage.getDirectory()");
  await page.getByLabel("Name", { exact: true }).fill("mine");
  await page.getByRole("button", { name: "Save into a folder" }).click();
  await page.getByText(/^The model is in .*mine\.$/).waitFor();
  await page.evaluate(
    "navigator.storage.getDirectory().then(root => root.getDirectoryHandle('mine')).then(mine => mine.getFileHandle('config.json'))",
  );

  expect(await seriousFaults(page)).toEqual([]);
  await page.setViewportSize({ width: 360, height: 740 });
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(360);

  await page.evaluate("navigator.serviceWorker.ready.then(() => true)");
  await page.close();
  await site.goOffline();
  const later = await open(context);
  await modelLoaded(later);
  await later.getByRole("button", { name: "Search them again" }).click();
  await search(later);
  await context.close();
  await site.goOnline();
});

async function search(page: Page): Promise<void> {
  const build = page.getByRole("button", { name: "Make my text searchable" });
  if (await build.isVisible()) await build.click();
  await page.getByRole("searchbox").fill(tinySentences[3]!);
  await page.getByRole("searchbox").press("Enter");
  await expect.poll(() => page.locator(".matches li").first().textContent(), { timeout }).toContain(tinySentences[3]!);
}

it("is accessible in the dark, and Under the hood is too", { timeout }, async () => {
  const context = await newVisitor({ colorScheme: "dark", reducedMotion: "reduce", viewport: { width: 360, height: 740 } });
  const page = await open(context);
  await modelLoaded(page);
  expect(await seriousFaults(page)).toEqual([]);
  await page.getByRole("link", { name: "Under the hood" }).click();
  await page.locator("html[data-status=ready]").waitFor({ state: "attached" });
  expect(await seriousFaults(page)).toEqual([]);
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(360);
  await context.close();
});

it("keeps the keyboard's focus where it was while work disables what has it", { timeout }, async () => {
  const context = await newVisitor({ serviceWorkers: "block" });
  const page = await open(context);
  const focused = () => page.evaluate("document.activeElement.name || document.activeElement.id || document.activeElement.textContent");
  await modelLoaded(page);
  await paste(page, tinySentences.join("\n"));
  await page.locator("[name=num_train_epochs]").focus();
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Tab");
  await expect.poll(focused).toBe("per_device_train_batch_size");
  await page.getByRole("button", { name: "Find", exact: true }).focus();
  await page.keyboard.press("Enter");
  await page.getByText(/that alike|nearly the same/).waitFor();
  await expect.poll(focused).toBe("Find");
  // The button is gone afterwards: the focus stays in its step.
  await page.getByRole("button", { name: "Make my text searchable" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("searchbox").waitFor();
  await expect.poll(focused).toBe("use-title");
  await context.close();
});

/** Where a browser gives no storage, or has no more room, the app works, and says that it keeps nothing. */
it.each([
  ["gives no storage", `StorageManager.prototype.getDirectory = async () => { throw new DOMException("denied", "SecurityError"); };`],
  [
    "has no room left",
    `FileSystemFileHandle.prototype.createWritable = async () => { throw new DOMException("full", "QuotaExceededError"); };`,
  ],
])("searches where the browser %s", { timeout }, async (_, prelude) => {
  site.workerPrelude = prelude;
  const context = await newVisitor({ serviceWorkers: "block" });
  const page = await open(context);
  await modelLoaded(page);
  await paste(page, tinySentences.join("\n"));
  await search(page);
  await page.getByText("This browser does not let the page keep them.").waitFor();
  await context.close();
  site.workerPrelude = "";
});

it("goes on searching after the graphics device was lost", { timeout }, async () => {
  site.workerPrelude = `const request = GPUAdapter.prototype.requestDevice;
GPUAdapter.prototype.requestDevice = async function (...options) { return (globalThis.lastDevice = await request.apply(this, options)); };
`;
  const context = await newVisitor({ serviceWorkers: "block" });
  const page = await open(context);
  await modelLoaded(page);
  await paste(page, tinySentences.join("\n"));
  await search(page);
  await page.workers()[0]!.evaluate("lastDevice.destroy()");
  await page.getByRole("searchbox").fill(tinySentences[1]!);
  await page.getByRole("searchbox").press("Enter");
  await expect.poll(() => page.locator(".matches li").first().textContent(), { timeout }).toContain(tinySentences[1]!);
  await page.workers()[0]!.evaluate("lastDevice.destroy()");
  await page.getByPlaceholder("A question in your own words").fill(tinySentences[2]!);
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  await page.locator("#train article, #train [role=alert] .message").first().waitFor();
  expect(await page.locator("#train article .before li").first().textContent()).toContain(tinySentences[2]!);
  await context.close();
  site.workerPrelude = "";
});

it("complained of nothing in the browser's console", () => {
  expect(complaints).toEqual([]);
});

/** A visit in which something is wrong; its message, in the section where it belongs. */
interface Trouble {
  readonly what: string;
  /** Runs in the worker before the app. */
  readonly prelude?: string;
  /** Done once the page is open. */
  readonly act?: (page: Page) => Promise<void>;
  readonly section: "model" | "data";
  readonly message: RegExp;
  readonly remedy: RegExp;
}

const file = (name: string, content: string) => ({ name, mimeType: "application/octet-stream", buffer: Buffer.from(content) });

const choose = (page: Page, section: string, label: string, chosen: ReturnType<typeof file>) =>
  page.locator(`#${section}`).getByLabel(label, { exact: true }).first().setInputFiles(chosen);

async function openChoices(page: Page): Promise<void> {
  await modelLoaded(page);
  await page.getByText("Use another model").click();
}

const troubles: readonly Trouble[] = [
  {
    what: "a browser without WebGPU",
    prelude: `Object.defineProperty(navigator, "gpu", { value: undefined });`,
    section: "model",
    message: /no WebGPU/,
    remedy: /Use a current Chrome/,
  },
  {
    what: "a graphics processor that is not there",
    prelude: `GPU.prototype.requestAdapter = async () => null;`,
    section: "model",
    message: /adapter/,
    remedy: /./,
  },
  {
    what: "a zip that is none",
    act: async (page) => {
      await openChoices(page);
      await choose(page, "model", "Choose a zip file", file("model.zip", "PK but not a zip"));
    },
    section: "model",
    message: /model\.zip is not a whole zip file/,
    remedy: /get it again/,
  },
  {
    what: "a name that the hub does not know",
    act: async (page) => {
      await page
        .context()
        .route("https://huggingface.co/**", (route) => route.fulfill({ status: 404, headers: { "access-control-allow-origin": "*" } }));
      await openChoices(page);
      await page.getByLabel("A name on the Hugging Face hub").fill("nobody/nothing");
      await page.getByRole("button", { name: "Fetch" }).click();
    },
    section: "model",
    message: /nobody\/nothing/,
    remedy: /./,
  },
  {
    what: "a picture in place of a text",
    act: async (page) => {
      await modelLoaded(page);
      await choose(page, "data", "Choose files", file("cat.png", "\u0089PNG"));
    },
    section: "data",
    message: /cat\.png is of no kind that this page reads/,
    remedy: /\.csv/,
  },
  {
    what: "a spreadsheet that is none",
    act: async (page) => {
      await modelLoaded(page);
      await choose(page, "data", "Choose files", file("table.xlsx", "no spreadsheet"));
    },
    section: "data",
    message: /table\.xlsx/,
    remedy: /./,
  },
  {
    what: "an empty file",
    act: async (page) => {
      await modelLoaded(page);
      await choose(page, "data", "Choose files", file("empty.csv", ""));
    },
    section: "data",
    message: /empty\.csv/,
    remedy: /./,
  },
];

it.each(troubles)("names $what, and says what to do", { timeout }, async ({ prelude = "", act, section, message, remedy }) => {
  site.workerPrelude = prelude;
  const context = await newVisitor({ serviceWorkers: "block" });
  const page = await context.newPage();
  await page.goto(site.url);
  await act?.(page);
  const shown = page.locator(`#${section} [role=alert] .message`);
  await shown.waitFor();
  expect(await shown.locator("strong").textContent()).toMatch(message);
  const text = await shown.locator("p").first().textContent();
  expect(text).toMatch(remedy);
  expect(text).not.toContain("fault of the page");
  await context.close();
  site.workerPrelude = "";
});
