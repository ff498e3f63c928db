/**
 * Finds a Chromium for the browser tests. It installs nothing.
 */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

const PROGRAMS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** Browsers outside PATH. */
const APPLICATIONS: Partial<Record<NodeJS.Platform, readonly string[]>> = {
  darwin: ["/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium"],
  win32: ["C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe", "C:\\Program Files (x86)\\Google\\Chrome\\Application\\chrome.exe"],
};

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The path of a Chromium or Chrome, or null. The environment variable `SIMCSE_BROWSER` takes precedence. */
export function findBrowser(): string | null {
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  const inPath = folders.flatMap((folder) => PROGRAMS.map((program) => join(folder, program)));
  const chosen = process.env.SIMCSE_BROWSER ? [process.env.SIMCSE_BROWSER] : [...inPath, ...(APPLICATIONS[process.platform] ?? [])];
  return chosen.find(isExecutable) ?? null;
}
