/** Opens the model that a command is given: a folder, or a name on the hub, whose files are downloaded with a bar on stderr. */
import { Option } from "commander";
import type { Folder } from "../src/io/folder.ts";
import { type HubOptions, openModelFolder } from "../src/io/hub-node.ts";
import { flag } from "./options.ts";
import { noProgress, type Progress, startProgress } from "./progress.ts";

export interface ModelOptions {
  readonly model_name_or_path: string;
  readonly model_revision?: string;
  readonly cache_dir?: string;
  readonly offline?: boolean;
}

/** Options of every command that opens a model. */
export const modelOptions: readonly Option[] = [
  new Option(
    "--model_name_or_path <model>",
    "model folder, or a name on the Hugging Face hub (HF_ENDPOINT, HF_TOKEN)",
  ).makeOptionMandatory(),
  new Option("--model_revision <revision>", "branch, tag or commit on the hub (default: main)"),
  new Option("--cache_dir <dir>", "where models of the hub are kept (default: HF_HUB_CACHE, or hub in HF_HOME)"),
  flag("offline", "take models of the hub from the cache, and ask nothing of the network (also HF_HUB_OFFLINE=1)"),
];

const bytesPerUnit = 1e6;

/** Throws what `openModelFolder` throws. */
export function openModel(given: ModelOptions): Promise<Folder> {
  return openModelFolder(given.model_name_or_path, { ...hubOptions(given), onProgress: downloadProgress() });
}

function hubOptions({ model_revision, cache_dir, offline }: ModelOptions): HubOptions {
  return {
    ...(model_revision !== undefined && { revision: model_revision }),
    ...(cache_dir !== undefined && { cacheDir: cache_dir }),
    ...(offline !== undefined && { offline }),
  };
}

/** A bar for each file in turn, in megabytes. */
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
