import { describe, expect, it } from "vitest";
import type { StsReport } from "../../../src/simcse/evaluation/senteval/evaluate-sts.ts";
import { lineChart } from "../../../src/simcse/report/chart.ts";
import type { TrainingReport } from "../../../src/simcse/report/history.ts";
import { shortNumber } from "../../../src/simcse/report/html.ts";
import { modelCard } from "../../../src/simcse/report/model-card.ts";
import { reportHtml } from "../../../src/simcse/report/report.ts";

const aggregate = { all: 0.8, mean: 0.8, wmean: 0.8 };
const sts: StsReport = {
  mode: "test",
  tasks: { STS12: { subsets: {}, pearson: aggregate, spearman: aggregate, n: 9, undefinedCosines: 0 }, STS13: { missing: "x" } },
  average: { pearson: 0.8, spearman: 0.8, tasks: ["STS12"] },
};

const report: TrainingReport = {
  name: "<script>alert(1)</script>",
  history: [
    { step: 1, loss: 2, learning_rate: 3e-5, sentences_per_second: 70 },
    { step: 2, loss: 0.01, learning_rate: 1e-5, sentences_per_second: 71 },
    { step: 2, eval_stsb_spearman: 0.5, eval_alignment: 0.2, eval_uniformity: -2, eval_MR: 80 },
  ],
  arguments: { temp: 0.05, train_file: "a&b.txt", unset: undefined },
  pooler: "avg",
  steps: 2,
  totalSteps: 15625,
  best: { metric: "eval_stsb_spearman", value: 0.8123, step: 2 },
  sts,
};

describe("reportHtml", () => {
  const html = reportHtml(report);

  it("needs nothing from elsewhere, and takes no markup from names", () => {
    expect(html).not.toMatch(/<script|<link|src=|https?:|url\(|@import/);
    expect(html).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
    expect(html).toContain("a&amp;b.txt");
  });

  it("has a chart of everything that was logged and no other", () => {
    const titles = [...html.matchAll(/<figcaption><b>([^<]+)<\/b>/g)].map(([, title]) => title);
    expect(titles).toEqual(["Loss", "STS", "Alignment and uniformity", "Transfer", "Learning rate", "Throughput"]);
  });

  it("states steps, the best, the table and what it covers, and how to load the model with its pooler", () => {
    expect(html).toContain("2 of 15,625");
    expect(html).toContain("81.23 at step 2");
    expect(html).toMatch(/<td>80\.00<\/td><td>–<\/td>/);
    expect(html).toContain("Avg. covers 1 of 7 tasks; not scored: STS13, STS14");
    expect(html).toContain("(output.last_hidden_state * mask).sum(1) / mask.sum(1)");
    expect(html).not.toContain("unset");
  });

  it("shows the dev sets of the model that is kept where there is no final evaluation", () => {
    const { sts: _, ...training } = report;
    const history = [{ step: 2, eval_stsb_spearman: 0.5, eval_sickr_spearman: 0.6, eval_avg_sts: 0.55 }];
    expect(reportHtml({ ...training, history })).toContain("<td>50.00</td><td>60.00</td><td>55.00</td>");
    expect(reportHtml({ ...training, folder: "out" })).toContain("SimCSE.load(&quot;out&quot;)");
  });

  it("draws every step where it has them, and a log of any length", () => {
    const { sts: _, ...training } = report;
    const everyStep = Array.from({ length: 130_000 }, (_, i) => ({
      step: i + 1,
      loss: 1 + 1 / (i + 1),
      learning_rate: 1e-5,
      gradient_norm: 1,
    }));
    const long = reportHtml({ ...training, history: everyStep });
    expect(long).toContain("<b>Gradient norm</b>");
    expect(long.length).toBeLessThan(200_000);
    const points = (page: string) => (/<b>Loss<.*?<path d="([^"]*)"/s.exec(page)?.[1] ?? "").split("L").length;
    expect(points(reportHtml({ ...training, everyStep: everyStep.slice(0, 40) }))).toBe(40);
    expect(points(reportHtml(training))).toBe(2);
  });

  it("says that a model has collapsed, and of no other", () => {
    const text = "different training texts have a mean cosine of 0.9991";
    expect(reportHtml({ ...report, meanCosine: 0.9991 })).toContain(text);
    expect(modelCard({ ...report, meanCosine: 0.9991 })).toContain(text);
    for (const meanCosine of [0.9, null]) expect(reportHtml({ ...report, meanCosine })).not.toMatch(/collapsed/i);
    expect(html).not.toMatch(/collapsed/i);
  });

  it("can be made before anything is logged", () => {
    expect(reportHtml({ name: "m", history: [], arguments: {}, pooler: "cls" })).toContain("Nothing was logged yet.");
  });
});

describe("lineChart", () => {
  const points = [1, 2, 3, 4].map((step) => [step, step * 10] as const);

  it("places points by value and leaves out what is not finite", () => {
    const svg = lineChart({ title: "t", series: [{ name: "s", points: [...points, [5, Number.NaN]] }] });
    const path = /d="([^"]+)"/.exec(svg)![1]!;
    const places = [...path.matchAll(/[ML]([\d.]+) ([\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)] as const);
    expect(places).toHaveLength(4);
    for (const [i, [x, y]] of places.slice(1).entries()) {
      expect(x).toBeGreaterThan(places[i]![0]);
      expect(y).toBeLessThan(places[i]![1]);
    }
    expect(svg).not.toContain("NaN");
    expect(svg).not.toContain("legend");
  });

  it("is logarithmic for losses that fall far, flat lines are drawn, and nothing is no chart", () => {
    const falling = { title: "t", mayBeLogarithmic: true, series: [{ name: "s", points: [[1, 2] as const, [2, 0.01] as const] }] };
    expect(lineChart(falling)).toContain(">0.01</text>");
    expect(lineChart({ title: "t", series: [{ name: "s", points: [[7, 0] as const] }] })).not.toContain("NaN");
    expect(lineChart({ title: "t", series: [{ name: "s", points: [] }] })).toBe("");
  });
});

it("shortNumber reads well", () => {
  expect([0, 3e-5, 0.05, 1234.56, 2.5e6, 15625, Number.NaN].map(shortNumber)).toEqual([
    "0",
    "3e-5",
    "0.05",
    "1,235",
    "2.5e6",
    "15,630",
    "NaN",
  ]);
});
