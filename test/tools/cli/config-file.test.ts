/** `--config`: options from a file, as words before those of the command line. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { FileError, FormatError } from "../../../src/errors.ts";
import { withConfigFile } from "../../../tools/cli/config-file.ts";
import { temporaryFolder } from "../../tiny-model.ts";

const folder = await temporaryFolder();
const path = join(folder, "options.json");

it("puts what the file says before the other options, which win", async () => {
  await writeFile(path, JSON.stringify({ temp: 0.1, fp16: false, seeds: [1, 2], run_name: "a b", cache_dir: null }));
  const words = ["--temp", "0.1", "--fp16", "false", "--seeds", "1,2", "--run_name", "a b", "--temp", "1"];
  expect(await withConfigFile(["node", "simcse", "train", "--temp", "1", "--config", path])).toEqual(["node", "simcse", "train", ...words]);
  expect(await withConfigFile(["node", "simcse", "train", `--config=${path}`, "--temp", "1"])).toEqual([
    "node",
    "simcse",
    "train",
    ...words,
  ]);
  expect(await withConfigFile(["node", "simcse", "train", "--temp", "1"])).toEqual(["node", "simcse", "train", "--temp", "1"]);
});

it.each([
  ["[1]", "an object"],
  ["null", "an object"],
  ["learning_rate: 1", "not valid JSON"],
  ["", "it is empty"],
  ['{"temp": {"of": 1}}', "for temp"],
])("refuses a file that holds %s", async (content, message) => {
  await writeFile(path, content);
  const reading = withConfigFile(["node", "simcse", "train", "--config", path]);
  await expect(reading).rejects.toThrow(FormatError);
  await expect(reading).rejects.toThrow(path);
  await expect(reading).rejects.toThrow(message);
});

it("refuses a file that is not there", async () => {
  await expect(withConfigFile(["node", "simcse", "train", "--config", join(folder, "none.json")])).rejects.toThrow(FileError);
});
