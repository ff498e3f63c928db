/** `npm run bench`: benchmarks of this machine's adapter as Markdown, to read or to keep under bench/results/. */
import { Argument, Command } from "commander";
import { reportFailure } from "../tools/cli/failure.ts";
import { openAdapter } from "../tools/setup/open-adapter.ts";
import { circumstances, sayProgress } from "./machine.ts";
import { formatTable } from "./measure.ts";
import { openBench } from "./open-bench.ts";
import { benchTables } from "./tables.ts";

const all = Object.keys(benchTables);
const command = new Command("bench")
  .description("Measures this machine's adapter. Prints Markdown.")
  .addArgument(new Argument("[benchmarks...]", "what to measure").choices(all).default(all, "all"))
  .option("--quick", "few shapes and rounds, as a smoke test", false)
  .parse();
const [names] = command.processedArgs as [string[]];

try {
  await using device = await openAdapter();
  const bench = await openBench(device, { ...command.opts<{ quick: boolean }>(), say: sayProgress });
  console.log(circumstances(bench));
  for (const name of names) {
    sayProgress(`benchmark ${name}`);
    for (const table of await benchTables[name]!(bench)) console.log(`\n${formatTable(table)}`);
  }
} catch (error) {
  reportFailure(error, { debug: true });
}
