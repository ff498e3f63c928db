/** A curve over the steps of a run, drawn by uPlot. Its newest value is beside its title, so that it is read without the picture. */
import { useEffect, useRef } from "preact/hooks";
import UPlot from "uplot";

interface CurveProps {
  readonly title: string;
  /** What a reader should know about the numbers. */
  readonly hint: string;
  readonly points: readonly (readonly [step: number, value: number])[];
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

/** The value of a colour of the page. */
const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function Curve({ title, hint, points, steps, format, smallest, largest = Number.POSITIVE_INFINITY, dots = false }: CurveProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot | null>(null);
  /** For drawing anew, long after the effect that draws has begun. */
  const latest = useRef(points);
  latest.current = points;

  useEffect(() => {
    const element = place.current!;
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const draw = () => {
      plot.current?.destroy();
      const axis = {
        stroke: colour("--ink-soft"),
        grid: { stroke: colour("--line"), width: 1 },
        ticks: { show: false },
        font: FONT,
      };
      plot.current = new UPlot(
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
      plot.current.setData(columns(latest.current));
    };
    draw();
    scheme.addEventListener("change", draw);
    const observer = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      scheme.removeEventListener("change", draw);
      observer.disconnect();
      plot.current?.destroy();
    };
  }, [steps]);

  useEffect(() => plot.current?.setData(columns(points)), [points]);

  const last = points.at(-1)?.[1];
  return (
    <figure class="curve">
      <figcaption>
        <strong>{title}</strong> {last !== undefined && <output>{format(last)}</output>}
        <span class="hint">{hint}</span>
      </figcaption>
      <div ref={place} aria-hidden="true" />
    </figure>
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

const columns = (points: CurveProps["points"]): UPlot.AlignedData => [points.map(([step]) => step), points.map(([, value]) => value)];
