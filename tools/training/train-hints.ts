/** Hints: options of a run that contradict the paper's settings, the model or the training data, each as a sentence. */

import { quoted } from "../../src/show.ts";
import type { PoolerType } from "../../src/simcse/model/poolers.ts";
import { embeddingPooler, type TrainingSettings } from "../../src/simcse/training/training-options.ts";
import type { TrainingOrder } from "../../src/simcse/training/training-order.ts";

/** What hints depend on, besides the options. */
export interface HintsOn {
  /** Columns of the training file. */
  readonly columns: number;
  /** Whether the weights are fresh. */
  readonly fresh: boolean;
  /** The pooler saved with the model; null if there is none. */
  readonly modelPooler: PoolerType | null;
  /** The model's prompts that are not empty. */
  readonly prompts: readonly string[];
  /** Whether both vectors of a sentence are the same. */
  readonly equalViews: boolean;
  /** Whether a sentence occurs in more than one example. */
  readonly repeats: boolean;
  /** Batches of the first epoch without duplicates; null where duplicates may meet. */
  readonly batches: TrainingOrder["batches"] | null;
}

export function hints(
  settings: TrainingSettings,
  { columns, fresh, modelPooler, prompts, equalViews, repeats, batches }: HintsOn,
): string[] {
  const unsupervised = columns === 1;
  const { temperature, pooler, mlpOnlyTrain, hardNegativeWeight, labelSmoothing, mlm, noDuplicates } = settings;
  const asThePaper = modelPooler === null && !fresh;
  const rules: readonly (readonly [boolean, string])[] = [
    [
      fresh && pooler.startsWith("cls"),
      `from fresh weights ${pooler} collapses: all vectors become the same; use --pooler_type avg, or a pre-trained model`,
    ],
    [
      asThePaper && unsupervised && pooler === "cls" && !mlpOnlyTrain,
      "the paper's unsupervised models embed without the MLP (--mlp_only_train): 82.5 instead of 81.7 on STS-B dev",
    ],
    [!unsupervised && mlpOnlyTrain, "the paper's supervised models keep the MLP: leave out --mlp_only_train"],
    [mlpOnlyTrain && pooler !== "cls", `--mlp_only_train does nothing: --pooler_type ${pooler} has no MLP`],
    [
      temperature < 0.01 || temperature > 0.1,
      `--temp ${temperature} is far from the paper's 0.05: .001 gave 84.9, 1 gave 64.0, 0.05 gave 86.2 on STS-B dev`,
    ],
    [asThePaper && pooler !== "cls", `the paper trains with --pooler_type cls; ${pooler} has no MLP`],
    [
      modelPooler !== null && embeddingPooler(settings) !== modelPooler,
      `the model embeds with ${modelPooler}; trained with --pooler_type ${pooler} it will embed with ${embeddingPooler(settings)}`,
    ],
    [
      prompts.length > 0,
      `the model puts ${prompts.map((prompt) => quoted(prompt)).join(" or ")} before texts; training takes them as they are: put it into them`,
    ],
    [equalViews, "without dropout both vectors of a sentence are the same, so there is little to learn from them: use --dropout 0.1"],
    [columns < 3 && hardNegativeWeight !== 0, "--hard_negative_weight does nothing: the training file has no third column"],
    [labelSmoothing > 0, "the original accepts --label_smoothing_factor but ignores it; here it smooths the contrastive loss"],
    [mlm && !unsupervised, "the paper uses --do_mlm for unsupervised models, where it gains on transfer and loses on STS"],
    [
      repeats && !noDuplicates,
      "some sentences occur in several examples and are their own negatives if they meet in a batch: --no_duplicates keeps them apart",
    ],
    [
      batches !== null && batches.ofOne > 1,
      `${batches?.ofOne} of ${batches?.all} batches have one example and teach nothing, since what is left repeats its sentences: --dataloader_drop_last leaves out all that are not full`,
    ],
  ];
  return rules.filter(([applies]) => applies).map(([, hint]) => hint);
}
