/**
 * `simcse demo`: a model learns to search a code base. It searches what a folder says in words, then is trained on a part of the folder's
 * descriptions and what they describe, and is scored on the other part before and after.
 */
import { Command, Option } from "commander";
import { openDevice } from "../../src/gpu/node.ts";
import { openFolder, writeFolderAtomically } from "../../src/io/folder-node.ts";
import { formatCount, plural } from "../../src/show.ts";
import { SimCSE } from "../../src/simcse/simcse-node.ts";
import { exampleWriter } from "../cli/example-file.ts";
import { findModelOrDefault, type ModelFlags, modelOrDefaultFlags } from "../cli/find-model.ts";
import { withOptions } from "../cli/options.ts";
import { startProgress } from "../cli/progress.ts";
import { say } from "../cli/say.ts";
import { describeAdapter, findAdapter } from "../setup/setup-adapter.ts";
import { type CodeBase, readCodeBase, readExtensions, sampleEntries } from "./code-base.ts";
import { type EntryKind, entryKinds } from "./entry.ts";
import { type Lessons, lessonsOf, pairsOf } from "./lessons.ts";
import { Page } from "./page.ts";
import { measure, searchDescriptions } from "./search.ts";

interface DemoOptions extends ModelFlags {
  readonly folder: string;
  readonly question?: readonly string[];
  readonly output_dir: string;
  readonly write_pairs?: string;
}

export const demoCommand = withOptions(
  new Command("demo").description("let a model learn to search a folder of code, in a few minutes: scores and answers before and after"),
  [
    new Option("--folder <dir>", `a folder with files of ${readExtensions.join(", ")}`).default("."),
    new Option("--question <text...>", "what to search for (default: some of the descriptions that are held out)"),
    new Option("--output_dir <dir>", "where the trained model goes").default("simcse-demo"),
    new Option("--write_pairs <file.csv>", "only write the descriptions and what they describe to a file, to train and evaluate on"),
    ...modelOrDefaultFlags,
  ],
).action((given: DemoOptions) => (given.write_pairs === undefined ? runDemo(given) : writePairs(given, given.write_pairs)));

/** With these, the demo takes two minutes on two cores without a GPU. */
const mostEntries = 1200;
const steps = 36;
const trainingOptions = {
  batchSize: 32,
  learningRate: 2e-4,
  warmupSteps: 0.1,
  noDuplicates: true,
};

/** Tokens of a paragraph that are trained on. */
const longest = 64;

/** More passes over few pairs only teach them by heart. */
const mostEpochs = 4;

const kindNames: Readonly<Record<EntryKind, string>> = { code: "declarations", sections: "sections", errors: "errors", options: "options" };

/** Questions that the demo asks if none is given. */
const questionsAsked = 3;

async function runDemo(given: DemoOptions): Promise<void> {
  const page = new Page(process.stdout);
  const model = await findModelOrDefault(given);
  const all = await readCodeBase(given.folder);
  const code = { ...all, entries: sampleEntries(all.entries, mostEntries) };
  const lessons = lessonsOf(code.entries, given.folder);
  const adapter = await findAdapter({ install: true, log: (line) => page.line(line) });
  Object.assign(process.env, adapter.environment);
  const began = performance.now();
  const since = () => `${Math.round((performance.now() - began) / 1000)} s`;
  await using device = await openDevice();
  await using simcse = await SimCSE.loadFrom(device, model, { training: true });
  page.fact("adapter", describeAdapter(adapter).replace(/^adapter: /, ""));
  page.fact("model", describeModel(simcse));
  page.fact("code", describeCode(all));
  if (code.entries.length < all.entries.length)
    page.fact("", `The demo takes ${formatCount(code.entries.length)} of them, chosen by a hash.`);

  page.part(1, "What the code says in words, searched by the model as it is");
  const questions = given.question ?? lessons.held.slice(0, questionsAsked);
  const found = await searchDescriptions(simcse, code.entries, questions);
  for (const [i, question] of questions.entries()) {
    page.question(question);
    page.results(found[i]!);
  }
  page.line();
  page.note(`The first search took ${since()}, indexing included.`);

  page.part(2, "Learning to find the code itself: signatures, paragraphs, remedies");
  const { training, held, test } = lessons;
  page.note(
    `${formatCount(training.length)} descriptions to train on. ${formatCount(held.length)} others are held out by a hash; each is looked up ` +
      `among all ${formatCount(test.data.corpus.size)} things that can be found.`,
  );
  const before = await measure(simcse, code.entries, lessons, questions);
  page.note(await learn(simcse, training));
  const after = await measure(simcse, code.entries, lessons, questions);
  page.line();
  page.scores(before.scores, after.scores);

  page.part(3, "The questions, answered by the code: before and after");
  for (const [i, question] of questions.entries()) {
    page.question(question);
    page.results(before.found[i]!, "before");
    page.results(after.found[i]!, "after");
  }
  await replaceFolder(given.output_dir, simcse);
  page.line();
  page.note(`${since()} in all. The trained model is in ${given.output_dir}; transformers and sentence-transformers open it too.`);
  page.note("Your own code:");
  page.line(`   npx simcse demo --folder ../my-project --question "How do I …?"`);
}

/** Trains on pairs; returns what was done, as text. */
async function learn(simcse: SimCSE, pairs: Lessons["training"]): Promise<string> {
  const { batchSize } = trainingOptions;
  const maxLength = Math.min(longest, simcse.encoder.maxLength);
  const maxSteps = Math.min(steps, Math.ceil((pairs.length * mostEpochs) / batchSize));
  const progress = startProgress(maxSteps, "training");
  const began = performance.now();
  let last = Number.NaN;
  try {
    for await (const { step, loss } of simcse.train(pairs, { ...trainingOptions, maxSteps, maxLength })) {
      progress.update(step, `loss ${loss.toFixed(2)}`);
      last = loss;
    }
  } finally {
    progress.stop();
  }
  const seconds = (performance.now() - began) / 1000;
  return `Trained ${maxSteps} steps of ${batchSize} pairs with SimCSE's supervised loss in ${seconds.toFixed(0)} s; the last loss is ${last.toFixed(2)}.`;
}

/** Replaces the output of an earlier demo. Any other folder that is not empty is an error. */
async function replaceFolder(path: string, simcse: SimCSE): Promise<void> {
  const overwrite = await openFolder(path).then(
    (folder) => folder.has("config.json"),
    () => false,
  );
  await writeFolderAtomically(path, simcse.files(), { overwrite });
}

function describeModel(simcse: SimCSE): string {
  const { config, store } = simcse.model;
  return `${simcse.name}: ${config.num_hidden_layers} layers of ${config.hidden_size}, ${(store.layout.counts.all / 1e6).toFixed(1)} M parameters`;
}

function describeCode({ folder, files, entries }: CodeBase): string {
  const counts = entryKinds.flatMap((kind) => {
    const count = entries.filter((entry) => entry.kind === kind).length;
    return count === 0 ? [] : [`${formatCount(count)} ${kindNames[kind]}`];
  });
  return `${folder}: ${counts.join(", ")} in ${plural(files, "file")}`;
}

/** Writes what the demo learns from as a table of questions and answers. */
async function writePairs({ folder }: DemoOptions, path: string): Promise<void> {
  const write = exampleWriter("--write_pairs", path, ["question", "answer"]);
  const rows = pairsOf((await readCodeBase(folder)).entries).map(({ texts }) => texts);
  await write(rows);
  say(`${formatCount(rows.length)} pairs in ${path}`);
}
