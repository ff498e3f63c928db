/** A curve over the steps of a run. Its newest value is beside its title, so that it is read without the picture. */
import { useEffect, useRef } from "preact/hooks";
import { CurvePlot, type CurvePlotOptions, type Points } from "../curve-plot.ts";

interface CurveProps extends CurvePlotOptions {
  readonly title: string;
  /** What a reader should know about the numbers. */
  readonly hint: string;
  readonly points: Points;
}

export function Curve({ title, hint, points, ...options }: CurveProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<CurvePlot | null>(null);
  useEffect(() => {
    plot.current = new CurvePlot(place.current!, options);
    return () => plot.current?.close();
  }, [options.steps]);
  useEffect(() => plot.current?.show(points), [points, options.steps]);

  const last = points.at(-1)?.[1];
  return (
    <figure class="curve">
      <figcaption>
        <strong>{title}</strong> {last !== undefined && <output>{options.format(last)}</output>}
        <span class="hint">{hint}</span>
      </figcaption>
      <div ref={place} aria-hidden="true" />
    </figure>
  );
}
