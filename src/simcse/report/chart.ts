/**
 * A line chart as inline SVG: axes with round ticks, one line per series, and a legend if there are several. The page defines the colours
 * (`--series-n`).
 */
import { formatCount } from "../../show.ts";
import { escapeHtml, shortNumber } from "./html.ts";

/** Values over steps; a value that is not finite breaks the line. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [step: number, value: number])[];
}

export interface Chart {
  readonly title: string;
  /** A short description of the values, below the title. */
  readonly caption?: string;
  readonly series: readonly Series[];
  /** Use a logarithmic scale if all values are positive and span more than a decade and a half. */
  readonly mayBeLogarithmic?: boolean;
  /** The value axis begins at 0: for amounts, whose changes would otherwise look larger than they are. */
  readonly fromZero?: boolean;
}

const size = { width: 400, height: 220 } as const;
const margin = { left: 46, right: 18, top: 8, bottom: 24 } as const;
const plot = { width: size.width - margin.left - margin.right, height: size.height - margin.top - margin.bottom } as const;

/** A series with more points has no marks, because they would run together. */
const mostMarks = 60;

/** A curve with more points shows means of neighbours, because it would have more points than pixels. */
const mostPoints = 1000;

const logarithmicSpan = 30;

/** A `<figure>`; empty for a chart without a finite value. */
export function lineChart({ title, caption, series, mayBeLogarithmic = false, fromZero = false }: Chart): string {
  const drawn = series
    .map(({ name, points }) => ({ name, points: thinned(points.filter(([, value]) => Number.isFinite(value))) }))
    .filter(({ points }) => points.length > 0);
  if (drawn.length === 0) return "";
  const values = drawn.flatMap(({ points }) => points.map(([, value]) => value));
  const steps = drawn.flatMap(({ points }) => points.map(([step]) => step));
  const [least, most] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  const logarithmic = mayBeLogarithmic && least > 0 && most / least > logarithmicSpan;
  const y = logarithmic ? logarithmicAxis(values) : linearAxis(fromZero ? [0, ...values] : values, 4);
  const x = linearAxis(steps, 4, { tight: true });
  const left = (step: number) => margin.left + plot.width * x.place(step);
  const top = (value: number) => margin.top + plot.height * (1 - y.place(value));

  const grid = y.ticks.map(
    (tick) =>
      `<line class="grid" x1="${margin.left}" x2="${size.width - margin.right}" y1="${fixed(top(tick))}" y2="${fixed(top(tick))}"/>` +
      `<text x="${margin.left - 6}" y="${fixed(top(tick) + 4)}" text-anchor="end">${shortNumber(tick)}</text>`,
  );
  const feet = x.ticks.map(
    (tick) => `<text x="${fixed(left(tick))}" y="${size.height - 6}" text-anchor="middle">${shortNumber(tick)}</text>`,
  );
  const lines = drawn.map(({ name, points }, i) => {
    const path = points.map(([step, value], at) => `${at === 0 ? "M" : "L"}${fixed(left(step))} ${fixed(top(value))}`).join("");
    const marks =
      points.length > mostMarks
        ? []
        : points.map(
            ([step, value]) =>
              `<circle cx="${fixed(left(step))}" cy="${fixed(top(value))}" r="2.5"><title>${escapeHtml(name)}, step ${formatCount(step)}: ${shortNumber(value)}</title></circle>`,
          );
    return `<g style="--line: var(--series-${i % 8})"><path d="${path}"/>${marks.join("")}</g>`;
  });
  const legend =
    drawn.length > 1
      ? `<p class="legend">${drawn.map(({ name }, i) => `<span style="--line: var(--series-${i % 8})">${escapeHtml(name)}</span>`).join("")}</p>`
      : "";
  const note = [caption, logarithmic ? "logarithmic" : ""].filter(Boolean).join(", ");
  return `<figure><figcaption><b>${escapeHtml(title)}</b>${note ? ` <small>${escapeHtml(note)}</small>` : ""}</figcaption>${legend}
<svg viewBox="0 0 ${size.width} ${size.height}" role="img" aria-label="${escapeHtml(describe(title, drawn))}">${[...grid, ...feet, ...lines].join("")}</svg></figure>`;
}

/** At most `mostPoints` points: each is the mean of as many neighbours as needed. */
function thinned(points: Series["points"]): Series["points"] {
  const size = Math.ceil(points.length / mostPoints);
  if (size <= 1) return points;
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i) => {
    const group = points.slice(i * size, (i + 1) * size);
    return [group.at(-1)![0], group.reduce((sum, [, value]) => sum + value, 0) / group.length] as const;
  });
}

interface Axis {
  readonly ticks: readonly number[];
  /** A value's position, from 0 to 1. */
  readonly place: (value: number) => number;
}

/** Ticks at multiples of 1, 2 or 5 times a power of ten, about `count` of them. The axis ends at ticks, or at the values if it is tight. */
function linearAxis(values: readonly number[], count: number, { tight = false } = {}): Axis {
  let low = values.reduce((a, b) => Math.min(a, b));
  let high = values.reduce((a, b) => Math.max(a, b));
  if (low === high) {
    const room = Math.abs(low) * 0.1 || 1;
    low -= room;
    high += room;
  }
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough)!;
  const first = tight ? Math.ceil(low / step) : Math.floor(low / step);
  const last = tight ? Math.floor(high / step) : Math.ceil(high / step);
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
  const [from, to] = tight ? [low, high] : [first * step, last * step];
  return { ticks, place: (value) => (value - from) / (to - from) };
}

/** Ticks at powers of ten. */
function logarithmicAxis(values: readonly number[]): Axis {
  const low = Math.floor(Math.log10(values.reduce((a, b) => Math.min(a, b))));
  const high = Math.ceil(Math.log10(values.reduce((a, b) => Math.max(a, b))));
  return {
    ticks: Array.from({ length: high - low + 1 }, (_, i) => Number(`1e${low + i}`)),
    place: (value) => (Math.log10(value) - low) / (high - low),
  };
}

function describe(title: string, series: readonly Series[]): string {
  const ends = series.map(({ name, points }) => `${name} from ${shortNumber(points[0]![1])} to ${shortNumber(points.at(-1)![1])}`);
  return `${title}: ${ends.join("; ")}`;
}

function fixed(value: number): string {
  return String(Math.round(value * 10) / 10);
}
