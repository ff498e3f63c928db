/** The command line and the library train the same model. Here, and not beside the library's tests: those also run on a core device, and the command line opens a full one. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openFolder } from "../../../src/io/folder-node.ts";
import { SimCSE } from "../../../src/simcse/simcse-node.ts";
import { openTestDevice } from "../../device.ts";
import { temporaryFolder, tinySentences, writeTinyModel } from "../../tiny-model.ts";
import { simcse, words } from "../run-simcse.ts";

it("the command line trains to the bits of the library", async () => {
  const folder = await temporaryFolder();
  const path = (name: string) => join(folder, name);
  await writeTinyModel(path("model"));
  const pairs = Array.from({ length: 12 }, (_, i) => [tinySentences[i % 6]!, `${tinySentences[(i + 1) % 6]} ${i}`] as const);

  const model = await SimCSE.load(path("model"), { device: await openTestDevice(), training: true, pooler: "avg" });
  await model.train(pairs, { batchSize: 4, learningRate: 1e-3, maxSteps: 6, maxLength: 16 });
  await model.save(path("library"));
  model.close();

  await writeFile(path("pairs.jsonl"), pairs.map(([sent0, sent1]) => JSON.stringify({ sent0, sent1 })).join("\n"));
  const { code, stderr } = await simcse(
    words(`train --model_name_or_path ${path("model")} --train_file ${path("pairs.jsonl")} --output_dir ${path("command")} --pooler_type avg
      --per_device_train_batch_size 4 --learning_rate 1e-3 --max_steps 6 --max_seq_length 16 --no-autotune`),
  );
  expect({ code, stderr }).toMatchObject({ code: 0 });
  const weightsOf = async (name: string) => (await openFolder(path(name))).read("model.safetensors");
  expect(Buffer.compare(await weightsOf("command"), await weightsOf("library"))).toBe(0);
});
