/** `simcse data download`: the public data sets that SimCSE trains and is evaluated on. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Command, Option } from "commander";
import { extract } from "tar";
import { FileError, FormatError, OptionError } from "../src/errors.ts";
import { writeFileAtomically } from "../src/io/folder-node.ts";
import { fileOperation } from "../src/io/folders/errno-node.ts";
import { rename } from "../src/io/folders/in-use-node.ts";
import { makeFolder } from "../src/io/folders/make-folder-node.ts";
import { checksumOf, downloadFile } from "../src/io/hub/download-node.ts";
import { withOptions } from "./cli/options.ts";
import { noProgress, startProgress } from "./cli/progress.ts";
import { say } from "./cli/say.ts";
import { isThere } from "./cli/senteval-folder.ts";
import { mineCommand } from "./mine.ts";

interface DataSet {
  readonly file: string;
  /** Approximate size of the download in megabytes, for --help. */
  readonly megabytes: number;
  readonly description: string;
  /** An archive is unpacked into a folder with this name. */
  readonly folder?: string;
}

/** The files that the original's scripts download. */
const dataSets: Readonly<Record<string, DataSet>> = {
  senteval: { file: "senteval.tar", folder: "senteval", megabytes: 60, description: "the STS and transfer tasks, for --data_dir" },
  wiki1m: { file: "wiki1m_for_simcse.txt", megabytes: 120, description: "a million Wikipedia sentences, for unsupervised training" },
  nli: { file: "nli_for_simcse.csv", megabytes: 49, description: "SNLI and MNLI with hard negatives, for supervised training" },
};

const names = Object.keys(dataSets);
const home = "https://huggingface.co/datasets/princeton-nlp/datasets-for-simcse/resolve/main";

interface DownloadCommandOptions {
  readonly output_dir: string;
  readonly base_url: string;
}

const options: readonly Option[] = [
  new Option("--output_dir <dir>", "folder for the data").default("data"),
  new Option("--base_url <url>", "URL of the folder with the files, such as a mirror").default(home),
];

const download = withOptions(
  new Command("download")
    .description("download public data sets; continues where an earlier attempt stopped")
    .argument("[sets...]", `${names.join(", ")} (default: all)`)
    .addHelpText(
      "after",
      `\nSets:\n${Object.entries(dataSets)
        .map(
          ([name, { file, megabytes, description }]) =>
            `  ${name.padEnd(9)} ${file}, about ${megabytes} MB:\n${" ".repeat(12)}${description}`,
        )
        .join("\n")}`,
    ),
  options,
).action(runDownload);

export const dataCommand = new Command("data")
  .description("download training data, and mine hard negatives")
  .addCommand(download)
  .addCommand(mineCommand);

async function runDownload(given: readonly string[], { output_dir, base_url }: DownloadCommandOptions): Promise<void> {
  const chosen = given.length === 0 ? names : given;
  for (const name of chosen) {
    if (!(name in dataSets)) throw new OptionError(`There is no data set "${name}".`, `Choose from ${names.join(", ")}.`);
  }
  for (const name of chosen) await fetchDataSet(dataSets[name]!, output_dir, base_url.replace(/\/+$/, ""));
}

async function fetchDataSet({ file, folder }: DataSet, outputDir: string, baseUrl: string): Promise<void> {
  const place = join(outputDir, folder ?? file);
  const record = join(outputDir, `${file}.sha256`);
  const recorded = await readRecord(record);
  if (await isThere(place)) {
    if (folder === undefined && recorded !== null && (await checksumOf(place)).digest !== recorded) {
      throw new FileError(
        `${place} is not what was downloaded: its SHA-256 is not the one in ${record}`,
        "Remove the file to fetch it again.",
      );
    }
    say(`${place} is there already${folder === undefined && recorded !== null ? " and unchanged" : ""}`);
    return;
  }
  const path = join(outputDir, file);
  let progress = noProgress;
  try {
    const { bytes, checksum, checked } = await downloadFile(`${baseUrl}/${file}`, path, {
      checksum: recorded === null ? undefined : { algorithm: "sha256", digest: recorded },
      onProgress: (done, total) => {
        if (progress === noProgress && total !== null) progress = startProgress(Math.ceil(total / 1e6), `${file} (MB)`);
        progress.update(Math.floor(done / 1e6), "");
      },
    });
    progress.stop();
    await writeFileAtomically(record, `${checksum.digest}  ${file}\n`);
    say(`${path}: ${(bytes / 1e6).toFixed(1)} MB, ${checksumNotes[checked]} ${checksum.digest}`);
  } finally {
    progress.stop();
  }
  if (folder !== undefined) {
    await unpack(path, place);
    await rm(path);
    say(`unpacked to ${place}`);
  }
}

const checksumNotes = {
  known: "the SHA-256 is the same as last time:",
  server: "the SHA-256 is the one the server states:",
  unchecked: "no checksum is known to compare with; recorded for the next time:",
} as const;

/** Unpacks under a temporary name and renames, so that a folder with the final name is complete. */
async function unpack(archive: string, place: string): Promise<void> {
  await fileOperation("write", place, () => makeFolder(dirname(place)));
  const partial = await fileOperation("write", place, () => mkdtemp(join(dirname(place), `.${basename(place)}.`)));
  try {
    // The package refuses absolute paths, and paths and links that lead out of the folder.
    await extract({ file: archive, cwd: partial, strict: true, filter: (_, entry) => !("type" in entry) || entry.type !== "SymbolicLink" });
    const content = await withoutWrapper(partial);
    await fileOperation("write", place, () => rename(content, place));
    await rm(partial, { recursive: true, force: true });
  } catch (cause) {
    await rm(partial, { recursive: true, force: true });
    if (cause instanceof FileError) throw cause;
    throw new FormatError(`${archive} cannot be unpacked: ${(cause as Error).message}`, "Remove it and download it again.", { cause });
  }
}

/** Folders that an archive may wrap its content in. */
const wrappers = new Set(["senteval", "data", "downstream"]);

/** The folder inside `folder` that holds the data itself. */
async function withoutWrapper(folder: string): Promise<string> {
  const entries = await readdir(folder);
  const [only] = entries;
  return entries.length === 1 && wrappers.has(only!.toLowerCase()) ? withoutWrapper(join(folder, only!)) : folder;
}

async function readRecord(path: string): Promise<string | null> {
  const text = await readFile(path, "utf8").catch(() => "");
  return /^([0-9a-f]{64})\s/.exec(text)?.[1] ?? null;
}
