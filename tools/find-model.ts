/** Finds the model that a command is given: a folder, or a name on the hub, whose files are downloaded with a bar on stderr. */
import { Option } from "commander";
import type { Folder } from "../src/io/folder.ts";
import { type HubOptions, openModelFolder } from "../src/io/hub-node.ts";
import { flag } from "./options.ts";
import { noProgress, type Progress, startProgress } from "./progress.ts";

export interface HubFlags {
  readonly model_revision?: string;
  readonly cache_dir?: string;
  readonly offline?: boolean;
}

/** Options of every command that is given a model. */
export const hubFlags: readonly Option[] = [
  new Option("--model_revision <revision>", "branch, tag or commit of a model of the hub (default: main)"),
  new Option("--cache_dir <dir>", "where models of the hub are kept (default: HF_HUB_CACHE, or hub in HF_HOME)"),
  flag("offline", "take models of the hub from the cache, and ask nothing of the network (also HF_HUB_OFFLINE=1)"),
];

const bytesPerUnit = 1e6;

/** Throws what `openModelFolder` throws. */
export function findModel(nameOrPath: string, { model_revision, cache_dir, offline }: HubFlags): Promise<Folder> {
  return openModelFolder(nameOrPath, {
    ...(model_revision !== undefined && { revision: model_revision }),
    ...(cache_dir !== undefined && { cacheDir: cache_dir }),
    ...(offline !== undefined && { offline }),
    onProgress: downloadProgress(),
  });
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
