/** `simcse setup`: finds an adapter or installs a software one, and reports what it did. */
import { Command } from "commander";
import { describeAdapter, findAdapter, setUpBrowser, setUpCompilers } from "./setup/setup-adapter.ts";

export const setupCommand = new Command("setup")
  .description("find a WebGPU adapter, or install a software one")
  .option("--browser", "also find or install Chromium")
  .option(
    "--compilers",
    "also find or install Mesa's stand-ins for absent GPUs, for `npm run bench compilers` and a test (Debian and Ubuntu)",
  )
  .option("--no-install", "install nothing, only report")
  .action(async ({ browser, compilers, install }: { browser?: boolean; compilers?: boolean; install: boolean }) => {
    const log = (line: string): void => console.log(line);
    log(describeAdapter(await findAdapter({ install, log })));
    if (compilers) log(await setUpCompilers({ install, log }));
    if (browser) log(`browser: ${await setUpBrowser({ install, log })}`);
  });
