/** `simcse push`: sends a model's folder to the hub, with its card. */
import { existsSync } from "node:fs";
import { basename, resolve } from "node:path";
import { Command, Option } from "commander";
import { type Folder, readText } from "../src/io/folder.ts";
import { openFolder } from "../src/io/folder-node.ts";
import { pushFolder } from "../src/io/hub/push-node.ts";
import { readConfig } from "../src/simcse/checkpoint/checkpoint.ts";
import { withLicence } from "../src/simcse/report/card-metadata.ts";
import { modelCard } from "../src/simcse/report/model-card.ts";
import { interruptSignal } from "./cli/failure.ts";
import { flag, withOptions } from "./cli/options.ts";
import { say } from "./cli/say.ts";

interface PushCommandOptions {
  readonly private?: boolean;
  readonly revision?: string;
  readonly commit_message?: string;
  readonly license?: string;
  readonly language?: readonly string[];
}

const options: readonly Option[] = [
  flag("private", "make a repository that does not exist yet private"),
  new Option("--revision <branch>", "branch to write to (default: main)"),
  new Option("--commit_message <text>", "message of the commit (default: Upload model)"),
  new Option("--license <id>", "licence to state in the model card, such as apache-2.0"),
  new Option("--language <codes>", "languages to state in the model card, separated by commas, such as en,de").argParser((text: string) =>
    text
      .split(",")
      .map((code) => code.trim())
      .filter((code) => code !== ""),
  ),
];

export const pushCommand = withOptions(
  new Command("push")
    .description("send a model to the Hugging Face hub, or to the mirror in HF_ENDPOINT, with its card; HF_TOKEN is the token")
    .argument("<folder>", "the model's folder, as train, distill or convert write it")
    .argument("<name>", "the model's name on the hub: organisation/name"),
  options,
).action(async (folder: string, name: string, given: PushCommandOptions) => {
  const signal = interruptSignal();
  const { revision, commit_message: message, license, language } = given;
  const { url, commit, files } = await pushFolder(name, folder, {
    signal,
    ...(given.private && { private: true }),
    ...(revision !== undefined && { revision }),
    ...(message !== undefined && { message }),
    texts: { "README.md": await card(folder, name, { ...(license !== undefined && { license }), ...(language && { language }) }) },
  });
  say(`sent ${files.length} files to ${url}`);
  process.stdout.write(`${url}/commit/${commit}\n`);
});

/** The folder's card, or one made for it, whose code loads the model by its name on the hub. */
async function card(path: string, name: string, licence: Parameters<typeof withLicence>[1]): Promise<string> {
  const folder = await openFolder(path);
  const local = basename(resolve(path));
  const text = existsSync(resolve(path, "README.md"))
    ? (await readText(folder, "README.md"))
        .replaceAll(JSON.stringify(local), JSON.stringify(name))
        .replaceAll(`--model ${local} `, `--model ${name} `)
    : await newCard(folder, local, name);
  return Object.keys(licence).length === 0 ? text : withLicence(text, licence);
}

async function newCard(folder: Folder, local: string, name: string): Promise<string> {
  const { pooler, sentenceHead, maxLength, transformer } = await readConfig(folder);
  const made = sentenceHead === null ? (pooler ?? "avg") : "sentence_transformers";
  const report = { name: local, folder: name, history: [], arguments: {}, pooler: made, modelType: transformer.model_type };
  return modelCard(pooler === null ? report : { ...report, maxLength });
}
