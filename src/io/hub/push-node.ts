/** Writes a folder's files to a repository of the hub or a mirror, in one commit. Large files are read from the disk as they are sent. */
import type { Dirent } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { FileError, OptionError } from "../../errors.ts";
import { optionalPackage } from "../../optional-package.ts";
import { checkOptions, type OptionNames } from "../../options.ts";
import { fileOperation } from "../folders/errno-node.ts";
import { isHubName } from "../hub-node.ts";
import { clientAccess } from "./access-node.ts";

/** Options of `pushFolder`. */
export interface PushOptions {
  /** The branch to write to; `main` if absent. */
  readonly revision?: string | undefined;
  /** A token that may write; HF_TOKEN, or the token that `hf auth login` left, if absent. */
  readonly token?: string;
  /** The address of the hub or a mirror; HF_ENDPOINT if absent. */
  readonly endpoint?: string;
  /** Whether a repository that does not exist yet is made private; false if absent. */
  readonly private?: boolean | undefined;
  /** The first line of the commit's message. */
  readonly message?: string | undefined;
  /** Texts to send in place of files, or beside them, by name. */
  readonly texts?: Readonly<Record<string, string>>;
  /** Ends the upload; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export const pushOptions: OptionNames<PushOptions> = {
  revision: true,
  token: true,
  endpoint: true,
  private: true,
  message: true,
  texts: true,
  signal: true,
};

/** A push that is done. */
export interface Pushed {
  /** The repository's page. */
  readonly url: string;
  /** The commit's id. */
  readonly commit: string;
  /** The files that were sent. */
  readonly files: readonly string[];
}

/** Records and states of a run, this package's and the Trainer's; they name files and options of the machine that trained. */
const runFiles = new Set([
  ...["log.jsonl", "steps.csv", "report.html", "train_results.txt", "eval_results.txt", "distillation.json"],
  ...["trainer_state.json", "optimizer.safetensors", "optimizer.pt", "scheduler.pt", "scaler.pt", "rng_state.pth", "training_args.bin"],
]);

/** Whether a file is not part of the model: a run's records and checkpoints, a teacher's vectors, hidden files. */
const isLeftOut = (file: string) => runFiles.has(file) || /(^|\/)\./.test(file) || /^(checkpoint-\d+|runs|teacher)\//.test(file);

/** Whether a name is that of a file, or of a link to one: a model in the hub's cache consists of links. */
const leadsToFile = async (entry: Dirent, path: string) =>
  entry.isFile() || (entry.isSymbolicLink() && (await stat(path).catch(() => null))?.isFile() === true);

/** The model's files in the folder at `path`, by their names within it. */
async function filesIn(path: string): Promise<string[]> {
  const files: string[] = [];
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath ?? entry.path, entry.name);
    const name = relative(path, file).split(sep).join("/");
    if (!isLeftOut(name) && (await leadsToFile(entry, file))) files.push(name);
  }
  return files;
}

/**
 * Sends the model in the folder at `path` to the repository `name`, which is made if it does not exist. Throws `OptionError` for an
 * impossible name and without a token, `FileError` for a folder without a model and when the hub refuses, and `PackageError` if
 * `@huggingface/hub` is not installed.
 */
export async function pushFolder(name: string, path: string, options: PushOptions = {}): Promise<Pushed> {
  checkOptions("pushFolder", options, pushOptions);
  const { revision = "main", message = "Upload model", texts = {}, signal } = options;
  if (!isHubName(name) || !name.includes("/"))
    throw new OptionError(`${name} is no name of a model`, "Give organisation/name, or your own name and the model's.");
  const access = clientAccess(options);
  if (access.accessToken === undefined && access.fetch === undefined)
    throw new OptionError("The hub takes files only with a token.", "Set HF_TOKEN to a token of your account that may write.");
  const files = await fileOperation("read", path, () => filesIn(path));
  if (!files.includes("config.json"))
    throw new FileError(
      `${path} has no config.json: it is not a model`,
      "Give the folder of a model, as train, distill or convert write it.",
    );
  const { createRepo, uploadFiles } = await optionalPackage("@huggingface/hub", `send ${name} to the hub`, import("@huggingface/hub"));
  const { hubUrl } = access;
  const repo = { type: "model" as const, name };
  await refusable(hubUrl, name, async () => {
    try {
      await createRepo({ ...access, repo, visibility: options.private ? "private" : "public" });
    } catch (error) {
      if (statusOf(error) !== alreadyThere) throw error;
    }
  });
  const sent = [...new Set([...files, ...Object.keys(texts)])].sort();
  const commit = await refusable(hubUrl, name, () =>
    uploadFiles({
      ...access,
      repo,
      branch: revision,
      commitTitle: message,
      files: sent.map((file) => ({
        path: file,
        content: Object.hasOwn(texts, file) ? new Blob([texts[file]!]) : pathToFileURL(join(path, file)),
      })),
      ...(signal && { abortSignal: signal }),
    }),
  ).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw error;
  });
  return { url: `${hubUrl}/${name}`, commit: commit?.commit.oid ?? "", files: sent };
}

const alreadyThere = 409;

const statusOf = (error: unknown) => (error as { statusCode?: number }).statusCode;

/** Sends requests; refusals become FileErrors that say what to do. */
async function refusable<T>(endpoint: string, name: string, send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (cause) {
    const status = statusOf(cause);
    const why = cause instanceof Error ? cause.message : String(cause);
    if (status === 401 || status === 403)
      throw new FileError(
        `${endpoint} does not let this token write ${name} (${status})`,
        "Check the name, and set HF_TOKEN to a token with the right to write there.",
        { cause },
      );
    throw new FileError(
      `${endpoint} did not take ${name}: ${status === undefined ? "" : `${status}, `}${why}`,
      "Check the network and HF_ENDPOINT, and try again; files that were sent are not sent again.",
      { cause },
    );
  }
}
