/** `npm run bench [kernels|step|load|search|serve]`: every benchmark of this machine's adapter as Markdown, to read or to keep under bench/results/. */
import { cpus } from "node:os";
import { reportFailure } from "../tools/failure.ts";
import { openAdapter } from "../tools/open-adapter.ts";
import { kernelTable } from "./kernels.ts";
import { loadTable } from "./load.ts";
import { searchTable } from "./search.ts";
import { serveTable } from "./serve.ts";
import { trainingStepTable } from "./training-step.ts";

const tables: Readonly<Record<string, typeof kernelTable>> = {
  kernels: kernelTable,
  step: trainingStepTable,
  load: loadTable,
  search: searchTable,
  serve: serveTable,
};

const wanted = process.argv.slice(2);
const names = wanted.length > 0 ? wanted : Object.keys(tables);
try {
  await using device = await openAdapter();
  console.log(
    `# ${device.name}\n\n${new Date().toISOString().slice(0, 10)}, ${cpus().length} × ${cpus()[0]!.model}, Node ${process.version}\n`,
  );
  for (const name of names) {
    const table = tables[name];
    if (table === undefined) throw new RangeError(`There is no benchmark ${name}; there are ${Object.keys(tables).join(", ")}.`);
    console.log(`${await table(device)}\n`);
  }
} catch (error) {
  reportFailure(error, { debug: true });
}
