/** Examples of a data set on the hub: the Parquet files of one of its splits, read like one file. */
import { checkOptions, type OptionNames, splitOptions } from "../options.ts";
import { type ExampleOptions, type ExampleTable, openParts } from "./examples.ts";
import { filesOfSplit, type SplitChoice } from "./hub/parquet-splits.ts";
import { type HubOptions, hubOptions, openRepository } from "./hub-node.ts";
import { fileSource } from "./text/source.ts";

/** Options of `openHubExamples`. */
export interface HubExamplesOptions extends HubOptions, SplitChoice, Pick<ExampleOptions, "columns"> {}

const choiceOptions: OptionNames<SplitChoice & Pick<ExampleOptions, "columns">> = { split: true, config: true, columns: true };

/**
 * Opens the examples of a split of a data set, `owner/name` on the hub; its Parquet files are kept in the cache. Throws like
 * `openHubFolder` and `openExamples`, OptionError for a split or a configuration that does not exist, listing those that do, and FileError
 * if the data set has no Parquet file.
 */
export async function openHubExamples(name: string, options: HubExamplesOptions = {}): Promise<ExampleTable> {
  checkOptions("openHubExamples", options, { ...hubOptions, ...choiceOptions });
  const [hub, { split = "train", config, columns }] = splitOptions<HubOptions, SplitChoice & Pick<ExampleOptions, "columns">>(
    options,
    hubOptions,
  );
  const folder = await openRepository({ type: "dataset", name }, hub);
  const files = filesOfSplit(name, await folder.list(), { split, config });
  return openParts(
    [name, config, split].filter((part) => part !== undefined).join(" "),
    files.map((file) => fileSource(folder, file)),
    { columns },
  );
}
