/**
 * The app's way through training in headless Chromium, as a person goes it: a table dropped, its columns named, thirty steps, the tab closed in
 * the middle and later the graphics device lost, and the model as a zip. Node makes the same weights from the same run.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { unzipSync } from "fflate";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Example } from "../../src/io/examples.ts";
import { MemoryFolder } from "../../src/io/folder.ts";
import { openFolder } from "../../src/io/folder-node.ts";
import { openWeights } from "../../src/io/weights.ts";
import { SimCSE } from "../../src/simcse/simcse-node.ts";
import type { TrainingSettings } from "../../src/simcse/training/training-options.ts";
import { openTestDevice } from "../device.ts";
import { temporaryFolder, writeTinyModel } from "../tiny-model.ts";
import { openChromium } from "./open-chromium.ts";
import { openSite, type Site } from "./site.ts";

/** SwiftShader compiles and runs slowly, especially when other work shares the cores. */
const timeout = 240_000;

/** Words of the tiny model's vocabulary: what a pair is about, and what is said of it. */
const things = "cat stove piano string children beans shed rain harbour letter supper train coast noon".split(" ");
const asked = ["She reads the letter: a * and a ?.", "All night the * needs a ?.", "Two * behind the ?."];
const answered = ["A * sleeps on the warm ?.", "The old ? fell before the *.", "Rain leaves for a * at the ?."];

/** A table of pairs about the same two things in other words, between columns that are none of the app's business. */
function table(): string {
  const rows = things.flatMap((a, i) => things.slice(i + 1).map((b, j) => [a, b, i + j] as const));
  const filled = (texts: readonly string[], at: number, a: string, b: string) => texts[at % texts.length]!.replace("*", a).replace("?", b);
  const lines = rows.map(([a, b, n]) => `${n},"${filled(asked, n, a, b)}",x,"${filled(answered, n + 1, a, b)}"`);
  return ["number,wanted,mark,found", ...lines].join("\n");
}

/** Weights of the two runs, relative to their size: both sum in f32, in other orders, and thirty updates pass it on. */
const mostDifference = 1e-4;
/** Softmax does not change with it, so its gradient is nothing but rounding, and AdamW makes full steps of that. */
const isNoise = (tensor: string) => tensor.endsWith("attention.self.key.bias");

let site: Site;
let browser: Browser;
let context: BrowserContext;
let modelFolder: string;
const complaints: string[] = [];

beforeAll(async () => {
  modelFolder = join(await temporaryFolder(), "tiny");
  await writeTinyModel(modelFolder, { config: { simcse: { pooler_type: "avg", max_seq_length: 32 } } });
  site = await openSite(modelFolder);
  browser = await openChromium();
  context = await browser.newContext();
  context.setDefaultTimeout(timeout);
}, timeout);

afterAll(async () => {
  await browser?.close();
  await site?.close();
});

async function open(): Promise<Page> {
  const page = await context.newPage();
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(site.url);
  return page;
}

async function drop(page: Page, name: string, content: string): Promise<void> {
  const dataTransfer = await page.evaluateHandle(
    ([name, content]) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([content], name));
      return transfer;
    },
    [name, content] as const,
  );
  await page.dispatchEvent("#data .drop-zone", "drop", { dataTransfer });
}

async function set(page: Page, setting: string, value: string): Promise<void> {
  const field = page.locator(`#plan [name=${setting}]`);
  await field.fill(value);
  await field.press("Tab");
  await page.locator("#plan .activity:empty").waitFor({ state: "attached" });
}

const runText = (page: Page) => page.locator("#train .run").textContent();

/** A file of the run in the browser's private storage. */
async function stored<T>(page: Page, file: string): Promise<T> {
  const text = await page.evaluate(async (file) => {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("run");
    return (await (await folder.getFileHandle(file)).getFile()).text();
  }, file);
  return JSON.parse(text) as T;
}

it("trains on a dropped table, goes on after a closed tab and a lost device, and saves what Node trains too", {
  timeout: 2 * timeout,
}, async () => {
  const page = await open();
  await page.locator("#model.done").waitFor();
  await drop(page, "things.csv", table());
  // The first text column is taken for the text; what belongs to it is the last one, not the mark.
  await page.getByLabel("What mark is").selectOption("");
  await page.getByLabel("What wanted is").selectOption("sent0");
  await page.getByLabel("What found is").selectOption("sent1");
  await page.locator("#data.done").waitFor();
  await page.locator("#plan.done").waitFor();
  await page.getByText("Advanced settings").click();
  await set(page, "max_steps", "30");
  await set(page, "learning_rate", "0.003");
  await page.getByRole("button", { name: "Start training" }).click();
  await expect.poll(() => runText(page), { timeout }).toContain("kept in this browser up to step 10");
  await page.close();

  const later = await open();
  await later.getByRole("button", { name: "Bring it back" }).click();
  await later.getByRole("button", { name: "Go on" }).click();
  await expect.poll(() => runText(later), { timeout }).toContain("kept in this browser up to step 20");
  await (await browser.newBrowserCDPSession()).send("Browser.crashGpuProcess");
  await later.locator("#train.done").waitFor();
  expect(await runText(later)).toContain("30 steps done");
  expect(await runText(later)).toContain("The graphics device was lost");

  const { settings, evaluations } = await stored<{ settings: TrainingSettings; evaluations: { metrics: Record<string, number> }[] }>(
    later,
    "run.json",
  );
  const [before, after] = [evaluations[0]!.metrics["mrr@10"]!, evaluations.at(-1)!.metrics["mrr@10"]!];
  expect(after).toBeGreaterThan(before);

  const saving = later.waitForEvent("download");
  await later.getByRole("button", { name: /zip/i }).first().click();
  const files = unzipSync(await readFile(await (await saving).path()));
  const entries = Object.entries(files).map(([name, bytes]) => [name.slice(name.indexOf("/") + 1), bytes] as const);
  const inBrowser = await openWeights(new MemoryFolder("zip", entries));

  const { training } = await stored<{ training: Example[] }>(later, "examples.json");
  const inNode = await trainedInNode(training, settings);
  const differences: Record<string, number> = {};
  for (const name of inNode!.tensors.keys()) {
    if (isNoise(name)) continue;
    const [a, b] = [await inBrowser!.readF32(name), await inNode!.readF32(name)];
    differences[name] = distance(a, b);
  }
  expect(Object.entries(differences).filter(([, difference]) => !(difference < mostDifference))).toEqual([]);
  expect(complaints).toEqual([]);
});

async function trainedInNode(examples: readonly Example[], settings: TrainingSettings) {
  const device = await openTestDevice();
  await using model = await SimCSE.loadFrom(device, await openFolder(modelFolder), { pooler: settings.pooler });
  await model.train(
    examples.map(({ texts }) => texts),
    settings,
  );
  const folder = new MemoryFolder("node");
  await model.save(folder);
  return openWeights(folder);
}

/** ‖a − b‖ / ‖b‖. */
function distance(a: Float32Array, b: Float32Array): number {
  const norm = (vector: Float32Array) => Math.hypot(...vector);
  return norm(a.map((value, i) => value - b[i]!)) / norm(b);
}
