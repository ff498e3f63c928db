import { describe, expect, it } from "vitest";
import { type SeedRun, seedsHtml, summarizeSeeds } from "../../../src/simcse/report/seeds.ts";

const run = (seed: number, first: number, last: number, lossEnd: number): SeedRun => ({
  seed,
  history: [
    { step: 1, loss: 9 },
    { step: 1, eval_stsb_spearman: first, eval_alignment: 1 },
    { step: 2, loss: lossEnd },
    { step: 2, eval_stsb_spearman: last, eval_alignment: 2 },
  ],
  best: { metric: "eval_stsb_spearman", value: Math.max(first, last), step: first > last ? 1 : 2 },
  report: `seed-${seed}/report.html`,
});
const runs = [run(1, 0.5, 0.7, 1), run(2, 0.6, 0.4, 3)];

describe("summarizeSeeds", () => {
  it("takes every metric of the model that a run keeps, and the last loss", () => {
    const { seeds, metrics, runs: ended } = summarizeSeeds(runs, { load_best_model_at_end: true });
    expect(seeds).toEqual([1, 2]);
    expect(ended).toEqual([
      { loss: 1, eval_stsb_spearman: 0.7, eval_alignment: 2 },
      { loss: 3, eval_stsb_spearman: 0.6, eval_alignment: 1 },
    ]);
    expect(metrics.loss).toEqual({ mean: 2, sd: Math.SQRT2 });
    expect(metrics.eval_stsb_spearman!.mean).toBeCloseTo(0.65, 12);
    expect(metrics.eval_stsb_spearman!.sd).toBeCloseTo(0.1 / Math.SQRT2, 12); // Of a sample: n − 1.
  });

  it("takes the last evaluation where the last model is kept, and has no deviation of one run", () => {
    expect(summarizeSeeds(runs, {}).runs[1]!.eval_stsb_spearman).toBe(0.4);
    expect(summarizeSeeds(runs.slice(1), {}).metrics.loss).toEqual({ mean: 3, sd: null });
  });

  it("leaves out what a run does not have", () => {
    const without: SeedRun = { seed: 3, history: [{ step: 1, loss: 1 }], best: null };
    expect(Object.keys(summarizeSeeds([...runs, without], {}).metrics)).toEqual(["loss"]);
  });
});

it("seedsHtml has a row and a chart a metric, with a line a seed and a link to each report", () => {
  const html = seedsHtml("<b>", runs, { load_best_model_at_end: true, temp: 0.05 });
  expect(html).not.toMatch(/<b>(?!loss|stsb_spearman|alignment)/);
  expect(html).toContain("<td>65.00 ± 7.07</td><td>70.00</td><td>60.00</td>");
  expect(html).toContain('<a href="seed-2/report.html">seed 2</a>');
  expect([...html.matchAll(/<figcaption><b>([^<]+)/g)].map(([, title]) => title)).toEqual(["loss", "stsb_spearman", "alignment"]);
  expect(html.match(/<path /g)).toHaveLength(6);
});
