/** The kernel suite on the page: a table that fills as the checks run. */
import type { Device } from "../../src/gpu/device.ts";
import { byId, make } from "./dom.ts";
import { kernelChecks } from "./kernel-checks.ts";
import { type Finding, runKernelSuite } from "./kernel-suite.ts";
import type { KernelOutcome } from "./outcome.ts";

const stage = byId("kernels-stage", HTMLOutputElement);
const table = byId("kernels-result", HTMLDivElement);
const body = byId("findings", HTMLTableSectionElement);

/** Runs the suite until the signal. */
export async function showKernelSuite(device: Device, signal: AbortSignal): Promise<KernelOutcome> {
  body.replaceChildren();
  table.hidden = false;
  stage.textContent = "Compiling and running…";
  const findings: Finding[] = [];
  for await (const finding of runKernelSuite(device, kernelChecks, signal)) {
    findings.push(finding);
    body.append(row(finding));
    stage.textContent = `${finding.operation} done…`;
  }
  const failed = findings.filter(({ passed }) => !passed).length;
  const stopped = signal.aborted ? "Stopped. " : "";
  stage.textContent = `${stopped}${findings.length - failed} of ${findings.length} pass${failed > 0 ? `, ${failed} fail` : ""}.`;
  return { run: "kernels", adapter: device.name, findings };
}

function row({ operation, variant, error, tolerance, passed, failure }: Finding): HTMLTableRowElement {
  const made = make("tr");
  const result = make("td", passed ? "✓ pass" : `✗ ${failure ?? "fail"}`, passed ? "pass" : "fail");
  made.append(
    make("th", operation),
    make("td", variant),
    make("td", number(error), "number"),
    make("td", number(tolerance), "number"),
    result,
  );
  made.firstElementChild!.setAttribute("scope", "row");
  return made;
}

/** Errors with two digits; a tolerance of zero requires the same bits. */
function number(value: number): string {
  return value === 0 ? "0" : Number.isFinite(value) ? value.toExponential(1) : "–";
}
