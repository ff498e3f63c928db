/**
 * A progress bar on stderr, quiet where stderr is not a terminal. Lines that should stay are printed through it, so that they do not tear it.
 */
import cliProgress, { type SingleBar } from "cli-progress";

export interface Progress {
  /** Moves to `done`, showing `note` after the bar. */
  update(done: number, note: string): void;
  /** A line on stdout that stays. */
  line(text: string): void;
  /** A line on stderr that stays. */
  note(text: string): void;
  stop(): void;
}

function printLine(text: string): void {
  process.stdout.write(`${text}\n`);
}

function printNote(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** No bar: where stderr is not a terminal, and before there is something to count. */
export const noProgress: Progress = { update: () => {}, line: printLine, note: printNote, stop: () => {} };

/** A bar of `total` units with the time that is left. */
export function startProgress(total: number, label: string): Progress {
  if (!process.stderr.isTTY) return noProgress;
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
    update: (done, note) => bar.update(done, { note }),
    line: (text) => {
      if (process.stdout.isTTY) bars.log(`${text}\n`);
      else printLine(text);
      bars.update();
    },
    note: (text) => {
      bars.log(`${text}\n`);
      bars.update();
    },
    stop: () => bars.stop(),
  };
}

export interface Counter {
  update(count: number): void;
  stop(): void;
}

/** A count on stderr for work whose end is not known, quiet where stderr is not a terminal, or shows results that stand for it (`shown`). */
export function startCounter(unit: string, { shown = false }: { readonly shown?: boolean } = {}): Counter {
  if (!process.stderr.isTTY || shown) return { update: () => {}, stop: () => {} };
  const began = performance.now();
  return {
    update: (count) => {
      const rate = count / Math.max((performance.now() - began) / 1000, 1e-3);
      process.stderr.write(`\r\u001b[K${count.toLocaleString("en")} ${unit} · ${rate.toFixed(0)}/s`);
    },
    stop: () => void process.stderr.write("\r\u001b[K"),
  };
}
