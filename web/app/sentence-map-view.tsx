/** The map of the sentences: a point each, near to those that the model finds alike. Points glide to their new places as training goes on. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { SentenceMap } from "../worker/protocol.ts";

const GLIDE_MS = 700;
const MARGIN = 14;
/** Pixels within which the pointer is on a point. */
const REACH = 12;

const reduced = matchMedia("(prefers-reduced-motion: reduce)");

interface MapViewProps {
  readonly map: SentenceMap;
  readonly texts: readonly string[];
  readonly links: Uint32Array;
}

/** Places in the unit square. */
function scaled(points: Float32Array): Float32Array {
  let most = 0;
  for (const value of points) most = Math.max(most, Math.abs(value));
  return points.map((value) => 0.5 + value / (2 * (most || 1)));
}

export function SentenceMapView({ map, texts, links }: MapViewProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const places = useRef<Float32Array>(new Float32Array(0));
  const [hovered, setHovered] = useState<number | null>(null);

  /** Where a point is in a canvas of this size. */
  const pixelOf = (i: number, width: number, height: number): [x: number, y: number] => [
    MARGIN + places.current[2 * i]! * (width - 2 * MARGIN),
    MARGIN + places.current[2 * i + 1]! * (height - 2 * MARGIN),
  ];

  const draw = () => {
    const { width, height } = canvas.current!.getBoundingClientRect();
    const ratio = devicePixelRatio;
    canvas.current!.width = width * ratio;
    canvas.current!.height = height * ratio;
    const context = canvas.current!.getContext("2d")!;
    context.scale(ratio, ratio);
    const style = getComputedStyle(canvas.current!);
    const at = (i: number) => pixelOf(i, width, height);
    context.strokeStyle = style.getPropertyValue("--map-line");
    for (let i = 0; i < links.length; i += 2) {
      context.lineWidth = hovered === links[i] || hovered === links[i + 1] ? 2 : 1;
      context.beginPath();
      context.moveTo(...at(links[i]!));
      context.lineTo(...at(links[i + 1]!));
      context.stroke();
    }
    const isSecond = new Set(Array.from(links).filter((_, i) => i % 2 === 1));
    for (let i = 0; i < texts.length; i++) {
      context.fillStyle = style.getPropertyValue(isSecond.has(i) ? "--map-second" : "--map-first");
      context.beginPath();
      context.arc(...at(i), hovered === i ? 5.5 : 3.5, 0, 2 * Math.PI);
      context.fill();
    }
  };

  useEffect(() => {
    const target = scaled(map.points);
    const from = places.current.length === target.length ? places.current : target;
    if (reduced.matches || from === target) {
      places.current = target;
      draw();
      return;
    }
    const began = performance.now();
    let frame = requestAnimationFrame(function glide(now) {
      const t = Math.min(1, Math.max(0, (now - began) / GLIDE_MS));
      const eased = 1 - (1 - t) ** 3;
      places.current = from.map((value, i) => value + (target[i]! - value) * eased);
      draw();
      if (t < 1) frame = requestAnimationFrame(glide);
    });
    return () => cancelAnimationFrame(frame);
  }, [map]);

  useEffect(draw, [hovered]);
  useEffect(() => {
    const observer = new ResizeObserver(draw);
    observer.observe(canvas.current!);
    return () => observer.disconnect();
  }, []);

  const find = (event: PointerEvent) => {
    const { width, height, left, top } = canvas.current!.getBoundingClientRect();
    let best: number | null = null;
    let least = REACH;
    for (let i = 0; i < texts.length; i++) {
      const [x, y] = pixelOf(i, width, height);
      const distance = Math.hypot(left + x - event.clientX, top + y - event.clientY);
      if (distance < least) [best, least] = [i, distance];
    }
    setHovered(best);
  };

  return (
    <figure class="map">
      <figcaption>
        <strong>Map of your sentences</strong>
        <span class="hint">
          after step {map.step}
          {links.length > 0 && ": a line joins what belongs together, so lines should get short"}
        </span>
      </figcaption>
      <canvas
        ref={canvas}
        role="img"
        aria-label={`A map of ${texts.length} of your sentences. Sentences that the model finds alike lie close to each other.`}
        onPointerMove={find}
        onPointerDown={find}
        onPointerLeave={() => setHovered(null)}
      />
      <p class="note caption">{hovered === null ? "Point at a dot to read it." : texts[hovered]}</p>
    </figure>
  );
}
