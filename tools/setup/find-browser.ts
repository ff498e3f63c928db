/**
 * Finds the browsers of the tests. It installs nothing.
 */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Where a browser may be. */
interface Places {
  /** Names in PATH, in order of preference. */
  readonly programs: readonly string[];
  /** Places outside PATH. */
  readonly applications: Partial<Record<NodeJS.Platform, readonly string[]>>;
  /** The environment variable that names another one, and takes precedence. */
  readonly variable: string;
}

const browsers = {
  chromium: {
    programs: ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"],
    applications: {
      darwin: ["/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium"],
      win32: [
        "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
        "C:\\Program Files (x86)\\Google\\Chrome\\Application\\chrome.exe",
      ],
    },
    variable: "SIMCSE_BROWSER",
  },
  firefox: {
    programs: ["firefox-esr", "firefox"],
    applications: {
      darwin: ["/Applications/Firefox.app/Contents/MacOS/firefox"],
      win32: ["C:\\Program Files\\Mozilla Firefox\\firefox.exe"],
    },
    variable: "SIMCSE_FIREFOX",
  },
} as const satisfies Record<string, Places>;

export type BrowserName = keyof typeof browsers;

/** The environment variable that names a browser. */
export const variableOf = (name: BrowserName): string => browsers[name].variable;

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The path of a Chromium or Chrome, or of a Firefox; null if there is none. What the browser's environment variable names takes precedence. */
export function findBrowser(name: BrowserName): string | null {
  const { programs, applications, variable }: Places = browsers[name];
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  const inPath = folders.flatMap((folder) => programs.map((program) => join(folder, program)));
  const named = process.env[variable];
  const chosen = named ? [named] : [...inPath, ...(applications[process.platform] ?? [])];
  return chosen.find(isExecutable) ?? null;
}
