/** `simcse push`: sends a model's folder to the hub, with its card. */
import { Command, Option } from "commander";
import { pushModel } from "../src/simcse/checkpoint/push-model-node.ts";
import { type PoolerType, poolerTypes } from "../src/simcse/model/poolers.ts";
import { interruptSignal } from "./cli/interrupt.ts";
import { flag, nameList, withOptions } from "./cli/options.ts";
import { say } from "./cli/say.ts";

interface PushCommandOptions {
  readonly private?: boolean;
  readonly revision?: string;
  readonly commit_message?: string;
  readonly license?: string;
  readonly language?: readonly string[];
  readonly pooler?: PoolerType;
}

const options: readonly Option[] = [
  flag("private", "make a repository that does not exist yet private"),
  new Option("--revision <branch>", "branch to write to (default: main)"),
  new Option("--commit_message <text>", "message of the commit (default: Upload model)"),
  new Option("--license <id>", "licence to state in the model card, such as apache-2.0"),
  new Option("--language <codes>", "languages to state in the model card, separated by commas, such as en,de").argParser(nameList),
  new Option("--pooler <type>", "pooler that a new card states, if the folder does not name its own (default: avg)").choices([
    ...poolerTypes,
  ]),
];

export const pushCommand = withOptions(
  new Command("push")
    .description(
      "send a model to the Hugging Face hub, or to the mirror in HF_ENDPOINT, with its card; HF_TOKEN, or what `hf auth login` left, is the token",
    )
    .argument("<folder>", "the model's folder, as train, distill or convert write it")
    .argument("<name>", "the model's name on the hub: organisation/name"),
  options,
).action(async (folder: string, name: string, given: PushCommandOptions) => {
  const signal = interruptSignal();
  const { revision, commit_message: message, license, language, pooler } = given;
  const { url, commit, files, assumedPooler } = await pushModel(name, folder, {
    signal,
    private: given.private,
    revision,
    message,
    license,
    language,
    pooler,
  });
  if (assumedPooler !== null) say(`${folder} does not name its pooler; its card says ${assumedPooler} (--pooler states another)`);
  say(`sent ${files.length} files to ${url}`);
  process.stdout.write(`${url}/commit/${commit}\n`);
});
