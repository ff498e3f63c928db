/**
 * Progress on standard error: a bar on a terminal; elsewhere, such as in a log file, a line every half minute. Permanent lines are printed through it, so that
 * they do not break the bar.
 */
import cliProgress, { type SingleBar } from "cli-progress";
import { formatCount, printable } from "../../src/show.ts";
import { say } from "./say.ts";

export interface Progress {
  /** Moves to `done`, showing `note` after the bar. */
  update(done: number, note: string): void;
  /** Prints a permanent line on stdout. */
  line(text: string): void;
  /** Prints a permanent line on stderr. */
  note(text: string): void;
  stop(): void;
}

function printLine(text: string): void {
  process.stdout.write(`${printable(text)}\n`);
}

/** No progress: if none is wanted, and before there is something to count. */
export const noProgress: Progress = { update: () => {}, line: printLine, note: say, stop: () => {} };

/** Without a terminal, a line is printed this often. */
const MILLISECONDS_BETWEEN_LINES = 30_000;

/** Prints at most one line per `MILLISECONDS_BETWEEN_LINES`, the first one only after that time. */
function lineNowAndThen(): (text: () => string) => void {
  let last = performance.now();
  return (text) => {
    const now = performance.now();
    if (now - last < MILLISECONDS_BETWEEN_LINES) return;
    last = now;
    say(text());
  };
}

/** Progress through `total` units, with the time that is left. */
export function startProgress(total: number, label: string): Progress {
  return process.stderr.isTTY ? startBar(total, label) : startLines(total, label);
}

function startLines(total: number, label: string): Progress {
  const began = performance.now();
  const sayNow = lineNowAndThen();
  const update = (done: number, note: string) =>
    sayNow(() => {
      const minutes = ((performance.now() - began) * (total - done)) / Math.max(done, 1) / 60_000;
      return `${label} ${formatCount(done)} of ${formatCount(total)}${note && `, ${note}`}, about ${Math.ceil(minutes)} min left`;
    });
  return { ...noProgress, update };
}

function startBar(total: number, label: string): Progress {
  const width = process.stderr.columns ?? 80;
  const bars = new cliProgress.MultiBar({
    stream: process.stderr,
    format: `${label} {bar} {value}/{total} {eta_formatted} {note}`,
    barsize: Math.max(8, Math.min(30, width - 70)),
    barCompleteChar: "━",
    barIncompleteChar: "─",
    hideCursor: true,
    linewrap: false,
    clearOnComplete: true,
    etaBuffer: 50,
    // "NULL" and "INF" until the rate is known.
    formatTime: (time, ...how) => (Number.isFinite(time) ? cliProgress.Format.TimeFormat(time, ...how) : "…"),
  });
  const bar: SingleBar = bars.create(total, 0, { note: "" });
  return {
    update: (done, note) => bar.update(done, { note: printable(note) }),
    line: (text) => {
      if (process.stdout.isTTY) bars.log(`${printable(text)}\n`);
      else printLine(text);
      bars.update();
    },
    note: (text) => {
      bars.log(`${printable(text)}\n`);
      bars.update();
    },
    stop: () => bars.stop(),
  };
}

/** Progress of comparing vectors with each other, in percent; none where they are all compared at once. */
export function startComparison(): { readonly onProgress: (fraction: number) => void; stop(): void } {
  let progress = noProgress;
  return {
    onProgress: (fraction) => {
      if (progress === noProgress && fraction < 1) progress = startProgress(100, "percent compared:");
      progress.update(Math.floor(100 * fraction), "");
    },
    stop: () => progress.stop(),
  };
}

export interface Counter {
  update(count: number): void;
  stop(): void;
}

/** A counter on standard error for work of unknown length; silent if the results themselves are on the terminal (`shown`). */
export function startCounter(unit: string, { shown = false }: { readonly shown?: boolean } = {}): Counter {
  if (shown) return { update: () => {}, stop: () => {} };
  const began = performance.now();
  const text = (count: number) => {
    const rate = count / Math.max((performance.now() - began) / 1000, 1e-3);
    return `${formatCount(count)} ${unit} · ${rate.toFixed(0)}/s`;
  };
  if (!process.stderr.isTTY) {
    const sayNow = lineNowAndThen();
    return { update: (count) => sayNow(() => text(count)), stop: () => {} };
  }
  return {
    update: (count) => void process.stderr.write(`\r\u001b[K${text(count)}`),
    stop: () => void process.stderr.write("\r\u001b[K"),
  };
}
