/**
 * Finds the Parquet files of a data set's split by their names, in the layouts of the hub:
 *
 *     train.parquet, data/train-00000-of-00002.parquet       the split in the file's name
 *     train/0000.parquet, pairs/train/anything.parquet       or as its folder
 *     pairs/train-00000-of-00001-a09b74b3ef9c3b56.parquet    the configuration `pairs` is the folder above; `data` is none
 *
 * https://huggingface.co/docs/hub/datasets-file-names-and-splits
 */
import { FileError, OptionError } from "../../errors.ts";

/** Which part of a data set to read. */
export interface SplitChoice {
  /** The split; `train` if absent. */
  readonly split?: string | undefined;
  /** The configuration, or subset. If absent, the only one that has the split, or `default`. */
  readonly config?: string | undefined;
}

interface ParquetFile {
  readonly file: string;
  readonly folder: string;
  readonly config: string;
  readonly split: string;
  /** Its number and the total number, if the name says them. */
  readonly at?: number;
  readonly of?: number;
}

const ending = ".parquet";

/** The configuration of files that are not in a configuration's folder. */
const usualConfig = "default";

/** Folders with these names contain a split, whatever their files are called. */
const usualSplits = new Set(["train", "training", "validation", "valid", "val", "dev", "test", "testing", "eval", "evaluation"]);

/**
 * The Parquet files of a split, in order. Throws OptionError for a split or configuration that does not exist, listing those that do, and
 * FileError if there is no Parquet file, or the files are not all parts of one table.
 */
export function filesOfSplit(name: string, files: readonly string[], { split = "train", config }: SplitChoice): string[] {
  const all = files.filter((file) => file.endsWith(ending)).map(parquetFile);
  if (all.length === 0) {
    throw new FileError(
      `${name} holds no Parquet file`,
      "The hub keeps most sets as Parquet too: try --dataset_revision refs/convert/parquet (in the library, revision).",
    );
  }
  const ofSplit = all.filter((file) => file.split === split);
  if (ofSplit.length === 0) {
    throw new OptionError(
      `${name} has no Parquet file of the split ${split}.`,
      `Choose one with --dataset_split (in the library, split): ${listed(all.map((file) => file.split))}.`,
    );
  }
  const configs = new Set(ofSplit.map((file) => file.config));
  const chosen = config ?? (configs.size === 1 ? ofSplit[0]!.config : usualConfig);
  const found = ofSplit.filter((file) => file.config === chosen);
  if (found.length > 0) return inOrder(name, found);
  throw new OptionError(
    config === undefined ? `${name} has several configurations.` : `${name} has no configuration ${config} with the split ${split}.`,
    `Choose one with --dataset_config_name (in the library, config): ${listed([...configs])}.`,
  );
}

function parquetFile(file: string): ParquetFile {
  const folders = file.slice(0, -ending.length).split("/");
  const stem = folders.pop()!;
  const folder = folders.join("/");
  const { name, at, of } = /^(?<name>.*?)-?(?<at>\d+)-of-(?<of>\d+)(?:-[0-9a-f]+)?$/.exec(stem)?.groups ?? { name: stem };
  // `train-0` and `0000`, and names that do not say the split.
  const named = name!.replace(/(?:^|[-_.])\d+$/, "").replace(/^(?:part|shard|data|chunk|file)$/, "");
  const last = folders.at(-1);
  const isInFolder = last !== undefined && (usualSplits.has(last) || (named === "" && last !== "data"));
  const above = folders.slice(folders[0] === "data" ? 1 : 0, isInFolder ? -1 : undefined);
  return {
    file,
    folder,
    config: above.join("/") || usualConfig,
    split: (isInFolder ? last : named) || "train",
    ...(of !== undefined && { at: Number(at), of: Number(of) }),
  };
}

const byName = new Intl.Collator("en", { numeric: true });

/** Throws FileError unless the files are in one folder, and their number is the one in their names. */
function inOrder(name: string, files: readonly ParquetFile[]): string[] {
  const sorted = [...files].sort((a, b) => (a.at ?? 0) - (b.at ?? 0) || byName.compare(a.file, b.file));
  const { folder, of } = sorted[0]!;
  const areParts = sorted.every((file, at) => file.folder === folder && file.of === of && (of === undefined || file.at === at));
  if (areParts && (of === undefined || sorted.length === of)) return sorted.map(({ file }) => file);
  throw new FileError(
    `${name}: ${listed(sorted.map(({ file }) => file))} ${sorted.length === 1 ? `is not all ${of} parts` : "are not all parts of one table"}`,
    "Where parts are missing in the cache, run once without --offline; or download the files that are wanted, and give them as files.",
  );
}

/** Names that a message lists at most. */
const mostListed = 20;

function listed(names: readonly string[]): string {
  const distinct = [...new Set(names)];
  return `${distinct.slice(0, mostListed).join(", ")}${distinct.length > mostListed ? ` and ${distinct.length - mostListed} more` : ""}`;
}
