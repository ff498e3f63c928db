/**
 * The site in headless Firefox, whose WebGPU (wgpu) and WGSL compiler (Naga) share no code with Dawn's: they accept every kernel, the page's kernel
 * suite passes, training takes Node's steps, and the app does what a person wants of it, also without a network. On Linux it needs a Vulkan
 * driver, as Node does.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { unzipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Choose, plan } from "../../src/autograd/plan.ts";
import { Tape } from "../../src/autograd/tape.ts";
import type { Capabilities } from "../../src/gpu/capabilities.ts";
import { openDevice } from "../../src/gpu/node.ts";
import { shaderCode } from "../../src/gpu/shader.ts";
import type { Kernel, Value } from "../../src/kernels/language/operation.ts";
import { findBrowser } from "../../tools/setup/find-browser.ts";
import type { Outcome } from "../../web/under-the-hood/outcome.ts";
import { catalogue, type Sizes, sizes } from "../kernels/catalogue.ts";
import { temporaryFolder, tinySentences, writeTinyModel } from "../tiny-model.ts";
import { type Firefox, openFirefox } from "./open-firefox.ts";
import { openSite, type Site } from "./site.ts";
import { expectTrainingOfNode, scoredPairs, trainingQuery } from "./training-of-node.ts";

/** Software adapters compile and run slowly, especially when other work shares the cores. */
const timeout = 240_000;

const executablePath = findBrowser("firefox");
const skipped = executablePath === null ? " (skipped: there is no Firefox; `npm run setup -- --browser` installs one on Debian)" : "";

