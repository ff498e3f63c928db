/** What runs of benchmarks say: the heading of results, which names the machine, and their progress. */
import { cpus, loadavg } from "node:os";
import { ceilingsLine } from "../src/autograd/profile.ts";
import type { Bench } from "./open-bench.ts";

/** On stderr, with the seconds since the process began. */
export const sayProgress = (line: string): void => console.error(`${(performance.now() / 1000).toFixed(1)} s: ${line}`);

/** Adapter, machine, day, and the ceilings that all shares refer to. */
export function circumstances({ device, ceilings, quick }: Bench): string {
  const { vendor, architecture, description } = device.info;
  const features = [...device.capabilities.features].filter((name) => name !== "core-features-and-limits");
  const busy = loadavg()[0]!;
  return [
    `# ${device.name}`,
    "",
    `${new Date().toISOString().slice(0, 10)}, ${cpus().length} × ${cpus()[0]!.model.trim()}, Node ${process.version}${quick ? ", a quick trial" : ""}`,
    "",
    `- adapter: ${[vendor, architecture, description].filter(Boolean).join(", ")}; ${features.join(", ")}`,
    `- measured ceilings: ${ceilingsLine(ceilings)}`,
    `- load of the machine when it began: ${busy.toFixed(1)} on ${cpus().length} cores${busy > cpus().length / 2 ? ", so other work shared them: compare ratios of one table, and no times" : ""}`,
  ].join("\n");
}
