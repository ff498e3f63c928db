/** Texts with classes: accuracy of the transfer tasks' classifier on the frozen embeddings, cross-validated. */
import { scoreTransfer } from "../senteval/evaluate-transfer.ts";
import type { SetEvaluator } from "./evaluation-set.ts";

export const labelledTexts: SetEvaluator<"labelled texts"> = {
  metrics: ["accuracy", "dev_accuracy"],
  main: "accuracy",
  count: (texts) => texts.length,
  async score(texts, { encode, device, signal }) {
    const classes = [...new Set(texts.map(({ label }) => label))].sort();
    const examples = texts.map(({ text, label }) => ({ a: text, label: classes.indexOf(label) }));
    const { accuracy, devAccuracy } = await scoreTransfer(
      { classes: classes.length },
      { all: examples },
      { encode, device, mode: "fasttest", signal },
    );
    return { metrics: { accuracy, dev_accuracy: devAccuracy }, predictions: [] };
  },
};
