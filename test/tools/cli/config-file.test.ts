/** `--config`: options from a file, as words before those of the command line. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { FileError, FormatError } from "../../../src/errors.ts";
import { withConfigFile } from "../../../tools/cli/config-file.ts";
import { temporaryFolder } from "../../tiny-model.ts";

const folder = await temporaryFolder();
const path = join(folder, "options.json");

const command = ["node", "simcse", "train"];

it("puts what the file says in its place, without the options that are given", async () => {
  await writeFile(
    path,
    JSON.stringify({ temp: 0.1, fp16: false, seeds: [1, 2], train_file: ["a", "b"], run_name: "a b", cache_dir: null }),
  );
  const words = ["--fp16", "false", "--seeds", "1,2", "--train_file", "a", "--train_file", "b", "--run_name", "a b"];
  expect(await withConfigFile([...command, "--temp", "1", "--config", path])).toEqual([...command, "--temp", "1", ...words]);
  expect(await withConfigFile([...command, `--config=${path}`, "--temp=1"])).toEqual([...command, ...words, "--temp=1"]);
  expect(await withConfigFile([...command, "--temp", "1"])).toEqual([...command, "--temp", "1"]);
  expect(await withConfigFile([...command, "--run-name=c", "--config", path])).toEqual([
    ...command,
    "--run-name=c",
    "--temp",
    "0.1",
    ...words.slice(0, -2),
  ]);
  const debug = ["node", "simcse", "--debug", "tokenizer", "train", "--temp", "1"];
  expect(await withConfigFile([...debug, "--config", path])).toEqual([...debug, ...words]);
  expect(await withConfigFile(["node", "simcse", "encode", "--", "--config", path])).toEqual([
    "node",
    "simcse",
    "encode",
    "--",
    "--config",
    path,
  ]);
});

it.each([
  [{ warmup_ratio: 0.1, temp: 1 }, "--warmup_steps=0"],
  [{ warmup_steps: 100, temp: 1 }, "--warmup-ratio=0.1"],
  [{ model_name_or_path: "a", model: "b", temp: 1 }, "--model=c"],
  [{ per_gpu_train_batch_size: 8, temp: 1 }, "--per_device_train_batch_size=4"],
  [{ evaluation_strategy: "steps", temp: 1 }, "--eval_strategy=no"],
])("leaves out of %j what %s says on the command line", async (options, word) => {
  await writeFile(path, JSON.stringify(options));
  for (const words of [
    [path, word],
    [word, "--config", path],
  ])
    expect((await withConfigFile([...command, ...words])).toSorted()).toEqual([...command, word, "--temp", "1"].toSorted());
});

it("takes an empty list and an empty text for nothing, and writes an object as JSON, as transformers has them", async () => {
  await writeFile(path, JSON.stringify({ debug: false, report_to: [], mp_parameters: "", accelerator_config: { even_batches: true } }));
  expect(await withConfigFile([...command, path])).toEqual([...command, "--accelerator_config", '{"even_batches":true}']);
});

it("keeps a prompt that is empty, which is not the model's own", async () => {
  await writeFile(path, JSON.stringify({ prompt: "", prompt_name: "" }));
  const encode = ["node", "simcse", "encode"];
  expect(await withConfigFile([...encode, "--config", path])).toEqual([...encode, "--prompt", ""]);
});

it("takes a file of options as the only argument of train, as the original does", async () => {
  await writeFile(path, JSON.stringify({ temp: 0.1 }));
  expect(await withConfigFile([...command, path])).toEqual([...command, "--temp", "0.1"]);
  expect(await withConfigFile(["node", "simcse", "encode", path])).toEqual(["node", "simcse", "encode", path]);
});

it.each([
  ["[1]", "an object"],
  ["null", "an object"],
  ["learning_rate: 1", "not valid JSON"],
  ["", "it is empty"],
  ['{"temp": [{"of": 1}]}', "for temp"],
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
