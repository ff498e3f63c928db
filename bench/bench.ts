/** `npm run bench [kernels|step|parts|devices|host|tuning|encode|compilers|load|search|serve …] [-- --quick]`: benchmarks of this machine's adapter as Markdown, to read or to keep under bench/results/. */
import { parseArgs } from "node:util";
import { OptionError } from "../src/errors.ts";
import { reportFailure } from "../tools/cli/failure.ts";
import { openAdapter } from "../tools/setup/open-adapter.ts";
import { circumstances, sayProgress } from "./machine.ts";
import { formatTable } from "./measure.ts";
import { openBench } from "./open-bench.ts";
import { benchTables } from "./tables.ts";

try {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { quick: { type: "boolean", default: false } } });
  const names = positionals.length > 0 ? positionals : Object.keys(benchTables);
  const unknown = names.find((name) => !(name in benchTables));
  if (unknown !== undefined)
    throw new OptionError(`There is no benchmark ${unknown}.`, `There are ${Object.keys(benchTables).join(", ")}.`);
  await using device = await openAdapter();
  const bench = await openBench(device, { ...values, say: sayProgress });
  console.log(circumstances(bench));
  for (const name of names) {
    sayProgress(`benchmark ${name}`);
    for (const table of await benchTables[name]!(bench)) console.log(`\n${formatTable(table)}`);
  }
} catch (error) {
  reportFailure(error, { debug: true });
}
