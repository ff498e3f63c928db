/** The model card of a trained model: README.md in its folder, which a hub shows. It has the report's content in Markdown. */
import { formatCount } from "../../show.ts";
import { loadingSnippets, scoreTables } from "./card.ts";
import { cardMetadata } from "./card-metadata.ts";
import { collapseText } from "./collapse.ts";
import type { TrainingReport } from "./history.ts";
import { methodText } from "./method.ts";

/** A Markdown document. */
export function modelCard(report: TrainingReport): string {
  const { name, pooler } = report;
  const collapsed = collapseText(report.meanCosine);
  const tables = scoreTables(report).map(
    ({ names, rows, note }) => `${[names, names.map(() => "---:"), ...rows].map(row).join("\n")}\n\n${note}\n`,
  );
  const snippets = loadingSnippets(report).map(({ language, code }) => `\`\`\`${language}\n${code}\n\`\`\`\n`);
  const sections = [
    `# ${plain(name)}\n`,
    `SimCSE sentence embeddings. They are made with the pooler \`${pooler}\`; compare them by their cosine.${studentOf(report)}\n`,
    ...(collapsed === null ? [] : [`${collapsed}\n`]),
    ...(tables.length > 0 ? ["## Evaluation\n", ...tables] : []),
    "## How to load it\n",
    ...snippets,
    ...training(report),
    ...data(report),
  ];
  return `${cardMetadata(report)}\n${sections.join("\n")}`;
}

/** How it was trained; nothing if nothing is known. */
function training(report: TrainingReport): string[] {
  const { command } = report;
  const settings = trained(report);
  if (command === undefined && settings === "") return [];
  return ["## Training\n", ...(command === undefined ? [] : [`\`\`\`sh\n${command}\n\`\`\`\n`]), `${settings}\n`];
}

/** What a distilled model was made of; empty for any other. */
function studentOf({ arguments: { layers, vocab_size, target_vectors, model_name_or_path: teacher } }: TrainingReport): string {
  const kept = [
    ...(Array.isArray(layers) ? [`its layers ${layers.join(", ")}`] : []),
    ...(typeof vocab_size === "number" ? [`${formatCount(vocab_size)} of its tokens`] : []),
  ];
  if (kept.length === 0) return "";
  const vectors = target_vectors === undefined ? "the teacher's vectors" : plain(String(target_vectors));
  return ` The model is a student of ${plain(String(teacher))}: it began as ${kept.join(" and ")}, and learned ${vectors}.`;
}

/** What the model was made from. The licences are for its author to state: no file says them. */
function data({ arguments: { model_name_or_path: model, train_file: files, dataset_name: dataset } }: TrainingReport): string[] {
  const sources = [model, ...(Array.isArray(files) ? (files as unknown[]) : [files]), dataset].filter((name) => typeof name === "string");
  if (sources.length === 0) return [];
  const rows = sources.map((source) => row([plain(source), "not recorded"]));
  return ["## Sources\n", `${row(["model or data", "licence"])}\n${row(["---", "---"])}\n${rows.join("\n")}\n`];
}

const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;

/** The most important options; `trainer_state.json` has all of them. */
const mainOptions = [
  "model_name_or_path",
  "layers",
  "vocab_size",
  "config_name",
  "train_file",
  "target_vectors",
  "per_device_train_batch_size",
  "learning_rate",
  "lr_scheduler_type",
  "max_seq_length",
  "loss",
  "similarity_weight",
  "temp",
  "pooler_type",
  "mlp_only_train",
  "do_mlm",
  "seed",
] as const;

function trained({ arguments: given, steps }: TrainingReport): string {
  const without = /^distill/.test(String(given.loss)) ? "temp" : "similarity_weight";
  const says = (value: unknown) => value !== undefined && value !== null && value !== false;
  const options = mainOptions.filter((option) => option !== without && says(given[option]));
  const lines = options.map((option) => `- \`${option}\`: ${plain(String(given[option]))}`);
  const method = methodText(given);
  return [
    ...(steps === undefined ? [] : [`- steps: ${formatCount(steps)}`]),
    ...(method === "" ? [] : [`- trained parts: ${plain(method)}`]),
    ...lines,
  ].join("\n");
}

/** Text with its markup escaped. */
function plain(text: string): string {
  return text.replace(/\s+/g, " ").replace(/[\\`*_{}[\]<>#|]/g, "\\$&");
}
