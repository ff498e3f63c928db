/** Starts the Chromium of the browser tests. */
import { type Browser, chromium } from "playwright-core";
import { DeviceError } from "../../src/errors.ts";
import { findBrowser } from "../../tools/setup/find-browser.ts";
import { chromiumFlags } from "./chromium-flags.ts";

/** Throws `DeviceError` where there is none. */
export async function openChromium(): Promise<Browser> {
  const executablePath = findBrowser("chromium");
  if (executablePath !== null) return chromium.launch({ executablePath, args: chromiumFlags });
  throw new DeviceError("There is no Chromium on this machine.", "Install it with `npm run setup -- --browser`.");
}
