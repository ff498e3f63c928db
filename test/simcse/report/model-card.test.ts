import { expect, it } from "vitest";
import { withLicence } from "../../../src/simcse/report/card-metadata.ts";
import type { TrainingReport } from "../../../src/simcse/report/history.ts";
import { modelCard } from "../../../src/simcse/report/model-card.ts";
import { isMainMetric, metricChanges } from "../../../src/simcse/report/own-metrics.ts";

const report: TrainingReport = {
  name: "my_model | *x*",
  folder: "out",
  history: [
    { step: 5, eval_stsb_spearman: 0.8, eval_sickr_spearman: 0.7, eval_avg_sts: 0.75, eval_MR: 81.25, eval_avg_transfer: 81.25 },
    { step: 10, loss: 0.1 },
    { step: 10, eval_stsb_spearman: 0.6, eval_sickr_spearman: 0.7, eval_avg_sts: 0.65, eval_MR: 80, eval_avg_transfer: 80 },
  ],
  arguments: { load_best_model_at_end: true, temp: 0.05, mlp_only_train: false, train_file: "a_b.txt" },
  pooler: "cls_before_pooler",
  steps: 10,
  best: { metric: "eval_stsb_spearman", value: 0.8, step: 5 },
};

it("a model card has what hubs read, the scores of the model that is kept, and how it is loaded", () => {
  const card = modelCard(report);
  const [, metadata] = /^---\n(.*?)\n---\n/s.exec(card)!;
  expect(metadata).toContain("library_name: sentence-transformers\npipeline_tag: sentence-similarity");
  expect(metadata).not.toContain("base_model");
  expect(card).toContain("# my\\_model \\| \\*x\\*\n");
  expect(card).toContain("| STSBenchmark | SICKRelatedness | Avg. |\n| ---: | ---: | ---: |\n| 80.00 | 70.00 | 75.00 |\n\nSpearman × 100");
  expect(card).toContain("| 81.25 | – | – | – | – | – | – | 81.25 |");
  expect(card).toContain("after step 5. Avg. covers 1 of 7 tasks");
  expect(card).toContain('SimCSE.load("out")');
  expect(card).toContain("embeddings = output.last_hidden_state[:, 0]\n");
  expect(card).toContain('SentenceTransformer("out")');
  expect(card).toContain("```sh\nnpx simcse similarity --model out ");
  expect(card).toContain("- `train_file`: a\\_b.txt");
  expect(card).not.toContain("mlp_only_train");
  const distilled = modelCard({ ...report, arguments: { temp: 0.05, loss: "distill", layers: [0, 2], similarity_weight: 1 } });
  expect(distilled).toContain("- `layers`: 0,2\n- `loss`: distill\n- `similarity_weight`: 1\n");
  expect(distilled).not.toContain("temp");
});

it("says what a student was made of, by which command and from which sources", () => {
  const card = modelCard({
    ...report,
    command: "npx simcse distill --model lab/large --layers 0,2",
    arguments: { model_name_or_path: "lab/large", train_file: ["a.txt", "b.tsv"], layers: [0, 2], vocab_size: 12000, temp: 0.05 },
  });
  expect(card).toContain("student of lab/large: it began as its layers 0, 2 and 12,000 of its tokens, and learned the teacher's vectors.");
  expect(card).toContain("```sh\nnpx simcse distill --model lab/large --layers 0,2\n```");
  expect(card).toContain(
    "| model or data | licence |\n| --- | --- |\n| lab/large | not recorded |\n| a.txt | not recorded |\n| b.tsv | not recorded |\n",
  );
  expect(modelCard(report)).not.toContain("student of");
});

it("of the last model, of a pooler that sentence-transformers does not have, and of nothing evaluated", () => {
  expect(modelCard({ ...report, arguments: {} })).toContain("| 60.00 | 70.00 | 65.00 |");
  expect(modelCard({ ...report, pooler: "avg_top2" })).not.toContain("sentence_transformers");
  const ofModules = modelCard({ ...report, pooler: "sentence_transformers" });
  expect(ofModules).toContain('SentenceTransformer("out")');
  expect(ofModules).not.toContain("AutoModel");
  expect(modelCard({ ...report, history: [] })).not.toContain("## Evaluation");
});

it("your own sets before and after training", () => {
  const history = [
    { step: 0, "eval_held_out_mrr@10": 0.2, "eval_held_out_recall@10": 0.3 },
    { step: 10, loss: 0.1 },
    { step: 10, "eval_held_out_mrr@10": 0.25, "eval_held_out_recall@10": 0.5 },
  ];
  const card = modelCard({ ...report, history, arguments: {} });
  expect(card).toContain(
    "| metric | before training | after step 10 |\n| ---: | ---: | ---: |\n| held_out_mrr@10 | 0.2000 | 0.2500 |\n| held_out_recall@10 | 0.3000 | 0.5000 |",
  );
  expect(metricChanges({ history, arguments: {} }).changes.filter(({ metric }) => isMainMetric(`eval_${metric}`))).toEqual([
    { metric: "held_out_mrr@10", before: 0.2, after: 0.25 },
  ]);
  // The best of a run may be its beginning; a run without a first evaluation has nothing before.
  const best = { metric: "eval_held_out_mrr@10", value: 0.2, step: 0 };
  expect(metricChanges({ history, best, arguments: { load_best_model_at_end: true } })).toMatchObject({ step: 0 });
  expect(modelCard({ ...report, history: history.slice(1), arguments: {} })).toContain("| held_out_mrr@10 | – | 0.2500 |");
});

it("states scores, base model, licence and languages for hubs", () => {
  const { name, folder, history, pooler, best, arguments: given } = report;
  const card = modelCard({
    name,
    folder: folder!,
    history,
    pooler,
    best: best!,
    arguments: { ...given, dataset_name: "lab/pairs" },
    baseModel: "lab/large",
  });
  const stated = withLicence(card, { license: "mit", language: ["en", "no"] });
  const [, metadata] = /^---\n(.*?)---\n/s.exec(stated)!;
  expect(metadata).toBe(`license: mit
language:
- en
- "no"
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags:
- simcse
- sentence-similarity
- feature-extraction
- sentence-transformers
base_model: lab/large
datasets:
- lab/pairs
metrics:
- spearman_cosine
model-index:
- name: "my_model | *x*"
  results:
  - task:
      type: sentence-similarity
    dataset:
      name: STSBenchmark
      type: mteb/stsbenchmark-sts
      split: validation
    metrics:
    - type: spearman_cosine
      value: 0.8
  - task:
      type: sentence-similarity
    dataset:
      name: SICKRelatedness
      type: mteb/sickr-sts
      split: validation
    metrics:
    - type: spearman_cosine
      value: 0.7
`);
  // Stated again, the old is replaced.
  expect(withLicence(stated, { language: ["de"] })).toBe(
    stated.replace('license: mit\nlanguage:\n- en\n- "no"\n', "language:\n- de\nlicense: mit\n"),
  );
  expect(withLicence("# A card\n", { license: "mit" })).toBe("---\nlicense: mit\n---\n\n# A card\n");
});
