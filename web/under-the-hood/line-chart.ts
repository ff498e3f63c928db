/** A line chart over training steps, as SVG that adapts to the figure's width: one series, its axes, and the value under the pointer. */
import { make } from "./dom.ts";

export interface LineChartOptions {
  readonly title: string;
  readonly format: (value: number) => string;
  /** Values that the vertical axis must include. */
  readonly range: readonly [low: number, high: number];
}

interface Point {
  readonly step: number;
  readonly value: number;
}

/** Maps steps and values to positions in the drawing. */
interface Scales {
  readonly x: (step: number) => number;
  readonly y: (value: number) => number;
  readonly rows: readonly number[];
  readonly columns: readonly number[];
}

const height = 200;
const margin = { top: 12, right: 52, bottom: 26, left: 44 };
/** Maximum number of points that are drawn individually. */
const mostDots = 12;
/** Width of a label of the horizontal axis. */
const columnWidth = 80;

export class LineChart {
  readonly #svg = svg("svg", { height, role: "img" });
  #points: Point[] = [];
  #steps = 1;
  #pointed: Point | null = null;

  /** Takes over the figure. */
  constructor(
    readonly figure: HTMLElement,
    readonly options: LineChartOptions,
  ) {
    this.#svg.setAttribute("aria-label", options.title);
    figure.replaceChildren(make("figcaption", options.title), this.#svg);
    new ResizeObserver(() => this.#draw()).observe(figure);
    this.#svg.addEventListener("pointermove", ({ offsetX }) => this.#point(offsetX));
    this.#svg.addEventListener("pointerleave", () => this.#point(null));
  }

  /** Starts again, with room for this many steps. */
  start(steps: number): void {
    this.#points = [];
    this.#steps = steps;
    this.#point(null);
  }

  /** Adds a point, unless its value is NaN. */
  add(step: number, value: number): void {
    if (Number.isFinite(value)) this.#points.push({ step, value });
    this.#draw();
  }

  /** Marks the point nearest to the pointer. */
  #point(offset: number | null): void {
    const { x } = this.#scales();
    const nearer = (a: Point, b: Point) => (Math.abs(x(b.step) - offset!) < Math.abs(x(a.step) - offset!) ? b : a);
    this.#pointed = offset === null || this.#points.length === 0 ? null : this.#points.reduce(nearer);
    this.#draw();
  }

  #scales(): Scales {
    const inner = Math.max(this.figure.clientWidth - margin.left - margin.right, 1);
    const values = this.#points.map(({ value }) => value);
    const rows = ticks(Math.min(this.options.range[0], ...values), Math.max(this.options.range[1], ...values), 4);
    const [low, high] = [rows[0]!, rows.at(-1)!];
    return {
      x: (step) => margin.left + (step / this.#steps) * inner,
      y: (value) => height - margin.bottom - ((value - low) / (high - low)) * (height - margin.top - margin.bottom),
      rows,
      columns: ticks(0, this.#steps, inner / columnWidth).filter((step) => step <= this.#steps && Number.isInteger(step)),
    };
  }

  #draw(): void {
    const { clientWidth: width } = this.figure;
    // A hidden figure has no width yet.
    if (width === 0) return;
    const scales = this.#scales();
    this.#svg.setAttribute("width", String(width));
    this.#svg.replaceChildren(...this.#axes(scales, width), ...this.#series(scales));
  }

  #axes({ x, y, rows, columns }: Scales, width: number): SVGElement[] {
    return [
      ...rows.map((value) => svg("line", { class: "grid", x1: margin.left, x2: width - margin.right, y1: y(value), y2: y(value) })),
      ...rows.map((value) => text(this.options.format(value), { x: margin.left - 8, y: y(value) + 4, "text-anchor": "end" })),
      ...columns.map((step) =>
        text(step === columns.at(-1) ? `step ${step}` : String(step), { x: x(step), y: height - 6, "text-anchor": "middle" }),
      ),
    ];
  }

  #series({ x, y }: Scales): SVGElement[] {
    const points = this.#points;
    const marked = this.#pointed ?? points.at(-1);
    if (marked === undefined) return [];
    const dots = new Set([...(points.length <= mostDots ? points : []), marked]);
    return [
      svg("polyline", { class: "series", points: points.map(({ step, value }) => `${x(step)},${y(value)}`).join(" ") }),
      ...[...dots].map(({ step, value }) => svg("circle", { class: "dot", cx: x(step), cy: y(value), r: 4 })),
      text(this.options.format(marked.value), { class: "value", x: x(marked.step) + 8, y: Math.max(y(marked.value) - 8, margin.top) }),
    ];
  }
}

/** Round numbers from at most `low` to at least `high`, in about `count` intervals. */
function ticks(low: number, high: number, count: number): number[] {
  const rough = (high - low || 1) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  // Sums of binary fractions miss round numbers by a few roundings.
  const slack = 1e-9;
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough * (1 - slack))!;
  const first = Math.floor(low / step + slack);
  const last = Math.ceil(high / step - slack);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

function svg(tag: string, attributes: Readonly<Record<string, string | number>>): SVGElement {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  return made;
}

function text(content: string, attributes: Readonly<Record<string, string | number>>): SVGElement {
  const made = svg("text", attributes);
  made.textContent = content;
  return made;
}
