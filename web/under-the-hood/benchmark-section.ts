/** The benchmarks of this adapter on the page: the repository's own tables, in this browser, to read and to copy as Markdown. */
import { encodeTable } from "../../bench/encode.ts";
import { kernelTable } from "../../bench/kernels.ts";
import { matmulTable } from "../../bench/matmul.ts";
import { type BenchTable, formatTable } from "../../bench/measure.ts";
import { type Bench, openBench } from "../../bench/open-bench.ts";
import { trainingStepTable } from "../../bench/training-step.ts";
import { ceilingsLine } from "../../src/autograd/profile.ts";
import type { Device } from "../../src/gpu/device.ts";
import type { BenchmarkName } from "./benchmark-names.ts";
import { byId, make } from "./dom.ts";
import type { BenchmarkOutcome } from "./outcome.ts";

const benchmarks: Readonly<Record<BenchmarkName, { readonly title: string; readonly table: (bench: Bench) => Promise<BenchTable> }>> = {
  products: { title: "Matrix products", table: matmulTable },
  kernels: { title: "Other kernels", table: kernelTable },
  encoding: { title: "Encoding", table: (bench) => encodeTable(bench) },
  training: { title: "Training step", table: (bench) => trainingStepTable(bench) },
};

const stage = byId("benchmarks-stage", HTMLOutputElement);
const results = byId("benchmarks-result", HTMLDivElement);
const copy = byId("benchmarks-copy", HTMLButtonElement);

/** Runs benchmarks one after another until the signal; the one in progress is finished first. */
export async function showBenchmarks(device: Device, names: readonly BenchmarkName[], signal: AbortSignal): Promise<BenchmarkOutcome> {
  results.replaceChildren();
  copy.hidden = true;
  stage.textContent = "Measuring what the adapter reaches at best…";
  // On a software adapter the full sizes would take many minutes.
  const bench = await openBench(device, { quick: device.capabilities.software, say: () => {} });
  const heading = headingOf(bench);
  results.append(make("p", heading.slice(1).join(" · "), "note"));
  const parts = [`# ${heading[0]}`, heading.slice(1).join("\n")];
  const tables: BenchTable[] = [];
  for (const name of names) {
    if (signal.aborted) break;
    const { title, table } = benchmarks[name];
    stage.textContent = `${title}…`;
    const measured = await table(bench);
    tables.push(measured);
    parts.push(`## ${title}`, formatTable(measured));
    results.append(make("h3", title), ...elementsOf(measured, title));
  }
  stage.textContent = signal.aborted ? "Stopped." : "Done.";
  copy.hidden = false;
  copy.onclick = async () => {
    await navigator.clipboard.writeText(`${parts.join("\n\n")}\n`);
    stage.textContent = "Copied as Markdown.";
  };
  return { run: "benchmarks", adapter: device.name, tables };
}

/** What the figures belong to: the adapter first. */
function headingOf({ device, ceilings, quick }: Bench): string[] {
  return [
    device.name,
    `${new Date().toISOString().slice(0, 10)}${quick ? ", small sizes and few rounds" : ""}`,
    navigator.userAgent,
    `measured ceilings: ${ceilingsLine(ceilings)}`,
  ];
}

function elementsOf({ head, rows, note }: BenchTable, title: string): HTMLElement[] {
  const table = make("table");
  table.createCaption().textContent = title;
  table.caption!.className = "visually-hidden";
  const headRow = table.createTHead().insertRow();
  headRow.append(...head.map((name, i) => cell("th", name, i, "col")));
  const body = table.createTBody();
  for (const cells of rows) body.insertRow().append(...cells.map((text, i) => cell(i === 0 ? "th" : "td", text, i, "row")));
  // The table can be wider than a telephone and then scrolls, also with the keyboard.
  const scroll = make("div", "", "scroll");
  scroll.tabIndex = 0;
  scroll.role = "region";
  scroll.ariaLabel = title;
  scroll.append(table);
  return [scroll, ...(note === undefined ? [] : [make("p", note, "note")])];
}

function cell(tag: "th" | "td", text: string, column: number, scope: "row" | "col"): HTMLElement {
  const made = make(tag, text, column === 0 ? "" : "number");
  if (tag === "th") made.setAttribute("scope", scope);
  return made;
}
