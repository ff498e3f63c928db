/** A line of points over training steps, as SVG that follows its figure's width: one series, its axes, and the value under the pointer. */
import { make } from "./dom.ts";

export interface LineChartOptions {
  readonly title: string;
  /** The last step that will be shown. */
  readonly steps: number;
  readonly format: (value: number) => string;
  /** Values that the vertical axis shows at least. */
  readonly range: readonly [low: number, high: number];
}

interface Point {
  readonly step: number;
  readonly value: number;
}

const height = 200;
const margin = { top: 12, right: 52, bottom: 26, left: 44 };
/** Points are drawn one by one where they are few. */
const mostDots = 12;

export class LineChart {
  readonly #points: Point[] = [];
  readonly #svg = svg("svg", { height, role: "img" });
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
    this.#draw();
  }

  add(step: number, value: number): void {
    this.#points.push({ step, value });
    this.#draw();
  }

  #point(offset: number | null): void {
    const distance = ({ step }: Point) => Math.abs(this.#x(step) - offset!);
    this.#pointed =
      offset === null
        ? null
        : this.#points.reduce<Point | null>((best, p) => (best === null || distance(p) < distance(best) ? p : best), null);
    this.#draw();
  }

  get #width(): number {
    return Math.max(this.figure.clientWidth, margin.left + margin.right + 1);
  }

  #x(step: number): number {
    return margin.left + (step / this.options.steps) * (this.#width - margin.left - margin.right);
  }

  #draw(): void {
    const { options, figure } = this;
    if (figure.clientWidth === 0) return;
    const values = this.#points.map(({ value }) => value).filter(Number.isFinite);
    const rows = ticks(Math.min(options.range[0], ...values), Math.max(options.range[1], ...values), 4);
    const [low, high] = [rows[0]!, rows.at(-1)!];
    const y = (value: number) => height - margin.bottom - ((value - low) / (high - low)) * (height - margin.top - margin.bottom);
    const [left, right] = [margin.left, this.#width - margin.right];

    const grid = rows.flatMap((value) => [
      svg("line", { class: "grid", x1: left, x2: right, y1: y(value), y2: y(value) }),
      text(options.format(value), { x: left - 8, y: y(value) + 4, "text-anchor": "end" }),
    ]);
    const columns = ticks(0, options.steps, right - left > 300 ? 5 : 3).filter((step) => step <= options.steps && Number.isInteger(step));
    const steps = columns.map((step) =>
      text(step === columns.at(-1) ? `step ${step}` : String(step), { x: this.#x(step), y: height - 6, "text-anchor": "middle" }),
    );
    const path = svg("polyline", {
      class: "series",
      points: this.#points.map(({ step, value }) => `${this.#x(step)},${y(value)}`).join(" "),
    });
    const dots = this.#points.length <= mostDots ? this.#points : this.#points.slice(-1);
    const marked = this.#pointed ?? this.#points.at(-1);
    this.#svg.setAttribute("width", String(this.#width));
    this.#svg.replaceChildren(
      ...grid,
      ...steps,
      path,
      ...[...dots, ...(this.#pointed ? [this.#pointed] : [])].map(({ step, value }) =>
        svg("circle", { class: "dot", cx: this.#x(step), cy: y(value), r: 4 }),
      ),
      ...(this.#pointed
        ? [
            svg("line", {
              class: "pointer",
              x1: this.#x(this.#pointed.step),
              x2: this.#x(this.#pointed.step),
              y1: margin.top,
              y2: height - margin.bottom,
            }),
          ]
        : []),
      ...(marked
        ? [
            text(options.format(marked.value), {
              class: "value",
              x: this.#x(marked.step) + 8,
              y: Math.max(y(marked.value) - 8, margin.top + 4),
            }),
          ]
        : []),
    );
  }
}

/** Round numbers from at most `low` to at least `high`, about `count` steps apart. */
function ticks(low: number, high: number, count: number): number[] {
  const rough = (high - low || 1) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough * 0.999)!;
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
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
