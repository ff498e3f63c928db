/**
 * A headless Firefox that runs functions of a test in a page of the site. No driver is needed, and there was none: Playwright's needs commands
 * of WebDriver BiDi that Firefox 153 does not have. The page asks the test for one function after another, and sends back what each resolves to.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { DeviceError } from "../../src/errors.ts";
import type { Site } from "./site.ts";

/** What functions find in the page. */
export interface RemotePage {
  /** Shows a page of the site in a frame; the one before is gone. */
  visit(address: string): Promise<Document>;
  /** What `look` gives once that is neither false nor null nor undefined. It runs again and again, also where it throws. */
  until<T>(look: () => T | false | null | undefined): Promise<T>;
}

export interface Firefox {
  /** Runs a function in the page. It sees nothing but its arguments, which are sent as JSON. */
  run<Argument, Result>(work: (page: RemotePage, argument: Argument) => Promise<Result>, argument: Argument): Promise<Result>;
  /** The folder that downloads go to. */
  readonly downloads: string;
  /** Errors and warnings in the console, and what the pages' policies refused. */
  readonly complaints: readonly string[];
  close(): Promise<void>;
}

const preferences = {
  // Off in releases for Linux; and Mesa's software driver is on its list of those that are not to be used.
  "dom.webgpu.enabled": true,
  "gfx.webgpu.ignore-blocklist": true,
  // Prints the console of pages and workers.
  "devtools.console.stdout.content": true,
  "browser.download.folderList": 2,
  "browser.download.useDownloadDir": true,
  // It contacts nobody by itself, and opens no page of its own.
  "app.update.enabled": false,
  "app.normandy.enabled": false,
  "browser.aboutwelcome.enabled": false,
  "browser.safebrowsing.downloads.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "browser.startup.homepage_override.mstone": "ignore",
  "datareporting.policy.dataSubmissionEnabled": false,
  "extensions.systemAddon.update.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "services.settings.server": "data:,",
  "termsofuse.bypassNotification": true,
  "toolkit.telemetry.reportingpolicy.firstRun": false,
};

/** A start takes seconds, on a busy machine tens of them. */
const startMilliseconds = 90_000;

/** The page: does what it is told. `control` is the address of the test. */
const remotePage = (control: string): string => `<!doctype html>
<meta charset="utf-8">
<title>Tests</title>
<script type="module">
const page = {
  async visit(address) {
    document.querySelector("iframe")?.remove();
    const frame = document.createElement("iframe");
    frame.src = address;
    frame.style = "width: 1000px; height: 800px";
    document.body.append(frame);
    await new Promise((done) => { frame.onload = done; });
    frame.contentDocument.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
      console.error("refused by the policy: " + violatedDirective + " " + blockedURI));
    frame.contentWindow.addEventListener("error", ({ message }) => console.error(message));
    frame.contentWindow.addEventListener("unhandledrejection", ({ reason }) => console.error(String(reason)));
    return frame.contentDocument;
  },
  async until(look) {
    for (;;) {
      try {
        const found = look();
        if (found !== false && found !== null && found !== undefined) return found;
      } catch {}
      await new Promise((done) => setTimeout(done, 50));
    }
  },
};
let answer = null;
for (;;) {
  const { work, argument } = await (await fetch("${control}", { method: "POST", body: JSON.stringify(answer) })).json();
  answer = await (0, eval)(work)(page, argument).then((result) => ({ result }), (error) => ({ error: error + "\\n" + error.stack }));
}
</script>`;

type Answer = { readonly result: unknown } | { readonly error: string } | null;

/** Starts the Firefox at `executablePath` with a page of the site. Throws `DeviceError` where it does not open the page. */
export async function openFirefox(executablePath: string, site: Site): Promise<Firefox> {
  /** Waits for a function to run; the answer to the one before is given to `answered`. */
  let idle: ServerResponse | null = null;
  let answered: (answer: Answer) => void = () => {};
  const control = createServer((request: IncomingMessage, response) => {
    response.setHeader("Access-Control-Allow-Origin", "*");
    void text(request).then((body) => {
      idle = response;
      answered(JSON.parse(body) as Answer);
    });
  });
  control.listen(0, "127.0.0.1");
  await once(control, "listening");
  const next = () => new Promise<Answer>((resolve) => (answered = resolve));

  const profile = await mkdtemp(join(tmpdir(), "simcse-firefox-"));
  const downloads = await mkdtemp(join(tmpdir(), "simcse-downloads-"));
  const lines = Object.entries({ ...preferences, "browser.download.dir": downloads }).map(
    ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`,
  );
  await writeFile(join(profile, "user.js"), lines.join("\n"));
  await writeFile(join(site.folder, "remote.html"), remotePage(`http://127.0.0.1:${(control.address() as AddressInfo).port}/`));
  const opened = next();
  const browser = spawn(executablePath, ["--headless", "--no-remote", "--profile", profile, `${site.url}remote.html`], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(browser, "close");
  let output = "";
  for (const stream of [browser.stdout, browser.stderr]) stream.on("data", (chunk) => (output += chunk));

  const close = async (): Promise<void> => {
    control.closeAllConnections();
    control.close();
    browser.kill();
    await ended;
    for (const folder of [profile, downloads]) await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  };
  const started = await Promise.race([
    opened.then(() => true),
    ended.then(() => false),
    new Promise<boolean>((resolve) => setTimeout(resolve, startMilliseconds, false).unref()),
  ]);
  if (!started) {
    await close();
    throw new DeviceError(`${executablePath} did not open the page of the test: ${output}`, "Name another Firefox in SIMCSE_FIREFOX.");
  }
  return {
    downloads,
    close,
    get complaints() {
      return output.split("\n").filter((line) => /^console\.(error|warn)/.test(line));
    },
    async run<Argument, Result>(work: (page: RemotePage, argument: Argument) => Promise<Result>, argument: Argument) {
      const answer = next();
      idle!.setHeader("Content-Type", "application/json");
      idle!.end(JSON.stringify({ work: `(${work})`, argument }));
      const settled = (await Promise.race([answer, ended.then(() => ({ error: `Firefox ended: ${output}` }))])) as NonNullable<Answer>;
      if ("error" in settled) throw new Error(settled.error);
      return settled.result as Result;
    },
  };
}
