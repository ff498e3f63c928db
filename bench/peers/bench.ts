/** `npm run bench:peers`: compares other libraries with this package on the same work, as Markdown on standard output. See README.md. */
import { mkdtemp, rm } from "node:fs/promises";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { Command, Option } from "commander";
import { reportFailure } from "../../tools/cli/failure.ts";
import { wholeNumber } from "../../tools/cli/options.ts";
import { findAdapter } from "../../tools/setup/setup-adapter.ts";
import { driverEnvironment, swiftShaderDriver } from "../../tools/setup/vulkan-drivers.ts";
import type { Surroundings } from "./contest.ts";
import { installPeers } from "./install.ts";
import type { WorkKind } from "./peer.ts";
import { Disagreements } from "./sections/agreement.ts";
import { encodingSection } from "./sections/encoding.ts";
import { kernelSection } from "./sections/kernels.ts";
import { trainingSection } from "./sections/training.ts";

const sections: Record<WorkKind, (surroundings: Surroundings, disagreements: Disagreements) => Promise<string>> = {
  train: trainingSection,
  encode: encodingSection,
  kernels(surroundings, disagreements) {
    const driver = swiftShaderDriver();
    return kernelSection(surroundings, disagreements, { environment: driver ? driverEnvironment(driver) : null });
  },
};

const command = new Command("bench:peers")
  .description("Measures peers on the same work, and checks that they compute the same. Prints Markdown.")
  .addOption(new Option("--only <kind...>", "kinds of work").choices(Object.keys(sections)).default(Object.keys(sections), "all"))
  .option("--rounds <number>", "alternating rounds, of which the median counts", wholeNumber(1), 5)
  .parse();
const { only, rounds } = command.opts<{ only: WorkKind[]; rounds: number }>();

const folder = await mkdtemp(join(tmpdir(), "simcse-peers-"));
try {
  const log = (line: string) => process.stderr.write(`${line}\n`);
  const uninstalled = await installPeers();
  const { info, environment } = await findAdapter({ install: false, log });
  // Imported late, because it needs a package that was only just installed.
  const { writeModelFolder } = await import("./model-folder.ts");
  await writeModelFolder(folder);
  const disagreements = new Disagreements();
  const date = new Date().toISOString().slice(0, 10);
  console.log(`# Peers on ${info.description || info.device}\n`);
  console.log(`${date}, ${cpus().length} × ${cpus()[0]!.model}, Node ${process.version}; median of ${rounds} alternating rounds.`);
  console.log("“We are 6×” in a peer's row: this package takes a sixth of the peer's time.");
  if (uninstalled !== null) console.log(`\nnpm could not install the peers: ${uninstalled}`);
  for (const kind of only) {
    console.log(`\n${await sections[kind]({ folder, environment, rounds, log }, disagreements)}`);
    console.log(`\nProcesses that wanted to run in the last five minutes: ${loadavg()[1]!.toFixed(1)}, on ${cpus().length} cores.`);
  }
  for (const line of disagreements.found) console.log(`\nDisagreement: ${line}.`);
  if (disagreements.found.length > 0) process.exitCode = 1;
} catch (error) {
  reportFailure(error, { debug: true });
} finally {
  await rm(folder, { recursive: true, force: true });
}
