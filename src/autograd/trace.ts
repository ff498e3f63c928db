/** Profiled steps as a trace in Chrome's trace-event format, which ui.perfetto.dev and chrome://tracing open. */
import type { Ceilings } from "../gpu/ceilings.ts";
import { describeCeilings, rate, rooflineSeconds, secondsOf } from "./profile.ts";
import type { DispatchProfile } from "./program.ts";

/** A span of time ("complete event"), in microseconds. */
interface Span {
  readonly name: string;
  readonly cat: "step" | "operation" | "kernel";
  readonly ph: "X";
  readonly pid: 1;
  readonly tid: 1;
  readonly ts: number;
  readonly dur: number;
  readonly args: Readonly<Record<string, number | string>>;
}

/** The name of the process or of its one track. */
interface Label {
  readonly name: "process_name" | "thread_name";
  readonly ph: "M";
  readonly pid: 1;
  readonly tid: 1;
  readonly args: { readonly name: string };
}

export interface Trace {
  readonly displayTimeUnit: "ms";
  readonly otherData: Readonly<Record<string, string>>;
  readonly traceEvents: readonly (Span | Label)[];
}

const label = (of: Label["name"], name: string): Label => ({ name: of, ph: "M", pid: 1, tid: 1, args: { name } });

/** Begin and end in nanoseconds. */
const span = (cat: Span["cat"], name: string, begin: number, end: number, args: Span["args"]): Span => ({
  name,
  cat,
  ph: "X",
  pid: 1,
  tid: 1,
  ts: begin / 1000,
  dur: (end - begin) / 1000,
  args,
});

/**
 * One track with the steps. Each contains its operations, and those contain their kernels. Steps follow each other without a gap, because
 * the time between them is not known. If a dispatch overlaps the previous one on the GPU, it is drawn from the end of that one.
 */
export function chromeTrace(steps: readonly (readonly DispatchProfile[])[], adapter: string, ceilings: Ceilings): Trace {
  const traceEvents: (Span | Label)[] = [label("process_name", adapter), label("thread_name", "kernels")];
  let start = 0;
  steps.forEach((step, index) => {
    const dispatches = inSequence(step, start);
    const end = dispatches.at(-1)?.end ?? start;
    traceEvents.push(span("step", `profiled step ${index + 1}`, start, end, { dispatches: step.length }));
    dispatches.forEach((dispatch, i) => {
      const { operation, node, kernel, begin, end } = dispatch;
      if (dispatches[i - 1]?.node !== node) {
        const last = dispatches.findLast((other) => other.node === node)!;
        traceEvents.push(span("operation", operation, begin, last.end, { node }));
      }
      traceEvents.push(span("kernel", kernel, begin, end, facts(step[i]!, ceilings)));
    });
    start = end;
  });
  return { displayTimeUnit: "ms", otherData: { adapter, ...describeCeilings(ceilings) }, traceEvents };
}

/** Dispatches shifted to begin at `start`, without overlaps. */
function inSequence(step: readonly DispatchProfile[], start: number): DispatchProfile[] {
  let last = start;
  return step.map((dispatch) => {
    const begin = Math.max(start + dispatch.begin, last);
    last = Math.max(start + dispatch.end, begin);
    return { ...dispatch, begin, end: last };
  });
}

function facts(dispatch: DispatchProfile, ceilings: Ceilings): Span["args"] {
  const { flop, bytes, workgroups } = dispatch;
  const seconds = secondsOf(dispatch);
  const short = (value: number) => Number(value.toPrecision(3));
  return {
    flop,
    bytes,
    workgroups: workgroups.join(" × "),
    ...(flop > 0 ? { "GFLOP/s": short(rate(flop, seconds) / 1e9) } : {}),
    "GB/s": short(rate(bytes, seconds) / 1e9),
    "of ceiling": short(rate(rooflineSeconds(dispatch, ceilings), seconds)),
  };
}