describe.skipIf(executablePath === null)(`Firefox${skipped}`, () => {
  let site: Site;
  let firefox: Firefox;

  beforeAll(async () => {
    const folder = join(await temporaryFolder(), "tiny");
    await writeTinyModel(folder);
    site = await openSite(folder);
    firefox = await openFirefox(executablePath!, site);
  }, timeout);

  afterAll(async () => {
    await firefox?.close();
    await site?.close();
  });

  /** Opens "Under the hood" with a query, and gives what it publishes when it is done or has failed. */
  const outcome = (query: string): Promise<Outcome> =>
    firefox.run(async (page, address) => {
      const document = await page.visit(address);
      await page.until(() => ["done", "failed"].includes(document.documentElement.dataset.status!));
      return JSON.parse(document.querySelector("#results")!.textContent) as Outcome;
    }, `${site.url}under-the-hood/${query}`);

  it("accepts every kernel that it may be given", { timeout }, async () => {
    const shaders = [...(await kernelsWithoutSubgroups())];
    expect(shaders.length).toBeGreaterThan(300);
    const refusals = await firefox.run(async (_, shaders) => {
      const adapter = await navigator.gpu.requestAdapter();
      if (adapter === null) return ["there is no adapter"];
      const hasHalves = adapter.features.has("shader-f16");
      const device = await adapter.requestDevice({ requiredFeatures: hasHalves ? ["shader-f16"] : [] });
      const refused: string[] = [];
      for (const [code, label] of shaders) {
        if (code.startsWith("enable f16;") && !hasHalves) continue;
        device.pushErrorScope("validation");
        device.createShaderModule({ code });
        const error = await device.popErrorScope();
        if (error !== null) refused.push(`${label}: ${error.message}`);
      }
      device.destroy();
      return refused;
    }, shaders);
    expect(refusals).toEqual([]);
  });

  it("passes the kernel suite", { timeout }, async () => {
    const result = await outcome("?run=kernels");
    expect(result).toMatchObject({ run: "kernels" });
    if (result.run === "kernels") expect(result.findings.filter(({ passed }) => !passed)).toEqual([]);
  });

  it("trains as Node does", { timeout }, async () => {
    await expectTrainingOfNode(await outcome(trainingQuery("core", scoredPairs)), "core", scoredPairs);
  });

  it("teaches a model pasted text, searches it, saves it, and opens it again without a network", { timeout }, async () => {
    const visit = await firefox.run(
      async (page, { address, texts }) => {
        const document = await page.visit(address);
        const find = <E extends Element>(selector: string) => page.until(() => document.querySelector<E>(selector));
        const press = async (label: string) => {
          const named = () => [...document.querySelectorAll("button")].find(({ textContent }) => textContent.trim() === label);
          (await page.until(() => [named()].find((button) => button?.disabled === false))).click();
        };
        const type = async (selector: string, text: string) => {
          const field = await find<HTMLInputElement>(selector);
          field.value = text;
          field.dispatchEvent(new (document.defaultView as typeof globalThis & Window).Event("input", { bubbles: true }));
        };
        await find("#model.done");
        await type("#pasted", texts.join("\n"));
        await press("Use this text");
        await find("#plan.done");
        await press("Start training");
        await find("#train.done");
        await press("Make my text searchable");
        await type("input[type=search]", texts[3]!);
        await press("Search");
        const nearest = (await find(".matches li")).textContent;
        await press("Save as a zip");
        await page.until(() => document.querySelector("#use")!.textContent.includes("among your downloads"));
        await document.defaultView!.navigator.serviceWorker.ready;
        return { nearest, kept: document.querySelector("#use")!.textContent.includes("kept in this browser") };
      },
      { address: site.url, texts: tinySentences },
    );
    expect(visit).toEqual({ nearest: expect.stringContaining(tinySentences[3]!), kept: true });
    await expect.poll(() => readdir(firefox.downloads), { timeout }).toEqual(["tiny-tuned.zip"]);
    const saved = Object.keys(unzipSync(await readFile(join(firefox.downloads, "tiny-tuned.zip"))));
    expect(saved).toEqual(expect.arrayContaining(["tiny-tuned/config.json", "tiny-tuned/model.safetensors", "tiny-tuned/report.html"]));

    await site.goOffline();
    const later = await firefox.run(async (page, address) => {
      const document = await page.visit(address);
      const open = await page.until(() => document.querySelector<HTMLButtonElement>(".saved-run button"));
      open.click();
      await page.until(() => document.querySelector("#train.done"));
      return document.querySelector("#train .run")!.textContent;
    }, site.url);
    expect(later).toMatch(/^\d+ steps done/);
    await site.goOnline();
  });

  it("complained of nothing in its console", () => {
    expect(firefox.complaints).toEqual([]);
  });
});

/** The labels of all kernels of devices without subgroups, which Firefox does not have yet, by their WGSL: in hardware or software, with and without f16. */
async function kernelsWithoutSubgroups(): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const profile of ["full", "core"] as const) {
    await using device = await openDevice({ backend: "null", profile });
    const hasHalves = device.capabilities.features.has("shader-f16");
    for (const software of [true, false]) {
      const capabilities = { ...device.capabilities, software, subgroupSize: null, subgroupMatrices: [] };
      for (const size of sizes.filter(({ live }) => live)) {
        for (const record of Object.values(catalogue)) {
          for (const { shader } of everyVariant(record, size, capabilities))
            found.set(shaderCode(shader, { hasHalves, askedLanes: null }), shader.label);
        }
      }
    }
  }
  return found;
}

/** The kernels of a program, in each variant that its operations have. */
function everyVariant(record: (tape: Tape, size: Sizes) => (Value | null)[], size: Sizes, capabilities: Capabilities): Kernel[] {
  const kernels: Kernel[] = [];
  for (let number = 0, more = true; more; number++) {
    more = false;
    const choose: Choose = (_, variants) => {
      more ||= variants.length > number + 1;
      return variants[Math.min(number, variants.length - 1)];
    };
    const tape = new Tape();
    const values = record(tape, size).filter((value) => value !== null);
    const outputs = Object.fromEntries(values.map((value, i) => [`y${i}`, value]));
    kernels.push(...plan(tape, outputs, capabilities, choose).kernels);
  }
  return kernels;
}
