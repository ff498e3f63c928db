/** Which of the visitor's texts are looked at while a run goes on: those that are searched, and those on the map. */
import type { Example } from "simcse-webgpu/browser";
import type { LoadedData } from "./loaded-data.ts";

export interface ShownTexts {
  /** Texts that queries are compared with: the second ones of pairs, or the sentences. */
  readonly searched: readonly string[];
  /** Texts on the map. */
  readonly mapped: readonly string[];
  /** Which of them belong together, as indices one after another. */
  readonly links: Uint32Array;
}

/** How many texts are looked at. A software adapter takes seconds for what a graphics processor does at once. */
export const mostTexts = (software: boolean) => (software ? { searched: 200, mapped: 120 } : { searched: 2000, mapped: 400 });

/** Chooses texts: held-out ones first, because nothing was learned from them. */
export function shownTexts({ kind, training, held }: LoadedData, most: ReturnType<typeof mostTexts>): ShownTexts {
  const examples = [...held, ...training];
  const isPaired = kind !== "sentences";
  const searched = distinct(
    examples.map(({ texts }) => texts[isPaired ? 1 : 0]!),
    most.searched,
  );
  const pairs = isPaired ? belonging(examples).slice(0, most.mapped / 2) : [];
  const mapped = distinct(
    pairs.length > 0 ? pairs.flatMap(({ texts }) => texts.slice(0, 2)) : examples.map(({ texts }) => texts[0]!),
    most.mapped,
  );
  const place = new Map(mapped.map((text, at) => [text, at]));
  const links = pairs.map(({ texts: [a, b] }) => [place.get(a!), place.get(b!)] as const);
  return { searched, mapped, links: Uint32Array.from(links.flatMap(([a, b]) => (a === undefined || b === undefined ? [] : [a, b]))) };
}

/** Pairs whose texts belong together: all without a score, and with one those in the upper half of the scores. */
export function belonging(pairs: readonly Example[]): Example[] {
  const scores = pairs.flatMap(({ score }) => (score === undefined ? [] : [score]));
  const [least, most] = scores.reduce(([least, most], score) => [Math.min(least, score), Math.max(most, score)], [Infinity, -Infinity]);
  return pairs.filter(({ score }) => score === undefined || score > (least! + most!) / 2);
}

function distinct(texts: readonly string[], most: number): string[] {
  const kept = new Set<string>();
  for (const text of texts) {
    if (kept.size >= most) break;
    kept.add(text);
  }
  return [...kept];
}
