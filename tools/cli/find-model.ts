/** Finds the model of a command: a folder, or a name on the hub, whose files are downloaded with a progress bar on stderr. */
import { Option } from "commander";
import { OptionError } from "../../src/errors.ts";
import type { Folder } from "../../src/io/folder.ts";
import { type HubOptions, openModelFolder } from "../../src/io/hub-node.ts";
import { defaultModel } from "../../src/simcse/checkpoint/default-model.ts";
import { openDefaultModel } from "../../src/simcse/checkpoint/default-model-node.ts";
import { flag } from "./options.ts";
import { noProgress, type Progress, startProgress } from "./progress.ts";
import { say } from "./say.ts";

export interface ModelFlags extends HubFlags {
  readonly model_name_or_path?: string;
  readonly model?: string;
}

export interface HubFlags extends CacheFlags {
  readonly model_revision?: string;
}

/** How the hub's models and data sets are found. */
export interface CacheFlags {
  readonly cache_dir?: string;
  readonly offline?: boolean;
}

/** Options of all commands that load something from the hub. */
export const cacheFlags: readonly Option[] = [
  new Option("--cache_dir <dir>", "cache folder for models and data sets from the hub (default: HF_HUB_CACHE, or hub in HF_HOME)"),
  flag(
    "offline",
    "use only cached models and data sets of the hub, without network access (also HF_HUB_OFFLINE=1, TRANSFORMERS_OFFLINE=1)",
  ),
];

/** Options of all commands that load models. */
export const hubFlags: readonly Option[] = [
  new Option("--model_revision <revision>", "branch, tag or commit of a model on the hub (default: main)"),
  ...cacheFlags,
];

const flagsFor = (model: string): readonly Option[] => [
  new Option("--model_name_or_path <model>", model),
  new Option("--model <model>", "short for --model_name_or_path"),
  ...hubFlags,
];

/** Options of a command that needs a model. */
export const modelFlags = flagsFor("model folder, or a name on the hub");

/** Options of a command that uses the default model if none is named. */
export const modelOrDefaultFlags = flagsFor(
  `model folder, or a name on the hub (default: ${defaultModel.name}, which comes with the package)`,
);

const REMEDY = "Give --model with a model's folder, or its name on the hub.";

/** The model that a command names, or null. Throws `OptionError` if it names two. */
export function namedModel({ model_name_or_path, model }: ModelFlags): string | null {
  const names = [...new Set([model_name_or_path, model].filter((name) => name !== undefined))];
  if (names.length > 1) throw new OptionError("--model and --model_name_or_path name two models.", REMEDY);
  return names[0] ?? null;
}

/** Throws `OptionError` unless one model is named. */
export function modelName(given: ModelFlags): string {
  const name = namedModel(given);
  if (name === null) throw new OptionError("No model is named.", REMEDY);
  return name;
}

/** The model that a command names, or the default one, which is then said. Throws like `openModelFolder` and `openDefaultModel`. */
export async function findModelOrDefault(given: ModelFlags): Promise<Folder> {
  const name = namedModel(given);
  if (name !== null) return findModel(name, given);
  const folder = await openDefaultModel();
  say(`model: ${defaultModel.name}, which comes with simcse-webgpu (--model takes another)`);
  return folder;
}

const bytesPerUnit = 1e6;

/** Throws the errors of `openModelFolder`. */
export function findModel(nameOrPath: string, { model_revision, ...flags }: HubFlags): Promise<Folder> {
  return openModelFolder(nameOrPath, hubAccess(model_revision, flags));
}

/** How a command asks the hub: notes go to standard error, and a bar shows what is downloaded. */
export function hubAccess(revision: string | undefined, { cache_dir, offline }: CacheFlags): HubOptions {
  return {
    revision,
    cacheDir: cache_dir,
    offline,
    onNote: (note) => say(`note: ${note}`),
    onProgress: downloadProgress(),
  };
}

/** One progress bar per file, in megabytes. */
function downloadProgress(): NonNullable<HubOptions["onProgress"]> {
  let shown: string | null = null;
  let bar: Progress = noProgress;
  return ({ file, done, total }) => {
    if (file !== shown) {
      bar.stop();
      bar = startProgress(Math.ceil(total / bytesPerUnit), "downloading");
      shown = file;
    }
    bar.update(Math.floor(done / bytesPerUnit), `MB of ${file}`);
    if (done < total) return;
    bar.stop();
    shown = null;
    bar = noProgress;
  };
}
