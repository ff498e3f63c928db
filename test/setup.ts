/**
 * Runs once before the tests: finds the adapter they run on, and hands it to the workers through the environment; bundles the command line, which tests start some
 * two hundred times: as one file it starts twice as fast.
 *
 * Without a working adapter the run fails and says what to do; nothing is skipped. In CI a missing software driver is installed.
 */
import { build } from "vite";
import { DeviceError, SimcseError } from "../src/errors.ts";
import { probeAdapter } from "../tools/setup/probe-adapter.ts";
import { describeAdapter, findAdapter } from "../tools/setup/setup-adapter.ts";
import { driverEnvironment, swiftShaderDriver } from "../tools/setup/vulkan-drivers.ts";

/** The command line, the library, and the thread that both start; inside the package, so that their dependencies are found. */
const bundled = ["tools/simcse.ts", "src/index-node.ts", "src/io/tokenizer/thread-main-node.ts"];
const bundles = "out/commands";

const isCI = process.env.CI === "true";
const log = (line: string): void => console.log(line);

export default async function setup(): Promise<void> {
  try {
    const adapter = await findAdapter({ install: isCI, log });
    Object.assign(process.env, adapter.environment);
    log(describeAdapter(adapter));
    await checkSwiftShader();
    const output = { entryFileNames: "[name].js", chunkFileNames: "[name].js" };
    await build({
      configFile: false,
      publicDir: false,
      logLevel: "warn",
      build: { ssr: true, target: "node20", outDir: bundles, rolldownOptions: { input: bundled, output } },
    });
  } catch (error) {
    // Without a cause, and with the remedy in the message, because Vitest prints anything else with a stack.
    throw error instanceof SimcseError ? new Error(`${error.message}\n${error.remedy}`) : error;
  }
}

/** Makes sure that the project `swiftshader` runs on SwiftShader, or reports that it is absent. */
async function checkSwiftShader(): Promise<void> {
  const remedy = "install Chromium with `npm run setup -- --browser`";
  const swiftShader = swiftShaderDriver();
  if (swiftShader === undefined) {
    if (isCI) throw new DeviceError("no SwiftShader on this machine: the test project swiftshader cannot run", remedy);
    log(`no SwiftShader on this machine: the test project swiftshader is left out (${remedy})`);
    return;
  }
  const probe = await probeAdapter(driverEnvironment(swiftShader));
  const found = "info" in probe ? probe.info.architecture : probe.reason;
  if (found !== "swiftshader") throw new DeviceError(`${swiftShader.manifest}: expected the adapter swiftshader, found: ${found}`, remedy);
}
