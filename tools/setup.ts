/** `simcse setup`: finds an adapter or installs a software one, and reports what it did. */
import { Command } from "commander";
import { DeviceError } from "../src/errors.ts";
import { describeAdapter, findAdapter, setUpBrowser, setUpCompilers } from "./setup/setup-adapter.ts";

export const setupCommand = new Command("setup")
  .description("find a WebGPU adapter, or install a software one")
  .option("--browser", "also find or install Chromium, and Firefox for one of the tests")
  .option(
    "--compilers",
    "also find or install Mesa's stand-ins for absent GPUs, for `npm run bench compilers` and a test (Debian and Ubuntu)",
  )
  .option("--no-install", "install nothing, only report")
  .action(async ({ browser, compilers, install }: { browser?: boolean; compilers?: boolean; install: boolean }) => {
    const log = (line: string): void => console.log(line);
    log(describeAdapter(await findAdapter({ install, log })));
    if (compilers) log(await setUpCompilers({ install, log }));
    if (!browser) return;
    log(`browser: ${await setUpBrowser("chromium", { install, log })}`);
    // One test wants it, which is skipped without; not every Linux has it as a package.
    const firefox = await setUpBrowser("firefox", { install, log }).catch((error: unknown) => {
      if (error instanceof DeviceError) return `${error.message}; ${error.remedy}`;
      throw error;
    });
    log(`Firefox: ${firefox}`);
  });
