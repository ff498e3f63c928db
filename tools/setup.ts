/** `simcse setup`: finds an adapter or installs a software one, and reports what it did. */
import { Command } from "commander";
import { describeAdapter, findAdapter, setUpBrowser } from "./setup/setup-adapter.ts";

export const setupCommand = new Command("setup")
  .description("find a WebGPU adapter, or install a software one")
  .option("--browser", "also find or install Chromium")
  .option("--no-install", "install nothing, only report")
  .action(async ({ browser, install }: { browser?: boolean; install: boolean }) => {
    const log = (line: string): void => console.log(line);
    log(describeAdapter(await findAdapter({ install, log })));
    if (browser) log(`browser: ${await setUpBrowser({ install, log })}`);
  });
