/**
 * Models and data sets from the Hugging Face hub or a mirror, by name. They are kept in the standard cache folder that Python's libraries
 * use too: `models--org--name/{blobs,refs,snapshots}` and `datasets--org--name`.
 * https://huggingface.co/docs/huggingface_hub/guides/manage-cache
 *
 * A repository is opened as a folder. The list of its files is known at once, and each file is downloaded when it is first read. A complete
 * file is compared with the hub's checksum: SHA-256 for large files, git's SHA-1 for the others.
 */
import { copyFile, readdir, readFile, stat, symlink } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { FileError, OptionError } from "../errors.ts";
import { optionalPackage } from "../optional-package.ts";
import { checkOptions, type OptionNames } from "../options.ts";
import { show } from "../show.ts";
import { type Folder, missingFile, pathIn } from "./folder.ts";
import { openFolder, writeFilesInto } from "./folder-node.ts";
import { errorCode, fileOperation } from "./folders/errno-node.ts";
import { rename } from "./folders/in-use-node.ts";
import { makeFolder } from "./folders/make-folder-node.ts";
import { clientAccess, endpointOf, expanded, isOn, networkRemedy, reasonOf, tokenHeaders, tokenOf } from "./hub/access-node.ts";
import { downloadFile } from "./hub/download-node.ts";

/** Options of `openHubFolder` and `openHubExamples`, and of `SimCSE.load` in Node. */
export interface HubOptions {
  /** A branch, tag or commit; `main` if absent. */
  readonly revision?: string | undefined;
  /** For private or gated repositories; HF_TOKEN, or the token that `hf auth login` left, if absent. */
  readonly token?: string;
  /** Where downloads are kept; HF_HUB_CACHE, or `hub` in HF_HOME, if absent. */
  readonly cacheDir?: string | undefined;
  /** Make no network requests; HF_HUB_OFFLINE=1 or TRANSFORMERS_OFFLINE=1 if absent. */
  readonly offline?: boolean | undefined;
  /** The address of the hub or a mirror; HF_ENDPOINT if absent. */
  readonly endpoint?: string;
  /** Called with a sentence for the user when a repository is taken from the cache because the hub cannot be reached. */
  readonly onNote?: (note: string) => void;
  /** Called while a file is downloaded, with bytes. */
  readonly onProgress?: ((progress: { readonly file: string; readonly done: number; readonly total: number }) => void) | undefined;
}

/** The names of the options, for calls that take these and others. */
export const hubOptions: OptionNames<HubOptions> = {
  revision: true,
  token: true,
  cacheDir: true,
  offline: true,
  endpoint: true,
  onNote: true,
  onProgress: true,
};

/** A repository of the hub. */
interface Repository {
  readonly type: keyof typeof repositoryTypes;
  readonly name: string;
}

/** For each type: its name in messages, what messages suggest that the name may be instead, and the prefix in addresses of files. */
const repositoryTypes = {
  model: { word: "model", otherwise: ", or the path if it is a folder", path: "" },
  dataset: { word: "data set", otherwise: "", path: "datasets/" },
} as const;

/** A folder of a repository. */
export interface RepositoryFolder extends Folder {
  /** The names of the files, including those in folders; when offline, only of those in the cache if nothing else is known. */
  list(): Promise<readonly string[]>;
}

/** The hub's information about a file. */
interface HubFile {
  readonly size: number;
  /** Its name in the cache, which is its checksum: SHA-256 for files in large-file storage, SHA-1 of git's blob for others. */
  readonly oid: string;
}

const COMMIT = /^[0-9a-f]{40}$/;
const OID = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
const HUB_NAME = /^(?:[\w-][\w.-]*\/)?[\w-][\w.-]*$/;

/**
 * Opens the folder on disk at `nameOrPath`, a path or a `file:` URL; of a model's folder in the hub's cache, its main snapshot. If there is
 * none and it can be a model's name, opens that model of the hub. Throws like `openFolder` and `openHubFolder`.
 */
export async function openModelFolder(nameOrPath: string | URL, options: HubOptions = {}): Promise<Folder> {
  checkOptions("openModelFolder", options, hubOptions);
  return openNamed(withoutUrl(nameOrPath), options);
}

/** The path of a `file:` URL, the address of any other URL; anything else as it is. In Jest, a URL is of another class `URL`. */
function withoutUrl(given: unknown): unknown {
  const address = typeof given === "object" && given !== null && "href" in given ? given.href : given;
  if (typeof address !== "string" || !address.startsWith("file:")) return address;
  try {
    return fileURLToPath(address);
  } catch (cause) {
    throw new OptionError(`${address} is no address of a folder here: ${(cause as Error).message}`, "Give the path of a folder.", {
      cause,
    });
  }
}

