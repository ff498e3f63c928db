/** A curve over the steps of a run, drawn by uPlot in the page's colours and as wide as its place. Both pages draw theirs with it. */
import UPlot from "uplot";

/** Values by their step. */
export type Points = readonly (readonly [step: number, value: number])[];

export interface CurvePlotOptions {
  /** The last step of the run. */
  readonly steps: number;
  readonly format: (value: number) => string;
  /** The least difference that the height stands for, so that noise does not look like news. */
  readonly smallest: number;
  /** The greatest value that there can be; the axis has no number above it. */
  readonly largest?: number;
  /** Draw a dot at each point. */
  readonly dots?: boolean;
}

const HEIGHT = 150;

const FONT = "12px system-ui";
/** Pixels between a number of the axis and the picture, and at its other side. */
const AXIS_GAP = 10;

export class CurvePlot {
  readonly #scheme = matchMedia("(prefers-color-scheme: dark)");
  readonly #observer = new ResizeObserver(() => this.#plot.setSize({ width: this.element.clientWidth, height: HEIGHT }));
  #plot: UPlot;
  #points: Points = [];

  constructor(
    readonly element: HTMLElement,
    readonly options: CurvePlotOptions,
  ) {
    this.#plot = drawn(element, options);
    this.#scheme.addEventListener("change", this.#drawAgain);
    this.#observer.observe(element);
  }

  show(points: Points): void {
    this.#points = points;
    this.#plot.setData([points.map(([step]) => step), points.map(([, value]) => value)]);
  }

  close(): void {
    this.#scheme.removeEventListener("change", this.#drawAgain);
    this.#observer.disconnect();
    this.#plot.destroy();
  }

  /** In the other colours. */
  readonly #drawAgain = () => {
    this.#plot.destroy();
    this.#plot = drawn(this.element, this.options);
    this.show(this.#points);
  };
}

/** The value of a colour of the page. */
const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** An empty picture. */
function drawn(
  element: HTMLElement,
  { steps, format, smallest, largest = Number.POSITIVE_INFINITY, dots = false }: CurvePlotOptions,
): UPlot {
  const axis = { stroke: colour("--ink-soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: FONT };
  return new UPlot(
    {
      width: element.clientWidth,
      height: HEIGHT,
      cursor: { show: false },
      legend: { show: false },
      scales: { x: { time: false, range: [0, steps] }, y: { range: (_, least, most) => around(least, most, smallest) } },
      axes: [
        { ...axis, size: 26 },
        { ...axis, size: widthOf, values: (_, ticks) => ticks.map((tick) => (tick > largest ? "" : format(tick))) },
      ],
      series: [{}, { stroke: colour("--accent"), width: 2, points: { show: dots, size: 6, fill: colour("--accent") } }],
    },
    [[], []],
    element,
  );
}

/** The width of the numbers beside the picture. Fonts differ from system to system, so they are measured. */
function widthOf({ ctx }: UPlot, texts: readonly string[] | null): number {
  ctx.save();
  ctx.font = FONT;
  const widths = (texts ?? []).map((text) => ctx.measureText(text).width);
  ctx.restore();
  return Math.ceil(Math.max(0, ...widths)) + AXIS_GAP;
}

/** A range of at least `smallest` with some room above and below, not below 0 for what is never negative. */
function around(least: number | null, most: number | null, smallest: number): [number, number] {
  if (least === null || most === null) return [0, smallest || 1];
  const missing = Math.max(0, smallest - (most - least)) / 2;
  const room = Math.max(smallest, most - least) * 0.08;
  const [low, high] = [least - missing - room, most + missing + room];
  return least >= 0 && low < 0 ? [0, high - low] : [low, high];
}
