/**
 * `simcse demo`: from nothing to a search in two minutes. Finds or sets up an adapter, trains a tiny BERT from scratch on the corpus of this folder,
 * shows how well it ranks held-out pairs before, during and after, saves it, and answers a few searches with the saved model.
 */
import { Command, Option } from "commander";
import { openDevice } from "../../src/gpu/node.ts";
import { openFolder, writeFolderAtomically } from "../../src/io/folder-node.ts";
import { modelFiles } from "../../src/simcse/checkpoint/checkpoint.ts";
import { Encoder } from "../../src/simcse/embedding/encoder.ts";
import type { Encode } from "../../src/simcse/evaluation/embed-distinct.ts";
import { scoreSts } from "../../src/simcse/evaluation/senteval/evaluate-sts.ts";
import { SimCseModel } from "../../src/simcse/model/model.ts";
import { SimCSE } from "../../src/simcse/simcse.ts";
import { train } from "../../src/simcse/training/trainer.ts";
import { embeddingPooler } from "../../src/simcse/training/training-options.ts";
import { exampleSet } from "../../src/simcse/training/training-set.ts";
import { startProgress } from "../cli/progress.ts";
import { describeAdapter, findAdapter } from "../setup/setup-adapter.ts";
import { searchExamples } from "./corpus.ts";
import { demoSetup } from "./demo-model.ts";

export const demoCommand = new Command("demo")
  .description("train a tiny model from scratch and search with it, in two minutes")
  .addOption(new Option("--output_dir <dir>", "where the model goes").default("simcse-demo"))
  .action(runDemo);

const print = (line = "") => process.stdout.write(`${line}\n`);

/** Number of sentences to search. */
const searched = 1000;

async function runDemo({ output_dir }: { output_dir: string }): Promise<void> {
  const adapter = await findAdapter({ install: true, log: print });
  Object.assign(process.env, adapter.environment);
  print(describeAdapter(adapter));
  await using device = await openDevice();

  const { sentences, pairs, tokenizer, config, settings } = demoSetup();
  print(
    `corpus: ${sentences.length.toLocaleString("en-US")} sentences to train on, ${pairs.length} graded pairs held out, ${config.vocab_size} word pieces`,
  );
  const model = await SimCseModel.allocate(device, config, { training: true, mlp: settings.pooler === "cls" });
  model.store.initialize(settings.seed);

  const spearman = async (encode: Encode) => (await scoreSts([{ name: "held-out pairs", pairs }], encode)).spearman.all;
  const encoder = await Encoder.create(model, tokenizer, { pooler: embeddingPooler(settings), maxLength: config.max_position_embeddings });
  const before = await spearman(async (texts) => (await encoder.encode(texts)).data);
  encoder.close();
  print(`\nheld-out pairs, Spearman × 100: how well cosine similarity ranks them as the grades do`);
  const scoreLine = (label: string, score: number) =>
    `  ${label.padEnd(12)} ${(score * 100).toFixed(1).padStart(5)}  ${"█".repeat(Math.max(0, Math.round(score * 40)))}`;
  print(scoreLine("untrained", before));

  const progress = startProgress(settings.maxSteps, "training");
  let note = "";
  const summary = await train({
    model,
    tokenizer,
    set: exampleSet(sentences, tokenizer, settings.maxLength),
    settings,
    hooks: {
      onStep: ({ step }) => progress.update(step, note),
      onLog: ({ loss, sentences_per_second }) => {
        note = `loss ${loss.toFixed(3)} · ${sentences_per_second.toFixed(0)} sentences/s`;
      },
      evaluate: async (encode) => ({ eval_demo_spearman: await spearman(encode) }),
      onEvaluate: (entry) => progress.line(scoreLine(`step ${entry.step}`, entry.eval_demo_spearman!)),
    },
  });
  progress.stop();
  print(`trained ${summary.steps} steps in ${summary.seconds.toFixed(0)} s; ${note}`);

  const simcse = { pooler_type: embeddingPooler(settings), max_seq_length: settings.maxLength };
  await saveDemo(output_dir, modelFiles(model, tokenizer, simcse));
  model.close();
  print(`saved ${output_dir} (opens in this package and in Hugging Face transformers)\n`);
  await using saved = await SimCSE.loadFrom(device, await openFolder(output_dir));
  await showSearches(saved, sentences);
  print(`\nNow try:  echo "A sentence of yours." | npx simcse encode --model_name_or_path ${output_dir}`);
}

/** Replaces the output of an earlier demo. Any other folder that is not empty is an error. */
async function saveDemo(path: string, files: ReturnType<typeof modelFiles>): Promise<void> {
  const overwrite = await openFolder(path).then(
    (folder) => folder.has("config.json"),
    () => false,
  );
  await writeFolderAtomically(path, files, { overwrite });
}

async function showSearches(simcse: SimCSE, sentences: readonly string[]): Promise<void> {
  const examples = searchExamples();
  // The searched sentences include those that the examples are about.
  const answers = new Set(examples.map(({ answer }) => answer));
  const keys = [...answers, ...sentences.filter((sentence) => !answers.has(sentence)).slice(0, searched - answers.size)];
  const embeddings = await simcse.encode(keys);
  for (const { query } of examples) {
    print(`search: ${query}`);
    const scores = await simcse.similarity(query, embeddings);
    const ranked = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]!).slice(0, 3);
    for (const index of ranked) print(`  ${scores[index]!.toFixed(4)}  ${keys[index]}`);
  }
}