async function openNamed(nameOrPath: unknown, options: HubOptions): Promise<Folder> {
  if (typeof nameOrPath !== "string" || nameOrPath === "") {
    throw new OptionError(
      `The model must be a folder or a name, but is ${show(nameOrPath)}.`,
      "Give the path of a folder, or a name on the hub, and options after it; undefined stands for the small English model.",
    );
  }
  const isThere = await stat(nameOrPath).then(
    () => true,
    () => false,
  );
  if (!isThere && isHubName(nameOrPath)) return openHubFolder(nameOrPath, options);
  const address = /^(?:https?|hf):\/\/(?:huggingface\.co\/)?(?<name>[^/@?#]+\/[^/@?#]+)?/.exec(nameOrPath);
  if (!isThere && address !== null) {
    throw new OptionError(
      `${nameOrPath} is an address, not a folder or a model's name.`,
      `Give ${address.groups!.name ?? "organisation/name"}, its name on the hub, and a revision by its own option (--model_revision).`,
    );
  }
  const folder = await openFolder(nameOrPath);
  // A model's folder in the hub's cache has no files of its own.
  const commit = (await folder.has("config.json")) ? null : await commitIn(nameOrPath, "main");
  return commit === null ? folder : openFolder(join(nameOrPath, "snapshots", commit));
}

/** The commit of a revision in a repository's folder of the cache; null if it is not there. */
async function commitIn(cache: string, revision: string): Promise<string | null> {
  return readFile(join(cache, "refs", revision), "utf8").then(
    (commit) => commit.trim(),
    () => null,
  );
}

/** Whether a text can be the name of a repository on the hub: `name` or `organisation/name`. */
export function isHubName(text: string): boolean {
  return HUB_NAME.test(text) && !text.includes("..");
}

/**
 * Opens a model of the hub. Throws OptionError for an impossible name, revision or option. Throws FileError when the hub does not have it, refuses
 * it, or cannot be reached and the model is not in the cache; a cached model is then opened as with `offline`, and `onNote` is called.
 * Throws PackageError when `@huggingface/hub` is not installed. The folder throws FileError when a file is missing or cannot be fetched,
 * and FormatError when a downloaded file differs from what the hub announced.
 */
export async function openHubFolder(name: string, options: HubOptions = {}): Promise<Folder> {
  checkOptions("openHubFolder", options, hubOptions);
  return openRepository({ type: "model", name }, options);
}

/** Opens a model or a data set of the hub. It and the folder throw like `openHubFolder`. */
export async function openRepository(repository: Repository, options: HubOptions): Promise<RepositoryFolder> {
  const { revision = "main", offline = isOffline(process.env) } = options;
  const { type, name } = repository;
  const { word } = repositoryTypes[type];
  if (!isHubName(name)) throw new OptionError(`${name} is no name of a ${word}`, "Give organisation/name, as on the hub's page.");
  if (!/^[\w./-]+$/.test(revision) || revision.split("/").some((part) => /^\.*$/.test(part))) {
    throw new OptionError(`${revision} is no revision`, "Give a branch, a tag, or a commit.");
  }
  const { getHFHubCachePath, getRepoFolderName, listFiles } = await optionalPackage(
    "@huggingface/hub",
    `load the ${word} ${name} from the hub`,
    import("@huggingface/hub"),
  );
  const cache = join(expanded(options.cacheDir ?? getHFHubCachePath()), getRepoFolderName(repository));
  if (offline) return openCached(repository, cache, revision);
  const access = clientAccess(options);
  const commit = await asked(repository, revision, options, async () => {
    // The client's own question names fields (`expand`), which Artifactory answers with 404.
    const address = `${access.hubUrl}/api/${type}s/${name}/revision/${encodeURIComponent(revision)}`;
    const response = await fetch(address, { headers: tokenHeaders(options) });
    if (!response.ok) throw Object.assign(new Error(`${address} answered ${response.status}`), { statusCode: response.status });
    return String(((await response.json()) as { sha?: unknown }).sha);
  }).catch(async (error: unknown) => {
    if (!(error instanceof UnreachableError)) throw error;
    const cached = await openCached(repository, cache, revision).catch(() => null);
    if (cached === null) throw error;
    options.onNote?.(`${error.message}. The ${word} in the cache is used.`);
    return cached;
  });
  if (typeof commit !== "string") return commit;
  if (!COMMIT.test(commit)) throw noHub(access.hubUrl, name);
  const files = new Map<string, HubFile>();
  await asked(repository, revision, options, async () => {
    for await (const { type, path, size, oid, lfs } of listFiles({ repo: repository, revision: commit, recursive: true, ...access })) {
      if (type === "file") files.set(path, { size, oid: lfs?.oid ?? oid ?? "" });
    }
  });
  if (![...files.values()].every(({ oid }) => OID.test(oid))) throw noHub(access.hubUrl, name);
  if (revision !== commit) await keep(cache, `refs/${revision}`, commit);
  if (type === "dataset") await keep(cache, listingFile(commit), [...files.keys()].join("\n"));
  return new HubFolder(repository, cache, commit, files, options);
}

/** For an address that answers, but not as the hub does. */
const noHub = (endpoint: string, name: string): FileError =>
  new FileError(`${endpoint} describes ${name} in a way that is not the hub's`, "Check the address in HF_ENDPOINT.");

/** Writes a small file of the cache unless it says that already: a cache that has everything may be one that nobody may write. */
async function keep(cache: string, name: string, content: string): Promise<void> {
  const kept = await readFile(join(cache, name), "utf8").catch(() => null);
  if (kept !== content) await intoCache(() => writeFilesInto(cache, [{ name, content }]));
}

/** Writes into the cache. Who gave a name knows no path: an error says where the path comes from. */
async function intoCache(write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (cause) {
    if (!(cause instanceof FileError)) throw cause;
    throw new FileError(cause.message, `${cause.remedy} The hub's cache is the folder of --cache_dir (cacheDir) or HF_HUB_CACHE.`, {
      cause,
    });
  }
}

/** The names of a data set's files at a commit, one per line: without them, a cache that holds only some of the files would look complete. */
const listingFile = (commit: string): string => `.files/${commit}`;

/** The cached files of a revision, as a folder. */
async function openCached({ type, name }: Repository, cache: string, revision: string): Promise<RepositoryFolder> {
  const remedy = `Run once without --offline (and with HF_HUB_OFFLINE unset)${type === "model" ? ", or give a folder" : ""}.`;
  const commit = COMMIT.test(revision) ? revision : await commitIn(cache, revision);
  if (commit === null) throw new FileError(`${name} at ${revision} is not in the cache ${cache}`, remedy);
  const path = join(cache, "snapshots", commit);
  const snapshot = await openFolder(path).catch((cause: unknown) => {
    throw new FileError(`${name} at ${revision} is not in the cache ${cache}`, remedy, { cause });
  });
  const cached = async <T>(file: string, read: () => Promise<T>) => {
    if (await snapshot.has(file)) return read();
    throw new FileError(`${name}/${file} is not in the cache ${cache}`, remedy);
  };
  return {
    name,
    async list() {
      const known = await readFile(join(cache, listingFile(commit)), "utf8").catch(() => null);
      if (known !== null) return known.split("\n");
      const paths = await fileOperation("read", path, () => readdir(path, { recursive: true }));
      const files = paths.map((file) => file.split(sep).join("/"));
      const present = await Promise.all(files.map((file) => snapshot.has(file)));
      return files.filter((_, at) => present[at]);
    },
    has: (file) => snapshot.has(file),
    size: (file) => cached(file, () => snapshot.size(file)),
    read: (file, start, end) => cached(file, () => snapshot.read(file, start, end)),
  };
}

/** The hub cannot be asked now, but may have the repository. */
class UnreachableError extends FileError {}

class HubFolder implements RepositoryFolder {
  /** Files that are in the cache or being downloaded. */
  readonly #arrivals = new Map<string, Promise<Folder>>();

  constructor(
    readonly repository: Repository,
    readonly cache: string,
    readonly commit: string,
    readonly files: ReadonlyMap<string, HubFile>,
    readonly options: HubOptions,
  ) {}

  get name(): string {
    return this.repository.name;
  }

  async list(): Promise<readonly string[]> {
    return [...this.files.keys()];
  }

  async has(file: string): Promise<boolean> {
    return this.files.has(file);
  }

  async size(file: string): Promise<number> {
    return this.#known(file).size;
  }

  async read(file: string, start?: number, end?: number): Promise<Uint8Array> {
    const known = this.#known(file);
    const arriving = this.#arrivals.get(file) ?? this.#fetch(file, known);
    this.#arrivals.set(file, arriving);
    // A failure is not cached, so that a later read tries again.
    arriving.catch(() => this.#arrivals.delete(file));
    return (await arriving).read(file, start, end);
  }

  #known(file: string): HubFile {
    const known = this.files.get(file);
    if (known === undefined) throw missingFile(pathIn(this, file));
    return known;
  }

  /** Downloads a file unless it is in the cache, named by its checksum, and links it into the snapshot of the commit. */
  async #fetch(file: string, { size, oid }: HubFile): Promise<Folder> {
    const snapshot = join(this.cache, "snapshots", this.commit);
    const pointer = join(snapshot, file);
    const blob = join(this.cache, "blobs", oid);
    await intoCache(() =>
      fileOperation("write", this.cache, async () => {
        await makeFolder(dirname(blob));
        await makeFolder(dirname(pointer));
      }),
    );
    if (!(await holds(blob, size))) {
      const path = file.split("/").map(encodeURIComponent).join("/");
      const { word, path: before } = repositoryTypes[this.repository.type];
      await downloadFile(`${endpointOf(this.options)}/${before}${this.name}/resolve/${this.commit}/${path}`, blob, {
        shown: pathIn(this, file),
        headers: tokenHeaders(this.options),
        size,
        checksum: { algorithm: oid.length === 40 ? "git" : "sha256", digest: oid },
        remedyFor: (status) =>
          status === 404 ? "The file is not in the repository any more: open it again." : `Check HF_TOKEN and the ${word}'s terms.`,
        onProgress: (done) => this.options.onProgress?.({ file, done, total: size }),
      });
    }
    await fileOperation("write", pointer, () => link(blob, pointer));
    return openFolder(snapshot);
  }
}

async function holds(path: string, size: number): Promise<boolean> {
  return stat(path).then(
    (found) => found.size === size,
    () => false,
  );
}

/** Error codes of systems without symbolic links, or where only administrators may create them, as on Windows. */
const withoutLinks = new Set(["EPERM", "EACCES", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EINVAL"]);

/**
 * Creates a relative link, so that the cache can be moved; a copy if links are not possible, like Python's libraries. `makeLink` is for
 * tests.
 */
export async function link(blob: string, pointer: string, makeLink = symlink): Promise<void> {
  try {
    await makeLink(relative(dirname(pointer), blob), pointer);
  } catch (error) {
    const code = errorCode(error);
    if (code === "EEXIST") return;
    if (code === undefined || !withoutLinks.has(code)) throw error;
    // Copied to a temporary name and renamed, so that a reader sees the whole file or none.
    const copy = `${pointer}.${process.pid}.copy`;
    await copyFile(blob, copy);
    await rename(copy, pointer);
  }
}

/** Whether the environment asks for no requests, in the words that Python's libraries understand. */
export function isOffline(env: Readonly<Record<string, string | undefined>>): boolean {
  return [env.HF_HUB_OFFLINE, env.TRANSFORMERS_OFFLINE].some(isOn);
}

/** Sends a request to the hub; refusals become FileErrors that say what to do. */
async function asked<T>({ type, name }: Repository, revision: string, options: HubOptions, question: () => Promise<T>): Promise<T> {
  const endpoint = endpointOf(options);
  const { word } = repositoryTypes[type];
  // In Python, sentence-transformers puts its own name before one without an organisation.
  const isShort = type === "model" && !name.includes("/");
  const otherwise = `${repositoryTypes[type].otherwise}${isShort ? `, or sentence-transformers/${name} if it is one of theirs` : ""}`;
  try {
    return await question();
  } catch (cause) {
    const status = (cause as { statusCode?: number }).statusCode ?? null;
    if (status === 401 || status === 403) {
      throw new FileError(
        `${endpoint} refuses ${name} (${status}): there is no such ${word}, or it is private or gated`,
        `Check the name${otherwise}; accept the ${word}'s terms on its page, and set HF_TOKEN to a token that may read it.${tokenOf(options) === null ? "" : " The token that was sent may have expired: then public ones are refused too, and `hf auth logout` or another token helps."}`,
        { cause },
      );
    }
    if (status === 404) {
      throw new FileError(
        `${endpoint} has no ${word} ${name} with the revision ${revision}`,
        `Check the name and the revision${otherwise}.`,
        { cause },
      );
    }
    const what = status === null ? `cannot be reached: ${reasonOf(cause)}` : `answered ${status}`;
    throw new UnreachableError(
      `${endpoint} ${what}; it was asked for ${name}`,
      networkRemedy(cause) ??
        `${type === "model" ? "Check the path if it is a folder; use" : "Use"} --offline for a ${word} that is in the cache, or set HF_ENDPOINT to a mirror.`,
      { cause },
    );
  }
}
